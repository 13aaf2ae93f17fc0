"""Exports: sealed lines that a collector gathered are put in order and verify like a file."""

from __future__ import annotations

import io
import json
import os
import random
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_builder import DAY, LOG_ID, NEXT_DAY, OTHER_SECRET, LogBuilder, key

from or_audit_logging import AuditFileHandler
from or_audit_logging.cli.main import main
from or_audit_logging.evidence.report import VerificationReport
from or_audit_logging.evidence.unwrap import MAX_WRAPPED, sealed_lines
from or_audit_logging.evidence.verify import verify
from or_audit_logging.projections import encoder
from or_audit_logging.sealing.control import first_line_body

OTHER_ID = bytes(range(16, 32))
THIRD_ID = bytes(range(32, 48))

every_file = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def stream_log(users: int = 3, *, log_id: bytes = LOG_ID, stop: bool = True, **options: Any) -> LogBuilder:
    """Return a log as a handler writes it to a container's output: its genesis names no file."""
    log = LogBuilder(day=None, log_id=log_id, **options)

    def body(event: str, **members: Any) -> bytes:
        return first_line_body(event, **(members | {"segment": None}))

    log.first_line = body
    log.open(DAY)
    log.control("log.start", pid=1, host="h", library="0", config="0" * 64)
    log.user(users)
    log.checkpoint()
    log.user(users)
    if stop:
        log.control("log.stop", pid=1)
        log.checkpoint()
    return log


def all_lines(*logs: LogBuilder) -> list[bytes]:
    """Return the lines of *logs*, one log after the other."""
    return [line for log in logs for name in log.segments for line in log.lines(name)]


def save(folder: Path, lines: Iterable[bytes], name: str = "export.log") -> Path:
    """Write *lines* to a file and return its path."""
    path = folder / name
    path.write_bytes(b"".join(lines))
    return path


def kinds(report: VerificationReport) -> list[str]:
    """Return what was found."""
    return [finding.kind for finding in report.findings]


def note_kinds(report: VerificationReport) -> list[str]:
    """Return what was noted."""
    return [note.kind for note in report.notes]


def docker(line: bytes) -> bytes:
    """Return *line* as docker's json-file driver keeps it."""
    text = line.decode("utf-8", "surrogateescape")
    return json.dumps({"log": text, "stream": "stdout", "time": "2026-11-21T10:00:00Z"}).encode() + b"\n"


def cri(line: bytes) -> bytes:
    """Return *line* as containerd and CRI-O keep it."""
    return b"2026-11-21T10:00:00.123456789Z stdout F " + line


def nested(line: bytes) -> bytes:
    """Return *line* in a string, in JSON that is a string again."""
    inner = json.dumps({"kubernetes": {"pod": "p"}, "message": line.decode().rstrip("\n")})
    return json.dumps({"ts": 1, "events": [{"body": inner}]}).encode() + b"\n"


def escaped_html(line: bytes) -> bytes:
    """Return *line* in JSON as Go writes it."""
    text = docker(line).decode().replace("<", "\\u003c").replace(">", "\\u003e").replace("/", "\\/")
    return text.encode()


WRAPPERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda line: line,
    "crlf": lambda line: line.replace(b"\n", b"\r\n"),
    "docker": docker,
    "cri": cri,
    "docker in cri": lambda line: cri(docker(line)),
    "nested": nested,
    "html": escaped_html,
    "syslog": lambda line: b'<134>1 2026-11-21T10:00:00Z host app[7] {x} - [a@1 b="{"] ' + line,
    "object": lambda line: b'{"time":"now","record":%b,"stream":"stdout"}\n' % line.rstrip(b"\n"),
    "array": lambda line: b'[{"a":1},{"b":"{"},%b]\n' % line.rstrip(b"\n"),
    "logfmt": lambda line: b"time=now level=info msg=%b\n" % json.dumps(line.decode()).encode(),
    "bom": lambda line: b"\xef\xbb\xbf" + line,
}


# what a collector does to lines


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_line_is_found_in_what_was_put_around_it(tmp_path: Path, wrapper: str) -> None:
    """As text between other text, or as a JSON string in a member at some depth, the line is the line."""
    log = stream_log()
    log.user(1, text=r"caf\u00e9 \ud800 \"quoted\" {\"a\":1} back\\slash")
    path = save(tmp_path, map(WRAPPERS[wrapper], all_lines(log)))
    report = verify(path, key=key(), anchors=[log.anchor()])
    assert (report.verdict, report.findings, report.notes) == ("verified", (), ())
    assert (report.lines, report.first_seq, report.last_seq) == (log.seq, 0, log.seq - 1)
    assert (report.log_id, report.origin, report.logs) == (LOG_ID.hex(), log.origin, ())
    assert report.is_export


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_the_same_line_comes_out_of_every_wrapper(wrapper: str) -> None:
    """Byte by byte, also where the text has a line feed of its own."""
    line = stream_log().lines()[4]
    assert [found.raw for found in sealed_lines(WRAPPERS[wrapper](line))] == [line.rstrip(b"\n")]


def test_several_lines_may_stand_in_one() -> None:
    """A shipper that sends batches puts many in one document."""
    lines = stream_log().lines()
    batch = json.dumps([{"log": lines[1].decode()}, {"log": (lines[2] + lines[3]).decode()}]).encode()
    assert [found.seq for found in sealed_lines(batch)] == [1, 2, 3]
    assert [found.seq for found in sealed_lines(lines[4].rstrip() + lines[5])] == [4, 5]


