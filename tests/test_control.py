"""The log's own lines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from json_values import JSON

from or_audit_logging.errors import FormatError
from or_audit_logging.sealing.control import MEMBERS, control_body, first_line_body, parse_control
from or_audit_logging.sealing.line import close_suffix, open_suffix

COMMON = {"record_id": "00000000-0000-4000-8000-000000000000", "timestamp": "2026-11-21T10:30:45.000000Z"}


def sealed(body: bytes, seq: int = 0) -> bytes:
    return close_suffix(open_suffix(body, log="0" * 16, seq=seq, kid=0), bytes(32))


def test_every_control_line_has_its_members_in_order() -> None:
    """Members not given are null; the order is the format's."""
    for event_type, names in MEMBERS.items():
        line = sealed(control_body(event_type, **COMMON))
        assert line.startswith(b'{"event_type":"log.')
        members = parse_control(line)
        assert tuple(members)[4:-4] == names
        assert all(members[name] is None for name in names)


def test_a_member_that_a_line_does_not_have_is_refused() -> None:
    """A misspelt member is a TypeError, not a silent loss."""
    with pytest.raises(TypeError):
        control_body("log.stop", **COMMON, process=1)


@pytest.mark.parametrize("seq", [0, 9, 10, 12345, 10**18])
def test_a_segment_s_first_line_has_1100_bytes(seq: int) -> None:
    """The pad makes up for whatever the other members and the number take."""
    body = first_line_body("log.open", **COMMON, seq=seq, kid=0, segment="audit_2026-11-21.jsonl")
    assert len(sealed(body, seq)) + 1 == 1100


def test_a_first_line_that_needs_more_has_no_pad() -> None:
    """A long frontier is not cut."""
    body = first_line_body("log.open", **COMMON, seq=0, kid=0, frontier=["ab" * 32] * 40)
    assert json.loads(body)["pad"] == ""
    assert len(sealed(body)) > 1100


@pytest.mark.parametrize(
    "change",
    [
        (b'"pid":1', b'"pid":1,"pid":2'),
        (b'"pid":1', b'"pid":NaN'),
        (b'"v":1,', b""),
        (b"log.stop", b"log.unknown"),
        (b'"v":1,"id":', b'"id":1,"v":'),
        (b'"pid":1', b'"pid":1,"more":2'),
    ],
)
def test_control_lines_with_other_members_are_refused(change: tuple[bytes, bytes]) -> None:
    """Twice, no number, missing, unknown, out of order, too many."""
    line = sealed(control_body("log.stop", **COMMON, pid=1))
    assert change[0] in line
    with pytest.raises(FormatError):
        parse_control(line.replace(*change))


@given(st.binary(max_size=200))
def test_the_parser_raises_nothing_but_its_own_error(raw: bytes) -> None:
    """Any bytes give members or FormatError."""
    try:
        parse_control(raw)
    except FormatError:
        pass


def test_the_vector_log_s_control_lines_parse(vectors: Any) -> None:
    """What another implementation wrote is understood."""
    for lines in vectors("log.json")["segments"].values():
        for line in lines:
            if line.startswith('{"event_type":"log.'):
                assert parse_control(line.encode())["event_type"] in MEMBERS


@given(st.sampled_from(sorted(MEMBERS)), st.data())
def test_members_may_be_any_json(event_type: str, data: st.DataObject) -> None:
    """What a member holds is for others to judge."""
    members = {name: data.draw(JSON) for name in MEMBERS[event_type]}
    line = sealed(control_body(event_type, **COMMON, **members))
    assert tuple(parse_control(line))[4:-4] == MEMBERS[event_type]


@given(
    st.sampled_from(sorted(MEMBERS)),
    st.floats(0, 1),
    st.integers(0, 9),
    st.binary(max_size=3) | st.sampled_from([b"[" * 100_000, b'{"a":' * 9, b"9" * 5000, b"1e999", b'"v":1,']),
)
def test_lines_that_were_changed_give_members_or_the_parsers_own_error(
    event_type: str, place: float, gone: int, new: bytes
) -> None:
    """A few bytes less, and others in their place."""
    line = sealed(control_body(event_type, **COMMON))
    at = round(place * len(line))
    try:
        parse_control(line[:at] + new + line[at + gone :])
    except FormatError:
        pass
