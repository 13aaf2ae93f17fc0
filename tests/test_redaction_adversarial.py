"""Texts made to be slow: redaction reads them to the end, in work that grows as they do.

`python benchmarks/redaction.py --adversarial` times the same seeds. Here work is counted, in calls of
functions, built-in ones included, so that the answer is the same on every machine. What a single call of a
pattern costs is not seen so; the patterns' repeats are bounded for that.
"""

from __future__ import annotations

import itertools
import runpy
import sys
from collections.abc import Callable
from types import FrameType

import pytest
from redaction_cases import ADVERSARIAL
from samples import REPOSITORY

from or_audit_logging.redaction import Redactor
from or_audit_logging.redaction.gate import Gate, Re2Gate, StandardGate
from or_audit_logging.redaction.matchers import MATCHERS
from or_audit_logging.redaction.redactor import FAILED

SEEDS: tuple[str, ...] = runpy.run_path(str(REPOSITORY / "benchmarks" / "redaction.py"))["SEEDS"]
ALL = sorted({*SEEDS, *ADVERSARIAL})
SIZES = (2_048, 4_096, 8_192)
LONG = 32_768
AT_THE_END = "\n\n; write to ann@example.com"


def redactor_behind(gate: type[StandardGate | Re2Gate]) -> Redactor:
    """Return a default redactor behind a gate of that kind."""
    redactor = Redactor()
    made: Gate = gate(MATCHERS)
    redactor._gate = made
    return redactor


REDACTOR = redactor_behind(StandardGate)


def repeated(seed: str, size: int) -> str:
    return seed * (size // len(seed))


def calls(function: Callable[[str], object], text: str) -> int:
    """Return how many functions are called, in Python and in C, while *function* reads *text*."""
    count = 0

    def each(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(each)
    try:
        function(text)
    finally:
        sys.setprofile(before)
    return count


def test_there_are_enough() -> None:
    """Of each matcher the beginnings that keep it busy, some thirty at least."""
    assert len(ALL) >= 30


@pytest.mark.parametrize("seed", ALL)
def test_work_grows_with_the_text(seed: str) -> None:
    """Twice the text takes at most two and a half times the work."""
    REDACTOR.redact(repeated(seed, 256))
    counts = [calls(REDACTOR.redact, repeated(seed, size)) for size in SIZES]
    for less, more in itertools.pairwise(counts):
        assert more <= 2.5 * less + 100, counts


@pytest.mark.parametrize("gate", [StandardGate, Re2Gate])
@pytest.mark.parametrize("seed", ALL)
def test_it_is_read_to_the_end(seed: str, gate: type[StandardGate | Re2Gate]) -> None:
    """Nothing fails, and what stands behind it is found."""
    if gate is Re2Gate:
        pytest.importorskip("re2")
    redacted = redactor_behind(gate).redact(repeated(seed, LONG) + AT_THE_END)
    assert FAILED not in redacted.text
    assert "ann@example.com" not in redacted.text


@pytest.mark.parametrize("seed", ALL)
def test_once_is_enough(seed: str) -> None:
    """What was redacted stays as it is."""
    once = REDACTOR.redact(repeated(seed, 1_024) + AT_THE_END).text
    assert REDACTOR.redact(once).text == once