def test_a_sealed_line_that_a_record_quotes_is_no_line_of_its_own(tmp_path: Path) -> None:
    """What stands within a sealed line is a record's text, however it got there."""
    log = stream_log()
    quoted = json.dumps(log.lines()[3].decode())
    log.seal(b'{"event_type":"chat_completion","v":1,"content":%b}' % quoted.encode())
    for wrapper in WRAPPERS.values():
        report = verify(save(tmp_path, map(wrapper, all_lines(log))), key=key(), anchors=[log.anchor()])
        assert (report.verdict, report.notes) == ("verified", ())


def test_a_batch_in_one_line_is_looked_into_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not once for each of the lines in it."""
    logs = [stream_log(), stream_log(log_id=OTHER_ID)]
    batch = json.dumps([{"log": line.decode()} for line in reversed(all_lines(*logs))]).encode()
    looked: list[int] = []

    def counted(raw: bytes) -> list[Any]:
        looked.append(len(raw))
        return sealed_lines(raw)

    monkeypatch.setattr("or_audit_logging.evidence.collected.sealed_lines", counted)
    report = verify(save(tmp_path, [batch]), key=key(), anchors=[log.anchor() for log in logs])
    assert (report.verdict, report.lines) == ("verified", 24)
    assert len(looked) == 2


def test_lines_of_another_formatter_are_found(tmp_path: Path) -> None:
    """A record need not begin with its event type."""
    log = stream_log()
    log.seal(b'{"message":"hello {\\"a\\"} {","deep":{"event_type":"x","b":[{}]},"level":"INFO"}')
    for wrapper in ("plain", "cri", "syslog", "docker", "object"):
        path = save(tmp_path, map(WRAPPERS[wrapper], all_lines(log)))
        assert verify(path, key=key(), anchors=[log.anchor()]).verdict == "verified"


def test_other_output_and_wrappers_may_be_mixed(tmp_path: Path) -> None:
    """An application's own lines between them are passed over, whatever they hold."""
    log = stream_log()
    chance = random.Random(7)
    lines = [chance.choice(list(WRAPPERS.values()))(line) for line in all_lines(log)]
    noise = [
        b"\n",
        b"starting\n",
        b'{"level":"info"}\n',
        b"\xff\xfe\0\n",
        b"}{" * 50 + b"\n",
        b"[" * 9999 + b"\n",
    ]
    lines += noise * 3
    chance.shuffle(lines)
    report = verify(save(tmp_path, lines), key=key(), anchors=[log.anchor()])
    assert (report.verdict, report.lines, report.notes) == ("verified", log.seq, ())


def test_a_line_that_comes_twice_is_a_note(tmp_path: Path) -> None:
    """Delivery at least once is no change."""
    log = stream_log()
    lines = all_lines(log)
    lines += [lines[2], docker(lines[2]), cri(lines[5])]
    report = verify(save(tmp_path, lines), key=key(), anchors=[log.anchor()])
    assert (report.verdict, report.lines) == ("verified", log.seq)
    assert note_kinds(report) == ["repeated"]
    assert "3 lines" in report.notes[0].message


@every_file
@given(data=st.data())
def test_any_order_comes_to_the_same(tmp_path: Path, data: st.DataObject) -> None:
    """Honest or not, what a file holds is judged without regard to its order, copies and wrappers."""
    logs = [stream_log(2), stream_log(1, log_id=OTHER_ID)]
    lines = all_lines(*logs)
    dropped = data.draw(st.sets(st.integers(0, len(lines) - 1), max_size=2))
    kept = [line for at, line in enumerate(lines) if at not in dropped]
    if data.draw(st.booleans()):
        kept.append(lines[3].replace(b"pid", b"dip"))
    anchors = [log.anchor() for log in logs]
    expected = verify(save(tmp_path, kept), key=key(), anchors=anchors)
    order = data.draw(st.permutations([*kept, *data.draw(st.lists(st.sampled_from(kept), max_size=3))]))
    wrapper = data.draw(st.sampled_from(list(WRAPPERS.values())))
    report = verify(save(tmp_path, map(wrapper, order)), key=key(), anchors=anchors)
    assert (report.verdict, report.lines) == (expected.verdict, expected.lines)
    found = [
        sorted((f.seq or 0, f.kind, f.message.split(" stands at")[0]) for f in r.findings)
        for r in (report, expected)
    ]
    assert found[0] == found[1]


# lines in another format


def formatted(lines: Iterable[bytes], name: str, *, original: bool = False) -> list[bytes]:
    """Return *lines* as they are shipped in the format *name*."""
    encode = encoder(name, original=original)
    return [encode(line.rstrip(b"\n")) for line in lines]


def unfolded(value: Any) -> Any:
    """Return *value* with dotted names as objects in each other, and members in the order of names."""
    if isinstance(value, list):
        return [unfolded(item) for item in value]
    if not isinstance(value, dict):
        return value
    out: dict[str, Any] = {}
    for name, item in sorted(value.items()):
        place, (*above, last) = out, name.split(".")
        for step in above if "googleapis" not in name else ():
            place = place.setdefault(step, {})
        place[last if "googleapis" not in name else name] = unfolded(item)
    return out


