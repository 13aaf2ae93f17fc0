"""Stage one: both gates select whatever would find something, so both give the same redactions."""

from __future__ import annotations

import os
import string
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_redaction_spans import PIECES

from or_audit_logging.redaction import Redactor
from or_audit_logging.redaction import gate as gate_module
from or_audit_logging.redaction.finding import Finding, Look, Matcher
from or_audit_logging.redaction.gate import Gate, Re2Gate, StandardGate, gate_for
from or_audit_logging.redaction.matchers import MATCHERS

ANY = (
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
    | st.text(max_size=80)
    | st.text(alphabet=string.digits + "+-() .@a:/=_sk", max_size=80)
)


def gated(gate: Gate) -> Redactor:
    """Return a default redactor behind *gate*."""
    redactor = Redactor()
    redactor._gate = gate
    return redactor


class Open:
    """A gate that lets every matcher try."""

    def select(self, text: str) -> tuple[Matcher, ...]:
        return MATCHERS


@given(ANY)
def test_the_standard_gate_hides_nothing(text: str) -> None:
    """What no gate at all finds, it finds."""
    assert gated(StandardGate(MATCHERS)).redact(text) == gated(Open()).redact(text)


@given(ANY)
def test_the_gate_of_re2_hides_nothing(text: str) -> None:
    """Nor does the other, halves of surrogate pairs included."""
    pytest.importorskip("re2")
    assert gated(Re2Gate(MATCHERS)).redact(text) == gated(Open()).redact(text)


@pytest.mark.parametrize("name", ["sid", "code", "pw"])
def test_an_equals_sign_in_a_name_counts_for_both(name: str) -> None:
    """A single one is the sign that the name's matcher asks for."""
    pytest.importorskip("re2")
    text = f"{name}=x1y2z3a4b5c6d7e8f9._"
    redacted = gated(Open()).redact(text)
    assert redacted.findings
    assert gated(Re2Gate(MATCHERS)).redact(text) == gated(StandardGate(MATCHERS)).redact(text) == redacted


def never(text: str) -> list[Finding]:
    return []


MAIL = Matcher("mail", never, may_match=lambda look: "@" in look.text, needle="@")
DIGITS = Matcher("digits", never, may_match=lambda look: b"000" in look.digits, needle=r"[0-9]{3}")


@pytest.mark.parametrize("gate", [StandardGate, Re2Gate])
@pytest.mark.parametrize(
    ("text", "names"),
    [("", []), ("prose", []), ("a@b", ["mail"]), ("123 @", ["mail", "digits"]), ("\udc80 @", ["mail"])],
)
def test_a_gate_selects_in_order(gate: type[StandardGate | Re2Gate], text: str, names: list[str]) -> None:
    """Only what may match."""
    if gate is Re2Gate:
        pytest.importorskip("re2")
    assert [matcher.name for matcher in gate((MAIL, DIGITS)).select(text)] == names


def test_a_needle_that_re2_does_not_know_is_no_harm() -> None:
    """The standard library's gate serves instead."""
    look_behind = MAIL._replace(needle=r"(?<=x)@")
    assert isinstance(gate_for((look_behind,)), StandardGate)


def test_looks_ask_about_characters_at_once() -> None:
    """Kinds of characters, digits without their separators, runs of token characters, and lower case."""
    look = Look("Call (415) 555-2671 \u00e9 a_b-c")
    assert b"aaaa (000) 000-0000 ? a_a-a" in look.kinds
    assert b"aaaa0000000000?a_aa" in look.digits
    assert b"xxxxx" in look.tokens
    assert "call" in look.lower


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_child_of_a_process_with_threads_does_without_re2() -> None:
    """A lock of RE2's may have been held when it was forked; one of a process alone goes on with it."""
    gate, installed = gate_for(MATCHERS), gate_module.re2 is not None
    stop = threading.Event()
    other = threading.Thread(target=stop.wait)
    for threads, safe in ((0, True), (1, False)):
        if threads:
            other.start()
        child = os.fork()
        if child == 0:
            found = [matcher.name for matcher in gate.select("write to ann@example.com")]
            os._exit(0 if "email" in found and gate_module._is_usable is (safe and installed) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    stop.set()
    other.join()
    assert gate_module._is_usable is installed
