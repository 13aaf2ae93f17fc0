"""Sealed lines in other formats: what they are called there, that nothing one searches by gets lost."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from json_values import JSON
from samples import REPOSITORY, audit_record

from or_audit_logging import exact_json
from or_audit_logging.errors import ConfigError, FormatError
from or_audit_logging.projections import PROJECTIONS, Settings, datadog, ecs, encoder, google, project
from or_audit_logging.projections.kinds import fitted
from or_audit_logging.record import NAMES
from or_audit_logging.sealing import text as sealing_text
from or_audit_logging.sealing.encode import encode, encode_record
from or_audit_logging.sealing.line import close_suffix, open_suffix, parse_line, stub_of, user_members

FOLDER = REPOSITORY / "tests" / "vectors" / "formats"
VECTORS: dict[str, Any] = runpy.run_path(str(FOLDER / "make_formats.py"))
ROWS: dict[str, str] = VECTORS["ROWS"]
FORMATS = ("ecs", "google", "datadog")
MODULES = {"ecs": ecs, "google": google, "datadog": datadog}
LOG = "0001020304050607"
SPECIAL = frozenset(
    {"severity", "message", "time", google.INSERT_ID, google.LABELS, google.TRACE, google.SPAN_ID}
)

AMOUNTS = st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places), st.integers(0, 10**24), st.integers(0, 24)
)
each_format = pytest.mark.parametrize("name", FORMATS)


def sealed(body: bytes, *, seq: int = 17, mac: bytes = b"\x11" * 32) -> bytes:
    """Return the line of *body*, whose seal nobody checks here."""
    return close_suffix(open_suffix(body, log=LOG, seq=seq, kid=0), mac)


def line_of(**fields: Any) -> bytes:
    """Return the line of an audit record with *fields*."""
    return sealed(encode_record(audit_record(**fields), limit=1 << 20))


def exactly(body: bytes) -> Any:
    """Return *body* parsed, with numbers that have a fraction as their digits."""
    return json.loads(body, parse_float=Decimal)


def at(members: Any, path: str) -> Any:
    """Return what stands at the dotted *path* of nested members; None where nothing does."""
    for step in path.split("."):
        members = members.get(step) if isinstance(members, dict) else None
    return members


def seen(name: str, body: bytes, member: str) -> Any:
    """Return what a format's body says of a record's *member*."""
    out = exactly(body)
    if name == "ecs":
        return out.get((ecs.NAMES | ecs.STUB_NAMES)[member])
    if name == "google":
        return (
            at(out, f"or_audit.{member}")
            if member in (*google.CHAIN, "leaf")
            else out.get(google.NAMES[member])
        )
    return at(out, (datadog.NAMES | datadog.STUB_NAMES)[member])


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each attribute of nested members with its path, as Datadog counts them."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    else:
        yield path, value


@pytest.fixture(params=["orjson", "json"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Once with orjson, once without."""
    if request.param == "orjson":
        pytest.importorskip("orjson")
    else:
        monkeypatch.setattr(exact_json, "orjson", None)
        monkeypatch.setattr(sealing_text, "orjson", None)
    return str(request.param)


def test_the_golden_files_hold(library: str) -> None:
    """Byte for byte, with and without orjson."""
    for file, content in VECTORS["goldens"]().items():
        assert (FOLDER / file).read_bytes() == content.encode("ascii"), file


@each_format
def test_no_format_ends_like_a_sealed_line(name: str) -> None:
    """Nothing in a projection has the shape of one: an export that is verified would hold it for tampered."""
    for line in (line_of(), line_of(metadata={"a": 1}), sealed(b'{"event_type":"log","message":"m"}')):
        assert not re.search(rb',"log":"[0-9a-f]{16}","seq":\d+,"kid":\d+,"mac":"\w+"\}', encoder(name)(line))


def test_what_an_ecs_document_says() -> None:
    """The names that a search is made of, by hand."""
    body = json.loads((FOLDER / "ecs.jsonl").read_text("ascii").splitlines()[0])
    assert body["@timestamp"] == "2026-11-21T10:30:45.123456Z"
    assert body["event.hash"] == "0" * 63 + "1"
    assert (body["event.sequence"], body["or_audit.log"], body["or_audit.kid"]) == (1, LOG, 0)
    assert (body["event.action"], body["event.outcome"]) == ("chat_completion", "success")
    assert body["event.duration"] == 812_512_345
    assert (body["gen_ai.usage.input_tokens"], body["gen_ai.operation.name"]) == (30, "chat")
    assert body["labels"] == {"feature": "faq", "tenant": "café"}
    assert json.loads(body["or_audit.metadata"])["nested"] == {"a": [1, 1e-7]}