def entries(bodies: list[bytes]) -> list[Any]:
    """Return *bodies* in an envelope, as services export them."""
    return [{"insertId": str(at), "jsonPayload": json.loads(body)} for at, body in enumerate(bodies)]


EXPORTS: dict[str, Callable[[list[bytes]], bytes]] = {
    "lines": lambda bodies: b"".join(body + b"\n" for body in bodies),
    "array": lambda bodies: b"[" + b",".join(bodies) + b"]",
    "pretty": lambda bodies: json.dumps(entries(bodies), indent=2).encode(),
    "compact": lambda bodies: json.dumps({"hits": {"hits": entries(bodies)}}).encode(),
    "unfolded": lambda bodies: json.dumps(unfolded(entries(bodies)), indent=1).encode(),
    "docker": lambda bodies: b"".join(docker(body + b"\n") for body in bodies),
    "cri": lambda bodies: b"".join(cri(body + b"\n") for body in bodies),
}
each_format = pytest.mark.parametrize("name", ["ecs", "google", "datadog"])
each_export = pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS.keys())


@each_format
@each_export
def test_lines_in_another_format_are_no_finding(
    tmp_path: Path, name: str, export: Callable[[list[bytes]], bytes]
) -> None:
    """They are there, and nothing can be said of them: the way to ship what can be verified is named."""
    log = stream_log()
    path = save(tmp_path, [export(formatted(all_lines(log), name))])
    for options in ({"key": key()}, {"anchors": [log.anchor()]}, {"key": key(), "anchors": [log.anchor()]}):
        report = verify(path, **options)  # type: ignore[arg-type]
        assert (report.verdict, report.exit_code, report.findings) == ("cannot verify", 2, ())
        assert "6 projected lines" in report.reasons[0]
        assert "ship with --format native or --original" in report.summary()
        assert "not-whole" not in note_kinds(report)
        assert not report.key_checked


@each_format
@each_export
def test_the_sealed_line_in_another_format_is_verified(
    tmp_path: Path, name: str, export: Callable[[list[bytes]], bytes]
) -> None:
    """Shipped with --original, it is that line."""
    log = stream_log()
    path = save(tmp_path, [export(formatted(all_lines(log), name, original=True))])
    report = verify(path, key=key(), anchors=[log.anchor()])
    assert (report.verdict, report.findings, report.lines) == ("verified", (), log.seq)
    (said,) = [note.message for note in report.notes if note.kind == "beside"]
    assert "the sealed line in each was checked, and not the fields beside it" in said


def test_sealed_lines_alone_have_nothing_beside_them(tmp_path: Path) -> None:
    log = stream_log()
    report = verify(save(tmp_path, all_lines(log)), key=key())
    assert "beside" not in {note.kind for note in report.notes}


@each_format
@pytest.mark.parametrize("export", ["lines", "array", "compact", "docker", "cri"])
def test_the_content_of_a_line_in_another_format_is_no_line(tmp_path: Path, name: str, export: str) -> None:
    """Metadata may look like a sealed line, of that number or another."""
    log = stream_log()
    claim = b'{"a":1,"log":"%b","seq":%d,"kid":0,"mac":"%b"}'
    for seq in (4, log.seq):
        value = claim % (log.log_id.hex()[:16].encode(), seq, b"0" * 64)
        log.seal(b'{"event_type":"chat_completion","v":1,"metadata":{"x":%b}}' % value)
    path = save(tmp_path, [EXPORTS[export](formatted(all_lines(log), name, original=True))])
    report = verify(path, key=key(), anchors=[log.anchor()])
    assert (report.verdict, report.findings, report.lines) == ("verified", (), log.seq)


@each_format
def test_what_is_there_in_no_format_is_missing(tmp_path: Path, name: str) -> None:
    """A line in another format accounts for itself alone."""
    log = stream_log()
    bodies = formatted(all_lines(log), name)
    path = save(tmp_path, [EXPORTS["lines"](bodies[:3] + bodies[4:])])
    report = verify(path, key=key())
    assert (report.verdict, kinds(report)) == ("tampered", ["missing-lines"])


@each_format
@pytest.mark.parametrize("at", [0, 1, 5, 9, 10])
def test_the_lines_of_the_log_itself_are_still_checked(tmp_path: Path, name: str, at: int) -> None:
    """Those that are there as they were sealed, except the first behind others: nothing ties it to them."""
    log = stream_log(users=2)
    log.checkpoint()
    lines = all_lines(log)
    assert b"log." in lines[at]
    lines[at] = lines[at].replace(b'"timestamp":"20', b'"timestamp":"19')
    report = verify(save(tmp_path, [EXPORTS["lines"](formatted(lines, name))]), key=key())
    is_first = b"log." not in lines[at - 1] and at > 0
    following = lines[at + 1] if at + 1 < len(lines) else b""
    assert report.verdict == ("cannot verify" if is_first and b"log." not in following else "tampered")


@each_format
def test_lines_in_both_forms_are_verified(tmp_path: Path, name: str) -> None:
    """A place to which the log was shipped twice, or whose format was changed and all shipped again."""
    log = stream_log()
    lines = [*all_lines(log), *(body + b"\n" for body in formatted(all_lines(log), name))]
    random.Random(5).shuffle(lines)
    report = verify(save(tmp_path, lines), key=key(), anchors=[log.anchor()])
    assert (report.verdict, report.findings) == ("verified", ())


