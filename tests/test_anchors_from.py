"""`or-audit anchors --from`: checkpoints of a real log, out of all that log services make of them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from json_values import JSON
from log_builder import LOG_ID, LogBuilder
from samples import audit_record

from or_audit_logging import AuditFileHandler, verify
from or_audit_logging.cli.main import main
from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.anchor_files import gather, save
from or_audit_logging.evidence.anchors import collect, read_anchors
from or_audit_logging.projections import encoder
from or_audit_logging.sealing.note import SigningKey

ARRIVED = datetime(2020, 11, 21, 10, 0, 1, 500000, tzinfo=UTC)
"""When the first line arrived at the keeper; the following one second later each."""
EXPORTED = datetime(2020, 11, 25, tzinfo=UTC)
LOG = LOG_ID.hex()[:16]

Lines = list[str]


def arrivals(lines: Lines) -> list[tuple[str, datetime]]:
    """Return each line and when it arrived."""
    return [(line, ARRIVED + timedelta(seconds=number)) for number, line in enumerate(lines)]


def milliseconds(moment: datetime) -> int:
    """Return *moment* as CloudWatch states it."""
    return round(moment.timestamp() * 1000)


def iso(moment: datetime) -> str:
    """Return *moment* with nine digits, as Google and Elasticsearch do."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


def projected(name: str, line: str) -> Any:
    """Return *line* as it is shipped in the format *name*."""
    return json.loads(encoder(name)(line.encode("utf-8", "replace")))


def cloudwatch(lines: Lines) -> Any:
    """filter-log-events and get-log-events."""
    events = [
        {"timestamp": 1, "message": line, "ingestionTime": milliseconds(at), "eventId": "3"}
        for line, at in arrivals(lines)
    ]
    return {"events": events, "searchedLogStreams": []}


def insights(lines: Lines) -> Any:
    """Of get-query-results, asked for @ingestionTime."""
    return {
        "status": "Complete",
        "results": [
            [
                {"field": "@timestamp", "value": "1999-01-01 00:00:00.000"},
                {"field": "@ingestionTime", "value": at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]},
                {"field": "@message", "value": line},
                {"field": "@ptr", "value": "x"},
            ]
            for line, at in arrivals(lines)
        ],
    }


def google(lines: Lines) -> Any:
    """`gcloud logging read --format=json`, entries that shipped the line's text."""
    return [
        {
            "insertId": str(number),
            "logName": "projects/p/logs/audit",
            "textPayload": line,
            "timestamp": "1999-01-01T00:00:00Z",
            "receiveTimestamp": iso(at),
        }
        for number, (line, at) in enumerate(arrivals(lines))
    ]


def google_json(lines: Lines) -> Any:
    """The same of entries that shipped JSON with the line in it."""
    entries = google(lines)
    for entry in entries:
        entry["jsonPayload"] = projected("google", entry.pop("textPayload"))
    return entries


def splunk(lines: Lines) -> list[Any]:
    """A search exported as JSON, asked for _indextime."""
    return [
        {
            "preview": False,
            "offset": number,
            "result": {"_raw": line, "_time": "1999", "_indextime": str(at.timestamp())},
        }
        for number, (line, at) in enumerate(arrivals(lines))
    ]


def datadog(lines: Lines) -> Any:
    """The answer of the v2 search."""
    return {
        "data": [
            {
                "id": "A",
                "type": "log",
                "attributes": {
                    "timestamp": iso(at),
                    "message": "x",
                    "attributes": projected("datadog", line),
                },
            }
            for line, at in arrivals(lines)
        ]
    }


def elastic(lines: Lines) -> Any:
    """A search whose documents an ingest pipeline has dated."""
    entries = [
        {
            "_index": "audit",
            "_id": str(number),
            "_source": {
                "@timestamp": "1999-01-01T00:00:00Z",
                "event": {"original": line, "ingested": iso(at)},
            },
        }
        for number, (line, at) in enumerate(arrivals(lines))
    ]
    return {"took": 1, "hits": {"hits": entries, "total": {"value": len(entries)}}}