def test_what_google_s_agents_lift() -> None:
    """Severity, time, id, trace; with a project, the trace as Google links it."""
    line = ROWS["everything"].encode()
    body = json.loads(encoder("google", settings=Settings(project_id="my-project"))(line))
    assert (body["severity"], body["time"]) == ("INFO", "2026-11-21T10:30:45.123456Z")
    assert body["logging.googleapis.com/insertId"] == "00000000-0000-4000-8000-000000000001"
    assert (
        body["logging.googleapis.com/trace"] == "projects/my-project/traces/06796866738c859f2f19b7cfb3214824"
    )
    assert body["logging.googleapis.com/labels"]["or_audit_seq"] == "1"
    assert body["or_audit"]["mac"] == "0" * 63 + "1"


def test_what_datadog_correlates_by() -> None:
    """Source, service, host, status, tags, duration in ns, trace ids in decimal."""
    line = ROWS["everything"].encode()
    body = json.loads(encoder("datadog", settings=Settings(tags="team:billing"))(line))
    assert (body["ddsource"], body["service"], body["hostname"]) == ("or-audit", "checkout", "host-1")
    assert body["ddtags"] == "env:prod,team:billing"
    assert (body["status"], body["duration"]) == ("info", 812_512_345)
    assert body["dd"] == {"trace_id": str(0x2F19B7CFB3214824), "span_id": "74"}


@each_format
def test_statuses_levels_and_outcomes(name: str) -> None:
    """All six ways a call ends, and what the formats make of them."""
    wanted = {
        "success": ("INFO", "success"),
        "error": ("ERROR", "failure"),
        "timeout": ("ERROR", "failure"),
        "blocked": ("ERROR", "failure"),
        "cancelled": ("WARNING", "unknown"),
        "incomplete": ("WARNING", "unknown"),
    }
    for status, (level, outcome) in wanted.items():
        body = json.loads(encoder(name)(line_of(status=status)))
        found = {
            "ecs": body.get("log.level"),
            "google": body.get("severity"),
            "datadog": body.get("status"),
        }[name]
        assert found.upper() == level
        if name != "google":
            assert (body.get("event.outcome") or at(body, "evt.outcome")) == outcome


@given(
    amount=AMOUNTS, inner=AMOUNTS, seq=st.integers(0, (1 << 63) - 1), mac=st.binary(min_size=32, max_size=32)
)
@example(Decimal("0.00008410050"), Decimal("1E-7"), 17, b"\0" * 32)
@example(Decimal(0), Decimal(10) ** 20, 0, b"\xff" * 32)
def test_seq_mac_id_and_every_digit_survive(amount: Decimal, inner: Decimal, seq: int, mac: bytes) -> None:
    """In every format, at any depth; money is a number with a fraction, without an exponent."""
    record = audit_record(total_cost=amount, upstream_cost=inner, metadata={"n": {"budget": "INNER"}})
    digits = format(inner, "f") if "." in format(inner, "f") else format(inner, "f") + ".0"
    body = encode_record(record, limit=8000).replace(b'"INNER"', digits.encode())
    line = sealed(body, seq=seq, mac=mac)
    for name in FORMATS:
        out = encoder(name)(line)
        assert seen(name, out, "id") == record.id
        assert seen(name, out, "seq") == seq
        assert seen(name, out, "mac") == mac.hex()
        assert seen(name, out, "log") == LOG
        for member, value in (("total_cost", amount), ("upstream_cost", inner)):
            found = seen(name, out, member)
            assert type(found) is Decimal
            assert found.as_tuple() == Decimal(sealing_text.money(value) or "").as_tuple()
        assert re.search(rb"(?<![0-9])" + re.escape(digits.encode()) + rb"(?![0-9.])", out)
        assert not re.search(rb"[0-9][eE][-+]?[0-9]+[,}]", out.replace(line, b""))


@given(
    members=st.dictionaries(
        st.sampled_from([*NAMES, "level", "message", "leaf", "x", "a.b", ""]) | st.text(), JSON
    )
)
def test_any_members_become_typed_json(members: dict[str, Any]) -> None:
    """Whatever a user's formatter sealed: JSON in one line, ids whole, each field of the type it has."""
    line = sealed(encode(user_members({"event_type": "x"} | members), limit=1 << 20))
    for name in FORMATS:
        out = encoder(name)(line)
        assert out.isascii()
        assert re.fullmatch(rb"[ -~]+", out)
        assert (seen(name, out, "seq"), seen(name, out, "mac")) == (17, "11" * 32)
        check_types(name, json.loads(out))