@each_format
def test_one_log_in_another_format_among_others(tmp_path: Path, name: str) -> None:
    """It is told which; a log of which nothing else is there is no log whose lines are missing."""
    log, other = stream_log(), stream_log(log_id=OTHER_ID)
    records = [line for line in all_lines(other) if b'"log.' not in line]
    bodies = [body + b"\n" for body in formatted(records, name)]
    anchors = [log.anchor(), other.anchor()]
    report = verify(save(tmp_path, [*all_lines(log), *bodies]), key=key(), anchors=anchors)
    assert (report.verdict, report.findings) == ("cannot verify", ())
    assert sorted(one.verdict for one in report.logs) == ["cannot verify", "verified"]
    assert f"cannot verify: log {OTHER_ID.hex()[:16]}, no sealed line" in report.summary()
    alone = verify(save(tmp_path, bodies), key=key(), anchors=[other.anchor()])
    assert (alone.verdict, alone.findings, alone.lines) == ("cannot verify", (), 0)
    json.dumps(alone.to_dict())


@each_format
def test_segments_in_another_format(tmp_path: Path, name: str) -> None:
    """A segment's first line holds by itself, whatever form the line before it has."""
    log = LogBuilder()
    log.user(2)
    log.rotate(OTHER_SECRET)
    log.user(2)
    log.open(NEXT_DAY)
    log.user(2)
    log.checkpoint()
    path = save(tmp_path, [EXPORTS["lines"](formatted(all_lines(log), name))])
    report = verify(path, key=[key(), key(OTHER_SECRET)], anchors=[log.anchor()])
    assert (report.verdict, report.findings) == ("cannot verify", ())


def test_a_record_cannot_stand_in_for_lines_that_were_taken_away(tmp_path: Path) -> None:
    """What looks like a line in another format, within a sealed line, is content."""
    log = stream_log()
    claim = b'{"or_audit":{"log":"%b","seq":4,"kid":0,"mac":"%b"}}' % (LOG_ID.hex()[:16].encode(), b"0" * 64)
    for value in (claim, json.dumps(claim.decode()).encode()):
        log.seal(b'{"event_type":"chat_completion","v":1,"metadata":{"x":%b}}' % value)
    lines = all_lines(log)
    del lines[4]
    for wrapper in WRAPPERS.values():
        report = verify(save(tmp_path, map(wrapper, lines)), key=key())
        assert (report.verdict, kinds(report)) == ("tampered", ["missing-lines"])


# verdicts


def test_without_a_key_an_anchor_bounds_an_export(tmp_path: Path) -> None:
    """As with a folder: an anchor proves its range, nothing at all proves nothing."""
    log = stream_log()
    path = save(tmp_path, reversed(all_lines(log)))
    with_anchor = verify(path, anchors=[log.anchor(6)])
    assert (with_anchor.verdict, with_anchor.anchored_to, with_anchor.tail) == ("verified", 5, "unchecked")
    assert verify(path).verdict == "cannot verify"
    assert "neither a key nor an anchor" in verify(path).summary()


def test_with_the_key_alone_the_end_is_open(tmp_path: Path) -> None:
    """Nobody knows of lines after the last one, and how to anchor is said without naming a folder."""
    report = verify(save(tmp_path, all_lines(stream_log())), key=key())
    assert (report.verdict, report.exit_code, report.tail) == ("unanchored", 3, "chain-only")
    assert "12 lines of one log" in report.summary()
    assert "or-audit checkpoint" not in report.summary()


def test_a_missing_stop_is_a_note(tmp_path: Path) -> None:
    """A container that was killed says nothing any more."""
    report = verify(save(tmp_path, all_lines(stream_log(stop=False))), key=key())
    assert (report.verdict, report.unstopped, note_kinds(report)) == ("unanchored", 1, ["no-stop"])


def test_the_wrong_key_cannot_verify(tmp_path: Path) -> None:
    """A key of another log convicts nobody."""
    report = verify(save(tmp_path, all_lines(stream_log())), key=key(OTHER_SECRET))
    assert (report.verdict, report.findings) == ("cannot verify", ())


@pytest.mark.parametrize("at", range(12))
def test_a_dropped_line_is_found(tmp_path: Path, at: int) -> None:
    """The missing numbers are named; behind the last line only an anchor knows of more."""
    log = stream_log()
    lines = all_lines(log)
    path = save(tmp_path, lines[:at] + lines[at + 1 :])
    with_key, with_anchor = verify(path, key=key()), verify(path, anchors=[log.anchor()])
    assert with_anchor.verdict == "tampered"
    if at == len(lines) - 1:
        assert (with_key.verdict, kinds(with_anchor)) == ("unanchored", ["anchor-size"])
    else:
        assert kinds(with_key) == ["missing-lines"]
        assert with_key.findings[0].message == f"1 line is missing before this one: seq {at}"


def test_a_gap_names_its_first_and_last_line(tmp_path: Path) -> None:
    """With the line of the file behind it, so that it can be looked up."""
    lines = all_lines(stream_log())
    report = verify(save(tmp_path, [b"hello\n", *lines[:4], *lines[7:]]), key=key())
    (finding,) = report.findings
    assert (finding.segment, finding.line, finding.seq) == ("export.log", 6, 7)
    assert finding.message == "3 lines are missing before this one: seq 4 to 6"
    assert (finding.expected, finding.found) == (4, 7)


