"""The shape of a sealed line, and the names a seal keeps for itself."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_audit_logging.errors import FormatError
from or_audit_logging.sealing.chain import leaf_hash
from or_audit_logging.sealing.line import (
    SUFFIX_MAX,
    Stub,
    close_suffix,
    open_suffix,
    parse_line,
    parse_stub,
    stub_of,
    user_members,
)


def test_a_line_comes_apart_as_it_was_put_together() -> None:
    """Suffix values and the sealed part are read back."""
    part = open_suffix(b'{"event_type":"x"}', log="0123456789abcdef", seq=7, kid=2)
    line = parse_line(close_suffix(part, b"\xab" * 32))
    assert (line.log, line.seq, line.kid, line.mac) == ("0123456789abcdef", 7, 2, b"\xab" * 32)
    assert line.sealed_part == part
    assert not line.is_control


def test_the_longest_suffix_is_counted() -> None:
    """SUFFIX_MAX is what sealing adds at most, the brace replaced included."""
    body = b'{"a":1}'
    line = close_suffix(open_suffix(body, log="0" * 16, seq=10**19 - 1, kid=10**10 - 1), bytes(32))
    assert len(line) - len(body) == SUFFIX_MAX - 1


def test_lines_of_another_shape_are_refused(vectors: Any) -> None:
    """Each row of the vectors is refused with FormatError."""
    for row in vectors("lines.json"):
        with pytest.raises(FormatError):
            parse_line(row["line"].encode("utf-8"))


@given(st.binary(max_size=300))
def test_the_parser_raises_nothing_but_its_own_error(raw: bytes) -> None:
    """Any bytes give a line or FormatError."""
    try:
        assert parse_line(raw).raw == raw
    except FormatError:
        pass


def test_reserved_names_are_freed_until_they_are_unique() -> None:
    """`log` becomes `x_log`, or `x_x_log` where that is taken."""
    members = {"log": 1, "x_log": 2, "seq": 3, "kid": 4, "mac": 5, "other": 6}
    assert user_members(members) == {"x_x_log": 1, "x_log": 2, "x_seq": 3, "x_kid": 4, "x_mac": 5, "other": 6}


def test_no_user_record_passes_for_a_line_of_the_log() -> None:
    """An event type that starts with log. gets an x_ in front."""
    assert user_members({"event_type": "log.genesis"}) == {"event_type": "x_log.genesis"}
    assert user_members({"event_type": "log"}) == {"event_type": "log"}


STUB = b'{"log":"0123456789abcdef","seq":10,"leaf":"' + b"ab" * 32 + b'"   }'


def test_a_stub_states_the_leaf_of_the_line_that_was_there() -> None:
    """With or without spaces; a line is no stub, and a stub is no line."""
    for stub in (STUB, STUB.replace(b" ", b"")):
        assert parse_stub(stub) == Stub(stub, "0123456789abcdef", 10, b"\xab" * 32)
    assert parse_stub(stub_of(parse_line(LINE))).leaf == leaf_hash(LINE)
    assert len(stub_of(parse_line(LINE))) == len(LINE)
    for wrong in (LINE, STUB[:-1], STUB + b" ", STUB.replace(b"ab", b"AB"), STUB.replace(b"10", b"010"), b""):
        with pytest.raises(FormatError):
            parse_stub(wrong)
    with pytest.raises(FormatError):
        parse_line(STUB)


WHOLE = re.compile(
    rb'\{[\x20-\x7e]+,"log":"([0-9a-f]{16})","seq":(0|[1-9][0-9]{0,18}),"kid":(0|[1-9][0-9]{0,9}),'
    rb'"mac":"([0-9a-f]{64})"\}'
)
"""The shape as FORMAT 2 writes it, in one expression."""
LINE = close_suffix(open_suffix(b'{"a":"b"}', log="0123456789abcdef", seq=10, kid=1), b"\xab" * 32)


@given(
    before=st.one_of(st.binary(max_size=12), st.sampled_from([b"", b"{", b'{"a":1', LINE, LINE[:-1]])),
    line=st.sampled_from(
        [LINE, LINE[9:], LINE.replace(b"10", b"010"), LINE.replace(b"ab", b"AB"), LINE + b"}"]
    ),
    at=st.integers(0, 200),
    byte=st.one_of(st.none(), st.binary(max_size=1)),
)
def test_what_is_a_line_is_what_the_format_says(before: bytes, line: bytes, at: int, byte: Any) -> None:
    """The quick way to take a line apart and the format's own expression agree on any bytes."""
    raw = before + line
    if byte is not None:
        raw = raw[:at] + byte + raw[at + 1 :]
    match = WHOLE.fullmatch(raw)
    try:
        found: Any = parse_line(raw)
    except FormatError:
        found = None
    assert (found is None) == (match is None)
    if found is not None and match is not None:
        assert (found.log.encode(), str(found.seq).encode(), found.mac.hex().encode()) == match.group(1, 2, 4)


@given(
    st.binary(max_size=120)
    | st.tuples(st.integers(0, len(STUB)), st.integers(0, 3), st.binary(max_size=3)).map(
        lambda change: STUB[: change[0]] + change[2] + STUB[change[0] + change[1] :]
    )
)
def test_the_parser_of_stubs_raises_nothing_but_its_own_error(raw: bytes) -> None:
    """Any bytes, and stubs with some of theirs changed, give a stub or FormatError."""
    try:
        stub = parse_stub(raw)
    except FormatError:
        return
    start = f'{{"log":"{stub.log}","seq":{stub.seq},"leaf":"{stub.leaf.hex()}"'.encode()
    assert raw == start.ljust(len(raw) - 1) + b"}"