@given(st.binary() | st.text().map(str.encode) | JSON.map(lambda value: json.dumps(value).encode()))
@example(b"")
@example(b"[]")
@example(b'{"a":NaN}')
@example(b'{"a":1e999999999999999999999}')
@example(b'{"event_type":"log.x","mac":1,"seq":-0}')
@example(b'{"latency_ms":' + b"9" * 5000 + b"}")
@example(b'{"latency_ms":0.' + b"9" * 5000 + b"}")
@example(b'{"total_cost":1e308,"timestamp":"2026-13-99T99:99:99Z"}')
@example(b'{"log":null,"seq":[],"leaf":{}}')
@example(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
@example(b'{"a":' + b"[" * 600 + b"]" * 600 + b"}")
@example('{"event_type":"x"}'.encode("utf-16"))
@example(b'{"message":"\\ud800","\\udfff":1}')
def test_only_format_errors(line: bytes) -> None:
    """Bytes that are no JSON object are refused as such; all else becomes JSON."""
    for name in FORMATS:
        try:
            out = encoder(name, original=True)(line)
        except FormatError:
            continue
        check_types(name, json.loads(out, parse_int=float))


def check_types(name: str, out: dict[str, Any]) -> None:
    """Assert that a body has the types that its format is documented with."""
    if name == "ecs":
        kinds = {
            target: member for member, target in (ecs.NAMES | ecs.CONTROL_NAMES | ecs.STUB_NAMES).items()
        }
        for target, value in out.items():
            if target == "labels":
                assert len(value) <= ecs.MOST_LABELS
                assert all(
                    type(v) is str and re.fullmatch(r"[\w-]{1,64}", k, re.ASCII) for k, v in value.items()
                )
            elif target in (
                "event.category",
                "event.type",
                *(ecs.NAMES[n] for n in ("generation_ids", "tool_names")),
            ):
                assert all(type(item) is str for item in value)
            elif target in kinds and ecs._FIELDS.get(kinds[target], ("", None))[1] is not None:
                assert not isinstance(value, (dict, list)), target
            else:
                assert type(value) is str, target
    elif name == "google":
        assert out["severity"] in {*google.SEVERITIES.values(), "DEFAULT"}
        assert all(type(value) is str for value in out.get(google.LABELS, {}).values())
        assert {key for key in out if "/" in key} <= SPECIAL
        known = {*google.NAMES.values(), *google.CONTROL_NAMES.values(), *SPECIAL, "or_audit", "extra"}
        assert set(out) <= known
    else:
        assert out["status"] in datadog.STATUSES.values()
        found = list(leaves(out))
        assert len(found) < 256
        for path, _ in found:
            assert len(path) < 10
            assert len(".".join(path)) < 50


@each_format
def test_what_is_unknown_is_left_out(name: str) -> None:
    """No null at the top of any body."""
    out = json.loads(encoder(name)(line_of(user_id=None)))
    assert None not in out.values()
    assert seen(name, encoder(name)(line_of(user_id=None)), "user_id") is None


@each_format
def test_the_line_itself_comes_along_when_asked_for_and_for_control_lines(name: str) -> None:
    """A checkpoint that was shipped is an anchor again: the text is the sealed line."""

    def original(line: bytes, **options: Any) -> Any:
        out = json.loads(encoder(name, **options)(line))
        return out.get("event.original") if name == "ecs" else at(out, "or_audit.original")

    checkpoint = ROWS["checkpoint"].encode()
    assert original(checkpoint) == checkpoint.decode()
    assert original(line_of()) is None
    line = line_of(error_message='\ud800 é \\ "')
    assert original(line, original=True) == line.decode()


@each_format
def test_a_stub_says_where_something_was(name: str) -> None:
    """Its log, seq and leaf; no time is made up, and the event has a name of its own."""
    stub = stub_of(parse_line(line_of()))
    out = encoder(name)(stub)
    assert [seen(name, out, member) for member in ("log", "seq")] == [LOG, 17]
    assert seen(name, out, "leaf") == json.loads(stub)["leaf"]
    assert b"record.redacted" in out
    assert seen(name, out, "timestamp") is None
    if name == "google":
        assert json.loads(out)[google.INSERT_ID] == f"{LOG}-17"


@each_format
def test_a_record_cannot_pass_for_a_stub_or_a_seal(name: str) -> None:
    """A caller's own `leaf` or `mac` does not stand where the seal's do."""
    members = user_members({"event_type": "log", "id": "i", "message": "m", "leaf": "c" * 64, "mac": "d"})
    for body in (
        encoder(name)(encode(members, limit=8000)),
        encoder(name)(sealed(encode(members, limit=8000))),
    ):
        assert seen(name, body, "leaf") is None
        assert seen(name, body, "mac") in (None, "11" * 32)
        assert b"c" * 64 in body


def test_callers_names_do_not_pass_for_google_s() -> None:
    """What an extra is called has no power over severity, id or labels."""
    forged = {
        "event_type": "log",
        "message": "m",
        "severity": "DEBUG",
        google.INSERT_ID: "x",
        "httpRequest": {},
    }
    out = json.loads(encoder("google")(sealed(encode(forged | {"level": "ERROR"}, limit=8000))))
    assert out["severity"] == "ERROR"
    assert out[google.INSERT_ID] == f"{LOG}-17"
    assert out["extra"] == {"severity": "DEBUG", google.INSERT_ID: "x", "httpRequest": {}}


def test_much_metadata_is_one_attribute_at_datadog() -> None:
    """Too many, too deep, too long a name: JSON text, all of it."""
    deep: dict[str, Any] = {"a": 1}
    for _ in range(8):
        deep = {"a": deep}
    for metadata in ({f"k{n}": n for n in range(300)}, deep, {"n" * 60: 1}, {"a": [{"b": 1}]}, {"": 1}):
        out = json.loads(encoder("datadog")(line_of(metadata=metadata)))
        assert "metadata" not in out
        assert json.loads(out["or_audit"]["metadata"]) == metadata


def test_much_metadata_is_text_in_ecs() -> None:
    """Labels are few, short and texts; where they are not all, the whole stands beside them."""
    metadata = {f"k{n}": "v" for n in range(100)} | {"n": 1, "a.b": "x", "long": "x" * 2000}
    out = json.loads(encoder("ecs")(line_of(metadata=metadata)))
    assert len(out["labels"]) == ecs.MOST_LABELS
    assert json.loads(out["or_audit.metadata"]) == metadata
    assert "or_audit.metadata" not in json.loads(encoder("ecs")(line_of(metadata={"feature": "faq"})))


def test_an_integer_cost_gets_its_fraction() -> None:
    """An index that sees 0 first would map the field as whole numbers."""
    for written, wanted in ((b"0", b"0.0"), (b"3", b"3.0"), (b"1e-7", b"0.0000001"), (b"1E2", b"100.0")):
        line = line_of().replace(b'"total_cost":null', b'"total_cost":' + written)
        for name in FORMATS:
            assert b'total_cost":' + wanted + b"," in encoder(name)(line)


def test_native_is_the_line() -> None:
    """To the byte, half of a surrogate pair included; what would break an array of lines is refused."""
    encode_native = encoder("native", original=True)
    for line in (b'{"a":  1 }', rb'{"a":"\ud800","n":123456789012345678901234567890}'):
        assert encode_native(line) == line
    for line in (b"no JSON", b'{"a":1},{"b":2}', b"[1]", b'{"a":NaN}', b'{"a":"\xff"}', b'{"a":' * 100_000):
        with pytest.raises(FormatError):
            encode_native(line)


def test_project_takes_any_values() -> None:
    """What `written` makes of them; the record is not changed."""
    record = audit_record(total_cost=Decimal("0.10"), metadata={"s": {1, 2}})
    out = project("google", record.to_dict())
    assert (out["total_cost"], out["metadata"], out["severity"]) == (0.10, {"s": [1, 2]}, "INFO")
    assert exact_json.write(out["total_cost"]) == "0.10"
    assert project("native", record.to_dict())["id"] == record.id


def test_an_unknown_format_is_refused() -> None:
    """With the ones there are."""
    for call in (encoder, lambda name: project(name, {})):
        with pytest.raises(ConfigError, match="native, ecs, google, datadog"):
            call("splunk")
    assert list(PROJECTIONS) == ["native", *FORMATS]


@each_format
def test_every_member_has_a_place(name: str) -> None:
    """A field that is added to the record is named in each format; metadata has rules of its own."""
    module = MODULES[name]
    assert set(NAMES) - set(module.NAMES) - {"metadata"} == set()
    assert len(set(module.NAMES.values())) == len(module.NAMES)
    assert fitted({"id": "a", "v": "one"}, module._FIELDS)[1] == {"v": "one"}


def test_the_golden_lines_are_in_the_folder() -> None:
    """As many rows as inputs, in every file."""
    files = sorted(path.name for path in Path(FOLDER).glob("*.jsonl"))
    assert files == ["datadog.jsonl", "ecs.jsonl", "google.jsonl", "lines.jsonl"]
    assert {len((FOLDER / file).read_text("ascii").splitlines()) for file in files} == {len(ROWS)}