@pytest.mark.parametrize("at", range(12))
def test_an_edited_byte_is_found(tmp_path: Path, at: int) -> None:
    """In any line, whatever it is wrapped in: the line does not hold any more."""
    log = stream_log()
    lines = all_lines(log)
    lines[at] = lines[at].replace(b'"v":1', b'"v":2')
    for wrapper in ("plain", "docker", "cri"):
        path = save(tmp_path, map(WRAPPERS[wrapper], lines))
        assert verify(path, key=key()).verdict == "tampered"
        assert verify(path, anchors=[log.anchor()]).verdict == "tampered"
    if at > 0:
        assert verify(path, key=key()).findings[0].line == at + 1


@every_file
@given(at=st.integers(0, 11), place=st.integers(0, 10_000), byte=st.integers(0, 255), copies=st.booleans())
def test_no_edited_byte_goes_unseen_under_an_anchor(
    tmp_path: Path, at: int, place: int, byte: int, copies: bool
) -> None:
    """Any byte of any line, whatever becomes of the line by it."""
    log = stream_log()
    lines = all_lines(log)
    old = bytearray(lines[at])
    place %= len(old) - 1
    if old[place] == byte:
        return
    old[place] = byte
    changed = [*lines[:at], bytes(old), *lines[at + 1 :]]
    report = verify(save(tmp_path, changed), key=key(), anchors=[log.anchor()])
    assert report.verdict == "tampered"
    if copies:  # the line as it was stands there too: a bad copy of it that is no line is nobody's
        report = verify(save(tmp_path, [*changed, lines[at]]), key=key(), anchors=[log.anchor()])
        assert report.verdict in ("tampered", "verified")


@pytest.mark.parametrize("at", range(12))
@pytest.mark.parametrize("first", [True, False])
def test_two_lines_with_one_number_are_a_finding(tmp_path: Path, at: int, first: bool) -> None:
    """The one that the key did not seal is named, wherever it stands, and nothing else."""
    log = stream_log()
    forged = all_lines(log)[at].replace(b'"v":1', b'"v":2')
    lines = [forged, *all_lines(log)] if first else [*all_lines(log), forged]
    report = verify(save(tmp_path, lines), key=key(), anchors=[log.anchor()])
    assert (report.verdict, kinds(report)) == ("tampered", ["conflict"])
    assert (report.findings[0].seq, report.findings[0].line) == (at, 1 if first else len(lines))
    assert verify(tmp_path / "export.log", anchors=[log.anchor()]).verdict == "tampered"


def test_a_line_sealed_anew_by_the_key_is_found_by_the_next(tmp_path: Path) -> None:
    """Two continuations of one log cannot both be there."""
    log, other = stream_log(), stream_log(2)
    lines = all_lines(log)
    lines += all_lines(other)[7:8]
    report = verify(save(tmp_path, lines), key=key(), anchors=[log.anchor()])
    assert "conflict" in kinds(report)


def test_swapped_numbers_are_found(tmp_path: Path) -> None:
    """Order in the file means nothing; the number in a line is sealed."""
    lines = all_lines(stream_log())
    lines[4], lines[5] = (
        lines[4].replace(b'"seq":4', b'"seq":5'),
        lines[5].replace(b'"seq":5', b'"seq":4'),
    )
    assert verify(save(tmp_path, lines), key=key()).verdict == "tampered"


def test_a_forged_tree_in_a_checkpoint_is_found_without_the_key(tmp_path: Path) -> None:
    """A checkpoint among the lines is held against them."""
    log = stream_log()
    lines = all_lines(log)
    lines[4] = lines[4].replace(b"plain", b"plaim")
    report = verify(save(tmp_path, lines))
    assert report.verdict == "tampered"
    assert "checkpoint-root" in kinds(report)


# the head is missing


def test_a_missing_head_is_a_finding_and_the_rest_is_checked(tmp_path: Path) -> None:
    """Older lines that a collector threw away were there; with the log id pinned, the others are checked."""
    log = stream_log()
    lines = all_lines(log)[3:]
    unpinned = verify(save(tmp_path, lines), key=key())
    assert (unpinned.verdict, kinds(unpinned)) == ("tampered", ["missing-lines"])
    assert (unpinned.first_seq, unpinned.last_seq, unpinned.log) == (3, 11, LOG_ID.hex()[:16])
    assert (unpinned.log_id, unpinned.key_checked) == (None, False)
    assert "without it the key checks nothing" in unpinned.reasons[0]
    pinned = verify(tmp_path / "export.log", key=key(), log_id=LOG_ID.hex())
    assert (pinned.verdict, kinds(pinned), pinned.reasons) == ("tampered", ["missing-lines"], ())
    assert "checked with the key" in pinned.notes[-1].message
    lines[5] = lines[5].replace(b"plain", b"plaim")
    changed = verify(save(tmp_path, lines), key=key(), log_id=LOG_ID.hex())
    assert (kinds(changed), changed.findings[1].line) == (["missing-lines", "mac"], 6)