def elastic_flat(lines: Lines) -> Any:
    """Documents with dotted names, without their envelope."""
    return [projected("ecs", line) | {"event.ingested": iso(at)} for line, at in arrivals(lines)]


DATED: list[Callable[[Lines], Any]] = [
    *(cloudwatch, insights, google, google_json, splunk, elastic, elastic_flat)
]


def webhook(lines: Lines) -> Any:
    """What a receiver of JSON arrays stored: objects, not text."""
    return [json.loads(line) for line in lines]


def webhook_enriched(lines: Lines) -> Any:
    """Objects with a member before and one behind, in another order."""
    return [
        {"host": {"ip": "x"}, **dict(sorted(json.loads(line).items())), "@version": "1"} for line in lines
    ]


def without_times(lines: Lines) -> Any:
    """Google's, read with a filter on the fields."""
    return [{name: value for name, value in entry.items() if "ime" not in name} for entry in google(lines)]


UNDATED: list[Callable[[Lines], Any]] = [datadog, webhook_enriched, without_times, webhook]


def as_document(value: Any) -> bytes:
    return json.dumps(value).encode()


def as_indented(value: Any) -> bytes:
    return json.dumps(value, indent=4, ensure_ascii=False).encode()


def as_lines(value: Any) -> bytes:
    """Each entry on a line of its own, as exports to a bucket are."""
    entries = value
    while isinstance(entries, dict):
        entries = next(inner for inner in entries.values() if isinstance(inner, (list, dict)))
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


def as_utf16(value: Any) -> bytes:
    """As PowerShell redirects what a program prints."""
    return json.dumps(value, indent=2).replace("\n", "\r\n").encode("utf-16")


WRITTEN: list[Callable[[Any], bytes]] = [as_document, as_indented, as_lines, as_utf16]


def keep(path: Path, content: bytes, *, at: datetime = EXPORTED) -> Path:
    """Put *content* in a file of that time."""
    path.write_bytes(content)
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