def test_a_pinned_id_stands_in_for_a_damaged_first_line(tmp_path: Path) -> None:
    """The line itself is a finding, and the others are still checked with the key."""
    lines = all_lines(stream_log())
    lines[0] = lines[0].replace(LOG_ID.hex().encode(), OTHER_ID.hex().encode(), 1)
    lines[7] = lines[7].replace(b"plain", b"plaim")
    report = verify(save(tmp_path, lines), key=key(), log_id=LOG_ID.hex())
    assert report.verdict == "tampered"
    assert {finding.line for finding in report.findings} == {1, 8}
    assert verify(tmp_path / "export.log", key=key()).verdict == "tampered"


def test_a_summary_of_a_headless_log_says_what_was_checked(tmp_path: Path) -> None:
    """Whoever reads it must know that a missing head is one thing and a changed line another."""
    report = verify(save(tmp_path, all_lines(stream_log())[5:]), key=key())
    assert "5 lines are missing before this one: seq 0 to 4" in report.summary()
    assert "Not checked: the line that states the log id is not there" in report.summary()
    assert (note_kinds(report), report.notes[0].line) == (["no-beginning"], 1)
    assert "by number and checkpoint alone" in report.notes[0].message


# several logs


def test_several_logs_are_verified_each(tmp_path: Path) -> None:
    """One report has them all, the worst verdict counts, and each has its own."""
    logs = [stream_log(n, log_id=log_id) for n, log_id in ((1, LOG_ID), (2, OTHER_ID), (3, THIRD_ID))]
    lines = all_lines(*logs)
    random.Random(1).shuffle(lines)
    good = verify(save(tmp_path, lines), key=key(), anchors=[log.anchor() for log in logs])
    assert (good.verdict, good.log_count, good.log, good.log_id, good.tail) == (
        "verified",
        3,
        None,
        None,
        None,
    )
    assert good.lines == sum(log.seq for log in logs)
    assert {report.log_id: report.last_seq for report in good.logs} == {
        log.log_id.hex(): log.seq - 1 for log in logs
    }
    assert "3 logs" in good.summary()
    for log in logs:
        assert f"verified: log {log.log_id.hex()[:16]}, seq 0 to {log.seq - 1}, origin" in good.summary()
    part = verify(tmp_path / "export.log", key=key(), anchors=[log.anchor(4) for log in logs])
    assert part.verdict == "verified"
    assert "anchored up to seq 3, chain-only behind it" in part.summary()
    some = verify(tmp_path / "export.log", key=key(), anchors=[logs[0].anchor()])
    assert (some.verdict, some.notes) == ("unanchored", ())
    assert sorted(report.verdict for report in some.logs) == ["unanchored", "unanchored", "verified"]
    bad = [line.replace(b"plain", b"plaim", 1) if line == logs[1].lines()[4] else line for line in lines]
    worst = verify(save(tmp_path, bad), key=key(), anchors=[log.anchor() for log in logs])
    assert (worst.verdict, worst.finding_count) == ("tampered", 1)
    assert sorted(report.verdict for report in worst.logs) == ["tampered", "verified", "verified"]
    assert json.loads(json.dumps(worst.to_dict()))["logs"][0]["exit_code"] in (0, 1)


def test_a_log_without_its_key_cannot_be_verified_among_others(tmp_path: Path) -> None:
    """It outweighs a missing anchor and is outweighed by a finding."""
    logs = [stream_log(), stream_log(log_id=OTHER_ID, secret=OTHER_SECRET)]
    report = verify(save(tmp_path, all_lines(*logs)), key=key())
    assert (report.verdict, report.exit_code) == ("cannot verify", 2)
    assert report.reasons[0].startswith(f"log {OTHER_ID.hex()[:16]}: the key given is not that")
    both = verify(tmp_path / "export.log", key=[key(), key(OTHER_SECRET)])
    assert both.verdict == "unanchored"


def test_a_pinned_log_is_the_only_one_asked_for(tmp_path: Path) -> None:
    """What other containers wrote to the same place is somebody else's question."""
    log, other = stream_log(), stream_log(log_id=OTHER_ID)
    lines = [*all_lines(log), *(line.replace(b"plain", b"plaim") for line in all_lines(other))]
    path = save(tmp_path, lines)
    for pin in (LOG_ID.hex(), log.origin):
        report = verify(path, key=key(), anchors=[log.anchor()], log_id=pin)
        assert (report.verdict, report.logs, report.log_id) == ("verified", (), LOG_ID.hex())
        assert note_kinds(report) == ["other-logs"]
    absent = verify(path, key=key(), log_id=THIRD_ID.hex())
    assert absent.verdict == "tampered"
    assert "log-id" in kinds(absent)
    alone = verify(save(tmp_path, all_lines(log)), key=key(), log_id=LOG_ID.hex()[:-1] + "0")
    assert kinds(alone) == ["log-id"]


def test_anchors_of_logs_that_are_not_there_are_noted(tmp_path: Path) -> None:
    """Which logs there should be, an export cannot say."""
    log, other = stream_log(), stream_log(log_id=OTHER_ID)
    report = verify(save(tmp_path, all_lines(log)), key=key(), anchors=[log.anchor(), other.anchor()])
    assert (report.verdict, note_kinds(report)) == ("verified", ["anchor-of-another-log"])
    gone = verify(save(tmp_path, [b"hello\n"]), key=key(), anchors=[log.anchor()])
    assert (gone.verdict, kinds(gone)) == ("tampered", ["anchor-size"])


# segments of a log folder


def test_an_export_of_a_folders_segments_verifies(tmp_path: Path) -> None:
    """Lines of a file log that were shipped: its segments go on from one another, in any order."""
    log = LogBuilder()
    log.user(2)
    log.torn(b'{"event_type":"chat_comp')
    log.rotate(OTHER_SECRET)
    log.open(NEXT_DAY)
    log.user(2)
    lines = all_lines(log)
    random.Random(3).shuffle(lines)
    ring = [key(), key(OTHER_SECRET)]
    report = verify(save(tmp_path, lines), key=ring, anchors=[log.anchor()])
    assert (report.verdict, report.key_checked, report.findings) == ("verified", True, ())
    assert sorted(note_kinds(report)) == ["not-whole", "recovered"]
    without = [line for line in all_lines(log) if b'"log.open"' not in line]
    assert kinds(verify(save(tmp_path, without), key=ring)) == ["missing-lines"]


def test_a_later_segment_alone_sends_to_its_folder(tmp_path: Path) -> None:
    """The lines before it are in the folder's other files: that is no finding, and no answer either."""
    log = LogBuilder()
    log.user(3)
    log.open(NEXT_DAY)
    log.user(3)
    log.save(tmp_path)
    path = tmp_path / log.name
    report = verify(path, key=key(), anchors=[log.anchor()])
    assert (report.verdict, report.findings, report.first_seq) == ("cannot verify", (), 5)
    assert f"verify its folder, {tmp_path}" in report.summary()
    assert note_kinds(report) == ["unread-lines"]
    assert "seq 0 to 4 stand in the log's other segments" in report.notes[0].message
    path.write_bytes(path.read_bytes().replace(b"plain", b"plaim", 1))
    changed = verify(path, key=key())
    assert (changed.verdict, changed.findings[0].line) == ("tampered", 3)
    elsewhere = save(tmp_path, log.lines(log.name), "copy.txt")
    assert kinds(verify(elsewhere, key=key()))[0] == "missing-lines"


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
def test_a_handlers_filename_is_still_its_folder(tmp_path: Path, audit_key: bytes) -> None:
    """Also where a link of that name points at the active segment."""
    handler = AuditFileHandler(tmp_path / "audit.jsonl")
    handler.close()
    log = LogBuilder()
    log.user()
    folder = log.save(tmp_path / "log")
    (folder / "audit.jsonl").symlink_to(log.name)
    report = verify(folder / "audit.jsonl", key=key())
    assert (report.verdict, report.is_export, report.segments) == ("unanchored", False, 1)


# what is no export


def test_a_file_without_a_sealed_line_cannot_be_verified(tmp_path: Path) -> None:
    """And what it seems to be is said."""
    for content, says in (
        (b"", "there is no sealed line in"),
        (b"hello\n" * 3, "there is no sealed line in"),
        (b"\x1f\x8b\x08", "unpack it first"),
        ("hello".encode("utf-16"), "UTF-16"),
    ):
        report = verify(save(tmp_path, [content]), key=key())
        assert (report.verdict, report.exit_code) == ("cannot verify", 2)
        assert says in report.summary()


def test_lines_that_were_cut_or_written_anew_are_noted(tmp_path: Path) -> None:
    """So that whoever set up the shipper sees why lines are missing."""
    lines = all_lines(stream_log())
    anew = json.dumps(dict(sorted(json.loads(lines[6]).items()))).encode() + b"\n"
    report = verify(save(tmp_path, [*lines[:5], lines[5][:60] + b"\n", anew, *lines[7:]]), key=key())
    assert (report.verdict, kinds(report)) == ("tampered", ["missing-lines"])
    (note,) = report.notes
    assert (note.kind, note.line) == ("not-whole", 6)
    assert "2 lines" in note.message


def test_a_line_of_any_length_is_passed_over(tmp_path: Path) -> None:
    """Longer than a line can be, it is skipped without being held in memory, and what follows counts."""
    log = stream_log()
    lines = all_lines(log)
    lines[4:4] = [b"x" * (MAX_WRAPPED * 2 + 17) + b"\n"]
    lines.append(b"y" * (MAX_WRAPPED + 1))
    report = verify(save(tmp_path, lines), key=key(), anchors=[log.anchor()])
    assert (report.verdict, note_kinds(report)) == ("verified", ["too-long"])
    assert report.notes[0].line == 5
    assert "2 lines" in report.notes[0].message


def test_the_longest_line_is_found_in_a_wrapper(tmp_path: Path) -> None:
    """A line of a file log may be a megabyte long."""
    log = stream_log()
    log.user(1, text='\\"' * ((1 << 19) - 140))
    report = verify(save(tmp_path, map(docker, all_lines(log))), key=key(), anchors=[log.anchor()])
    assert report.verdict == "verified"


def test_an_export_is_no_anchor_of_itself(tmp_path: Path) -> None:
    """Checkpoints among the lines are the log's own; a copy elsewhere is an anchor."""
    path = save(tmp_path, all_lines(stream_log()))
    report = verify(path, key=key(), anchors=[path])
    assert (report.verdict, note_kinds(report)) == ("unanchored", ["anchor-refused"])
    copy = save(tmp_path, all_lines(stream_log()), "kept.anchors")
    assert verify(path, key=key(), anchors=[copy]).verdict == "verified"