class Log:
    """A log made by the writer, as it is, and as it was before its last records."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.before = folder / "audit_logs", folder / "before"
        handler = AuditFileHandler(self.folder / "audit.jsonl", checkpoint_every=4)
        self._write(handler, 6)
        shutil.copytree(self.folder, self.before)
        self._write(handler, 5)
        handler.close()
        (segment,) = self.folder.glob("*.jsonl")
        self.lines = segment.read_text("ascii").splitlines()
        self.checkpoints = [line for line in self.lines if line.startswith('{"event_type":"log.checkpoint"')]
        self.sizes = [json.loads(line)["size"] for line in self.checkpoints]

    def _write(self, handler: AuditFileHandler, count: int) -> None:
        for _ in range(count):
            record = logging.LogRecord("openrouter.audit", logging.INFO, "", 0, "call", (), None)
            record.audit = audit_record(metadata={"note": '\u2014 {[" 5'})
            handler.handle(record)


@pytest.fixture
def log(tmp_path: Path, audit_key: bytes) -> Log:
    """A log with a handful of checkpoints."""
    return Log(tmp_path)


def assert_anchors_hold(log: Log, kept: Path) -> None:
    """They vouch for the log, and convict the one that was put back to what it had been."""
    arguments = ["--anchor", str(kept)]
    assert main(["verify", str(log.folder), *arguments]) == 0
    assert verify(log.folder, anchors=[kept]).anchored_to == log.sizes[-1] - 1
    assert main(["verify", str(log.before), *arguments]) == 1
    assert [found.kind for found in verify(log.before, anchors=[kept]).findings] == ["anchor-size"]


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("wrap", DATED + UNDATED)
def test_every_export_becomes_anchors(
    log: Log,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    wrap: Callable[[Lines], Any],
    written: Callable[[Any], bytes],
) -> None:
    """All of the log was shipped; its checkpoints come back with the keeper's times, or with none."""
    exported = keep(tmp_path / "exported", written(wrap(log.lines)))
    kept = tmp_path / "anchors"
    assert main(["anchors", "--from", str(exported), "-o", str(kept), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["logs"]
    (file,) = kept.iterdir()
    assert found["file"] == str(file)
    assert (found["checkpoints"], found["newest_size"]) == (len(log.sizes), log.sizes[-1])
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["checkpoint"] for line in lines] == log.checkpoints
    times = [at for line, at in arrivals(log.lines) if line in log.checkpoints]
    stated = [line["kept_at"] and datetime.fromisoformat(line["kept_at"]) for line in lines]
    if wrap in DATED:
        assert stated == times
    else:
        assert set(stated) <= {None, EXPORTED}
        assert (wrap in (webhook, webhook_enriched)) == (EXPORTED in stated)
    assert_anchors_hold(log, kept)
    assert [(a.size, a.kept_at) for a in read_anchors(kept)] == [
        (a.size, a.kept_at) for a in read_anchors(exported)
    ]


@pytest.mark.parametrize("wrap", DATED)
def test_what_the_keeper_states_is_the_anchors_age(
    log: Log, tmp_path: Path, wrap: Callable[[Lines], Any]
) -> None:
    """Not the export's, which is from today; copying the file changes nothing."""
    exported = keep(tmp_path / "exported", as_document(wrap(log.lines)), at=datetime.now(UTC))
    save(gather([exported]), tmp_path / "anchors")
    newest = arrivals(log.lines)[log.lines.index(log.checkpoints[-1])][1]
    for place in (exported, tmp_path / "anchors"):
        for age, verdict in ((timedelta(hours=1), "verified"), (timedelta(minutes=59), "unanchored")):
            now = newest + timedelta(hours=1)
            report = verify(log.folder, anchors=[place], max_age=age, now=now)
            assert (report.verdict, report.anchored_at) == (verdict, newest)


@pytest.mark.parametrize("wrap", [datadog, without_times])
def test_what_states_no_time_is_of_no_age(log: Log, tmp_path: Path, wrap: Callable[[Lines], Any]) -> None:
    """The time of an export is not that at which anything arrived."""
    exported = keep(tmp_path / "exported", as_document(wrap(log.lines)))
    assert verify(log.folder, anchors=[exported]).verdict == "verified"
    assert verify(log.folder, anchors=[exported], max_age=timedelta(days=9999)).verdict == "unanchored"


def test_an_export_task_s_archives_are_read(log: Log, tmp_path: Path) -> None:
    """CloudWatch to S3: gzip, a time before each line, and a file that says nothing."""
    folder = tmp_path / "task" / "stream"
    folder.mkdir(parents=True)
    text = "".join(
        f"{at.strftime('%Y-%m-%dT%H:%M:%S.%f')[:-3]}Z {line}\n" for line, at in arrivals(log.lines)
    )
    keep(folder / "000000.gz", gzip.compress(text.encode()))
    keep(tmp_path / "task" / "aws-logs-write-test", b"Permission Check Successful")
    assert main(["anchors", "--from", str(tmp_path / "task"), "-o", str(tmp_path / "anchors")]) == 0
    assert_anchors_hold(log, tmp_path / "anchors")
    newest = arrivals(log.lines)[log.lines.index(log.checkpoints[-1])][1]
    assert verify(log.folder, anchors=[folder]).anchored_at == newest


@pytest.mark.parametrize("form", ["lines", "notes"])
def test_plain_files_are_read(tmp_path: Path, form: str) -> None:
    """Sealed lines, or notes one after the other."""
    if form == "notes":
        pytest.importorskip("cryptography", reason="needs the extra sign")
    signing = SigningKey.generate() if form == "notes" else None
    built = LogBuilder(signing=signing)
    built.user(3)
    built.checkpoint()
    sizes, texts = [], []
    for line in built.lines():
        members = json.loads(line)
        if members["event_type"] == "log.checkpoint":
            sizes.append(members["size"])
            texts.append(members["note"] if form == "notes" else line.decode())
    exported = keep(tmp_path / "kept", "".join(texts).encode())
    (found,) = gather([exported]).logs
    assert [anchor.size for anchor in found.anchors] == sizes
    _, (path,) = save(gather([exported]), tmp_path / "anchors")
    assert [(a.size, a.root, a.note) for a in read_anchors(path)] == [
        (a.size, a.root, a.note) for a in read_anchors(exported)
    ]


def test_the_public_key_holds_for_what_came_back(tmp_path: Path) -> None:
    """A signed note survives being an object, and the note is kept where an unsigned copy is there too."""
    pytest.importorskip("cryptography", reason="needs the extra sign")
    signing = SigningKey.generate()
    built = LogBuilder(signing=signing)
    built.user(3)
    line = built.checkpoint()
    objects = [json.loads(line), {**json.loads(line), "note": None}]
    exported = keep(tmp_path / "exported", json.dumps(objects).encode())
    save(gather([exported]), tmp_path / "anchors")
    (kept,) = read_anchors(tmp_path / "anchors")
    assert kept.text == line
    built.save(tmp_path / "log")
    report = verify(
        tmp_path / "log", public_key=str(signing.verifier_key(built.origin)), anchors=[tmp_path / "anchors"]
    )
    assert report.verdict == "verified"


def test_exports_of_many_days_add_up(log: Log, tmp_path: Path) -> None:
    """What is kept stays; the time of a checkpoint is that of its first copy, also if it is sent again."""
    first = keep(tmp_path / "1", as_document(cloudwatch(log.lines[:8])))
    entries = cloudwatch(log.lines)
    for event in entries["events"]:
        event["ingestionTime"] += 86_400_000
    second = keep(tmp_path / "2", as_document(entries))
    for exported in (first, second, first):
        assert main(["anchors", "--from", str(exported), "-o", str(tmp_path / "anchors")]) == 0
    kept = read_anchors(tmp_path / "anchors")
    assert [anchor.size for anchor in kept] == log.sizes
    day = timedelta(days=1)
    assert [a.kept_at - b.kept_at for a, b in zip(read_anchors(second), kept, strict=True)] == [
        day if line in log.lines[:8] else timedelta() for line in log.checkpoints
    ]


def test_two_histories_are_both_kept_and_reported(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One size and two roots, in one export or in what was kept before: exit 1, and verify convicts."""
    members = json.loads(log.checkpoints[-1])
    other = json.dumps({**members, "root": "A" * 43 + "="}, separators=(",", ":"))
    honest = keep(tmp_path / "honest", as_document(cloudwatch(log.lines)))
    forged = keep(tmp_path / "forged", as_document(cloudwatch([other])))
    kept = tmp_path / "anchors"
    assert main(["anchors", "--from", str(honest), "--from", str(forged), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["logs"][0]["contradictions"] == [members["size"]]
    assert main(["anchors", "--from", str(honest), "-o", str(kept)]) == 0
    assert main(["anchors", "--from", str(forged), "-o", str(kept)]) == 1
    assert "two histories" in capsys.readouterr().err
    assert [anchor.size for anchor in read_anchors(kept)] == [*log.sizes, log.sizes[-1]]
    assert main(["verify", str(log.folder), "--anchor", str(kept)]) == 1


def test_a_changed_digit_does_not_vanish(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever part of a checkpoint is changed, the copy is counted, contradicted, or states the same."""
    line = log.checkpoints[-1]
    honest = json.loads(line)
    for at in range(len(line)):
        if not line[at].isdigit():
            continue
        changed = line[:at] + str((int(line[at]) + 1) % 10) + line[at + 1 :]
        exported = keep(tmp_path / "exported", as_document(cloudwatch([changed])))
        anchors, notes = collect(exported)
        if anchors:
            now = json.loads(changed)
            assert now["size"] == honest["size"]
            if now["root"] != honest["root"]:
                assert verify(log.folder, anchors=anchors).verdict == "tampered"
        else:
            assert [note.kind for note in notes] == ["anchor-damaged"]
            assert main(["anchors", "--from", str(exported)]) == 2
            assert "1 checkpoint changed" in capsys.readouterr().err


def test_lines_cut_on_their_way_are_counted(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A column's width, a spreadsheet's quoting, a download that ended early."""
    rows = io.StringIO()
    csv.writer(rows).writerows([[line] for line in log.checkpoints])
    cut = as_document(cloudwatch(log.checkpoints))
    short = [line[:100] for line in log.checkpoints]
    for content in (rows.getvalue().encode(), as_indented(cloudwatch(short)), "\n".join(short).encode()):
        _, (note,) = collect(keep(tmp_path / "exported", content))
        assert f"{len(log.checkpoints)} checkpoints changed" in note.message
    anchors, (note,) = collect(keep(tmp_path / "exported", cut[: len(cut) * 2 // 3]))
    assert 0 < len(anchors) < len(log.checkpoints)
    assert "1 checkpoint changed" in note.message
    archive = keep(tmp_path / "exported", gzip.compress(cut)[:-20])
    assert [note.kind for note in collect(archive)[1]] == ["anchor-unreadable"]
    assert main(["anchors", "--from", str(archive)]) == 2
    assert "damaged archive" in capsys.readouterr().err


def test_a_record_s_content_is_no_anchor(tmp_path: Path) -> None:
    """Whoever may write text into a log cannot make checkpoints of it, neither as text nor as an object."""
    forged = LogBuilder(log_id=bytes(16)).checkpoint()
    built = LogBuilder()
    built.user(1, text=forged.replace('"', '\\"'))
    raw = json.dumps({"event_type": "chat_completion", "metadata": {"x": json.loads(forged)}}).encode()
    built.seal(raw.replace(b'": ', b'":').replace(b'", ', b'",'))
    lines = [line.decode().rstrip() for line in built.lines()]
    for wrap in (*DATED, *UNDATED):
        for anchor in read_anchors(keep(tmp_path / "exported", as_document(wrap(lines)))):
            assert anchor.log == LOG
    text = "".join(f"2026-11-21T10:00:00Z host: {line}\n" for line in lines)
    assert {anchor.log for anchor in read_anchors(keep(tmp_path / "exported", text.encode()))} == {LOG}


def test_a_sender_s_claim_inside_an_entry_is_passed_over(log: Log, tmp_path: Path) -> None:
    """The outermost entry is the keeper's; a claim about the future is no later than the file."""
    claim = {"kept_at": "2099-01-01T00:00:00Z", "checkpoint": log.checkpoints[-1]}
    for wrap in DATED:
        (anchor,) = read_anchors(keep(tmp_path / "exported", as_document(wrap([json.dumps(claim)]))))
        assert anchor.kept_at == ARRIVED
    (anchor,) = read_anchors(keep(tmp_path / "exported", json.dumps(claim).encode()))
    assert anchor.kept_at == EXPORTED


def test_an_old_line_sent_again_makes_a_file_no_newer(log: Log, tmp_path: Path) -> None:
    """A file's time is that of what was added last; a repeated line says nothing of the log."""
    for lines, expected in ((log.checkpoints, EXPORTED), ([*log.checkpoints, log.checkpoints[-1]], None)):
        kept = keep(tmp_path / "kept", "\n".join(lines).encode())
        assert read_anchors(kept)[-1].kept_at == expected


def test_long_exports_are_gone_through_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document of many windows gives what it gives in one; times and line numbers included."""
    built = LogBuilder()
    for _ in range(30):
        built.user(2, text='{[\\"' * 20)
        built.checkpoint()
    lines = [line.decode().rstrip() for line in built.lines()]
    for wrap in DATED:
        for write in (as_document, as_indented):
            exported = keep(tmp_path / "exported", write(wrap(lines)))
            whole = read_anchors(exported)
            assert len(whole) == 31
            with monkeypatch.context() as patch:
                patch.setattr("or_audit_logging.evidence.json_in_text.WINDOW", 5000)
                patch.setattr("or_audit_logging.evidence.anchors.WINDOW", 5000)
                assert [replace(a, where="") for a in read_anchors(exported)] == [
                    replace(a, where="") for a in whole
                ]


def test_one_log_can_be_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By id or origin; the others are left out, and an absent one is not found."""
    logs = [LogBuilder(), LogBuilder(log_id=bytes(16))]
    lines = [log.checkpoint(note=True) for log in logs]
    exported = keep(tmp_path / "exported", as_document(google(lines)))
    assert [found.log for found in gather([exported]).logs] == ["0" * 16, LOG]
    for name in (LOG_ID.hex(), logs[0].origin):
        assert main(["anchors", "--from", str(exported), "--log-id", name]) == 0
        out = capsys.readouterr().out
        assert LOG in out
        assert "0" * 16 not in out
    assert main(["anchors", "--from", str(exported), "--log-id", "f" * 32]) == 2
    assert main(["anchors", "--from", str(exported), "--log-id", "x"]) == 2


def test_a_log_s_own_folder_is_no_keeper(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written into it, and what is read from it is said to prove nothing."""
    exported = keep(tmp_path / "exported", as_document(cloudwatch(log.lines)))
    for place in (log.folder, log.folder / "sub" / "anchors"):
        assert main(["anchors", "--from", str(exported), "-o", str(place)]) == 2
        assert "inside the log's folder" in capsys.readouterr().err
    assert sorted(path.name for path in log.folder.iterdir()) == sorted(
        path.name for path in log.before.iterdir()
    )
    kept = tmp_path / "anchors"
    for place in (log.folder, tmp_path, *log.folder.glob("*.jsonl")):
        exported.unlink(missing_ok=True)
        assert main(["anchors", "--from", str(place), "-o", str(kept)]) == 2
        assert "is no anchor" in capsys.readouterr().err
        assert not kept.exists()
    other = keep(tmp_path / "other", as_document(cloudwatch(log.lines[:8])))
    assert main(["anchors", "--from", str(log.folder), "--from", str(other), "-o", str(kept)]) == 1
    assert [anchor.size for anchor in read_anchors(kept)] == [s for s in log.sizes if s < 8]


@pytest.mark.parametrize("packed", [False, True])
def test_the_segments_of_a_copied_log_are_no_anchors(
    log: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str], packed: bool
) -> None:
    """Restored elsewhere, or fetched from a bucket; checkpoints in files of their own beside them are."""
    copy, kept = tmp_path / "copy", tmp_path / "anchors"
    (segment,) = log.folder.glob("*.jsonl")
    name = f"{segment.name}.gz" if packed else segment.name
    (copy / "segments").mkdir(parents=True)
    content = segment.read_bytes()
    (copy / "segments" / name).write_bytes(gzip.compress(content) if packed else content)
    later = segment.name.replace("20", "21", 1)
    (copy / "segments" / later).write_bytes(content[100:])
    for place in (copy, copy / "segments" / name):
        assert main(["anchors", "--from", str(place), "-o", str(kept)]) == 2
        assert "vouch for nothing but themselves" in capsys.readouterr().err
        assert not kept.exists()
    for at, line in enumerate(log.checkpoints):
        (copy / "segments" / f"{at}.checkpoint").write_text(line)
    assert main(["anchors", "--from", str(copy), "-o", str(kept)]) == 0
    assert_anchors_hold(log, kept)


def test_an_export_whose_name_has_a_date_is_read(log: Log, tmp_path: Path) -> None:
    """It is no segment: none states that name."""
    for name, content in (
        ("export_2026-11-21.json", as_document(cloudwatch(log.lines))),
        ("shipped_2026-11-21.jsonl", "".join(f"{line}\n" for line in log.lines).encode()),
    ):
        exported = keep(tmp_path / name, content)
        assert [anchor.size for anchor in gather([exported]).logs[0].anchors] == log.sizes


def test_a_file_that_is_not_ours_is_left_alone(log: Log, tmp_path: Path) -> None:
    """Also one of ours that somebody has changed."""
    gathered = gather([keep(tmp_path / "exported", as_document(cloudwatch(log.lines)))])
    (path,) = save(gathered, tmp_path / "anchors")[1]
    whole = path.read_text()
    for content in ("notes of mine\n", whole[:-40], whole.replace('size\\":', 'size\\":1'), "[" * 10**6):
        path.write_text(content)
        with pytest.raises(ConfigError, match="was not made by"):
            save(gathered, tmp_path / "anchors")
        assert path.read_text() == content


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, 2), (b"", 2), (b"nothing", 2), (b'{"event_type":"log.checkpoint"}', 2)],
)
def test_nothing_found_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, code: int
) -> None:
    """A missing place, an empty file, one without checkpoints."""
    if content is not None:
        keep(tmp_path / "exported", content)
    assert main(["anchors", "--from", str(tmp_path / "exported"), "-o", str(tmp_path / "anchors")]) == code
    assert capsys.readouterr().err
    assert not (tmp_path / "anchors").exists()


def test_a_folder_without_a_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is named by mistake does not pass for one that has no checkpoint in its files."""
    (tmp_path / "empty").mkdir()
    assert main(["anchors", "--from", str(tmp_path / "empty")]) == 2
    assert f"there is no file in {tmp_path / 'empty'}" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else it would pass for one without checkpoints."""
    (tmp_path / "closed").mkdir(mode=0o000)
    assert main(["anchors", "--from", str(tmp_path / "closed")]) == 2
    assert f"{tmp_path / 'closed'} cannot be read: Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize("option", [("--stored",), ("--since", "2026-11-21")])
def test_what_is_for_buckets_is_refused_for_files(
    log: Log, tmp_path: Path, option: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Rather than passed over."""
    assert main(["anchors", "--from", str(tmp_path), *option]) == 2
    assert "go with a bucket: --from s3:BUCKET/PREFIX" in capsys.readouterr().err


def test_one_useless_file_among_others_is_exit_1(log: Log, tmp_path: Path) -> None:
    """Where it was named; in a folder it is noted."""
    keep(tmp_path / "exported", as_document(cloudwatch(log.lines)))
    keep(tmp_path / "other", b"nothing")
    arguments = ["--from", str(tmp_path / "exported"), "--from", str(tmp_path / "other")]
    assert main(["anchors", *arguments]) == 1
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("exported", "other"):
        shutil.copy(tmp_path / name, folder)
    assert main(["anchors", "--from", str(folder)]) == 0


LINE = LogBuilder().checkpoint(note=True)
ENTRIES = st.sampled_from(
    [cloudwatch, insights, google, splunk, datadog, elastic, elastic_flat, webhook]
).map(lambda wrap: wrap([LINE]))
NAMES = st.sampled_from(
    "kept_at checkpoint message ingestionTime @message logName insertId _raw _indextime _source event "
    "ingested event.ingested field value event_type mac".split()
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        JSON | ENTRIES | st.sampled_from([LINE, "log.checkpoint", "9" * 30, "2026-11-21T10:00:00+99:99"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
        max_leaves=8,
    ),
    st.sampled_from(WRITTEN[:2]),
    st.integers(0, 400),
    st.binary(max_size=3),
)
def test_nothing_that_is_exported_makes_it_raise(
    tmp_path: Path, value: Any, written: Callable[[Any], bytes], at: int, change: bytes
) -> None:
    """Entries of every kind in each other, with odd values, and bytes changed."""
    content = written(value) if written is as_document else json.dumps(value, indent=1).encode()
    for bytes_ in (content, content[:at] + change + content[at + len(change) :]):
        gathered = gather([keep(tmp_path / "exported", bytes_)])
        save(gathered, tmp_path / "anchors")