@pytest.mark.skipif(os.name != "posix" or os.getuid() == 0, reason="needs file modes that bind")
def test_an_unreadable_file_cannot_be_verified(tmp_path: Path) -> None:
    """That is no finding."""
    path = save(tmp_path, all_lines(stream_log()))
    path.chmod(0)
    assert "cannot be read" in verify(path, key=key()).summary()


@every_file
@given(data=st.data())
def test_no_content_raises(tmp_path: Path, data: st.DataObject) -> None:
    """Any bytes at all, and pieces of sealed lines and wrappers in any mixture."""
    lines = all_lines(stream_log(1), LogBuilder(log_id=OTHER_ID))
    big = lines[3].replace(b'"seq":3', b'"seq":9999999999999999999')
    wrapped = [wrapper(line) for wrapper in WRAPPERS.values() for line in lines[:4]]
    for name in ("ecs", "google", "datadog"):
        bodies = formatted(lines[2:5], name)
        wrapped += [*bodies, *(export(bodies) for export in EXPORTS.values())]
    piece = st.one_of(
        st.binary(max_size=60),
        st.sampled_from([*lines, *wrapped, big, b"\n", b"{", b'{"a":"', b'\\"', b"[" * 3000, b'{"log":"']),
        st.tuples(st.sampled_from(lines), st.integers(0, 2000)).map(lambda cut: cut[0][: cut[1]]),
        st.tuples(st.sampled_from(lines), st.integers(0, 1100), st.binary(min_size=1, max_size=3)).map(
            lambda edit: edit[0][: edit[1]] + edit[2] + edit[0][edit[1] + len(edit[2]) :]
        ),
    )
    path = save(tmp_path, data.draw(st.lists(piece, max_size=12)))
    ring = data.draw(st.sampled_from([key(), None]))
    pin = data.draw(st.sampled_from([None, LOG_ID.hex(), THIRD_ID.hex()]))
    report = verify(
        path, key=ring, log_id=pin, anchors=data.draw(st.sampled_from([(), [stream_log(1).anchor()]]))
    )
    assert isinstance(report.summary(), str)
    json.dumps(report.to_dict())


def test_a_number_beyond_all_numbers_raises_nothing(tmp_path: Path) -> None:
    """A seq has up to nineteen digits, in a folder as in an export."""
    log = LogBuilder()
    log.user(2)
    log.segments[log.name] = log.segments[log.name].replace(b'"seq":3', b'"seq":9999999999999999999')
    for at in (log.save(tmp_path / "log"), save(tmp_path, log.lines())):
        assert verify(at, key=key()).verdict == "tampered"
        assert verify(at, anchors=[log.anchor()]).verdict == "tampered"


def test_calls_that_never_finished_are_counted(tmp_path: Path) -> None:
    """As in a folder, whatever stands where an id should."""
    log = stream_log()
    log.seal(b'{"event_type":"chat_completion.started","v":1,"id":"one"}')
    log.seal(b'{"event_type":"chat_completion.started","v":1,"id":["two"]}')
    log.seal(b'{"event_type":"chat_completion","v":1,"id":"end","started_id":"one"}')
    report = verify(save(tmp_path, reversed(all_lines(log))), key=key())
    assert (report.unfinished, report.findings) == (1, ())
    assert verify(LogBuilder().save(tmp_path / "log"), key=key()).unfinished == 0


def test_progress_is_told_over_all_logs(tmp_path: Path) -> None:
    """The numbers only grow."""
    logs = [stream_log(), stream_log(log_id=OTHER_ID)]
    told: list[int] = []
    verify(save(tmp_path, all_lines(*logs)), key=key(), progress=told.append)
    assert told == [12, 24]


# the command


@pytest.fixture
def with_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The secret of the test logs, in the environment."""
    monkeypatch.setenv("OR_AUDIT_KEY", "a secret of more than thirty-two bytes")


@pytest.mark.usefixtures("with_key")
def test_the_command_takes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the exit codes of a folder, in words and as JSON."""
    logs = [stream_log(), stream_log(log_id=OTHER_ID)]
    path = save(tmp_path, all_lines(*logs))
    (tmp_path / "anchors").write_text("".join(f"{json.dumps(log.note())}\n" for log in logs))
    assert main(["verify", str(path)]) == 3
    assert main(["verify", str(path), "--unanchored-ok"]) == 0
    capsys.readouterr()
    assert main(["verify", str(path), "--anchor", str(tmp_path / "anchors")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("VERIFIED\n24 lines of 2 logs")
    assert all(log.origin in out for log in logs)
    path.write_bytes(path.read_bytes().replace(b"plain", b"plaim", 1))
    assert main(["verify", str(path), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], [log["verdict"] for log in told["logs"]]) == (
        "tampered",
        ["tampered", "unanchored"],
    )


@pytest.mark.usefixtures("with_key")
def test_the_command_reads_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a collector prints can be verified as it comes."""
    text = io.TextIOWrapper(io.BytesIO(b"".join(map(cri, all_lines(stream_log())))))
    monkeypatch.setattr(sys, "stdin", text)
    assert main(["verify", "-"]) == 3
    assert "12 lines of one log" in capsys.readouterr().out
    text.buffer.seek(0)  # it is still open


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_can_be_verified(tmp_path: Path) -> None:
    """A shell's <(command) is one."""
    import threading

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(b"".join(all_lines(stream_log()))))
    writer.start()
    report = verify(pipe, key=key())
    writer.join()
    assert (report.verdict, report.lines) == ("unanchored", 12)
