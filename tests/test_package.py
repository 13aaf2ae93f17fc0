"""The auditor's package: made from every kind of log, checked by both verifiers, damaged in every file."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_builder import DAY, KEPT_AT, LOG_ID, NEXT_DAY, OTHER_SECRET, SECRET, THIRD_DAY, LogBuilder, key
from packages import (
    VERIFIER,
    alone,
    both,
    call,
    contents,
    new_day,
    one_file,
    pack,
    rich_log,
    secrets_of,
    unpack,
    verifier,
)

from or_audit_logging import verify
from or_audit_logging.digest import pseudonym
from or_audit_logging.errors import (
    ChainBrokenError,
    CheckpointMismatchError,
    ConfigError,
    ProofError,
)
from or_audit_logging.evidence.books import opening
from or_audit_logging.evidence.importing import import_log
from or_audit_logging.evidence.package import gathering, names
from or_audit_logging.evidence.package.exporting import export
from or_audit_logging.evidence.package.tree import StoredTree
from or_audit_logging.evidence.reading import reader_of
from or_audit_logging.evidence.retention.history import history_of
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.sealing.chain import leaf_hash
from or_audit_logging.sealing.checkpoint import TreeHead, parse_note
from or_audit_logging.sealing.control import MEMBERS
from or_audit_logging.sealing.merkle import Frontier, root_from_inclusion
from or_audit_logging.sealing.note import SigningKey
from or_audit_logging.store.writer import StoreWriter

pytest.importorskip("cryptography", reason="needs the extra sign")
pytestmark = pytest.mark.usefixtures("sqlite_books")

SIGNER = SigningKey.generate()
KEYS = [lambda: OTHER_SECRET, lambda: SECRET]


@pytest.fixture(autouse=True)
def _no_key_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OR_AUDIT_KEY", raising=False)
    monkeypatch.delenv("OR_AUDIT_KEY_FILE", raising=False)


def public_file(folder: Path) -> Path:
    file = folder / "signer.pub"
    file.write_text(SIGNER.public.to_pem())
    return file


def signing_file(folder: Path) -> str:
    file = folder / "signer.pem"
    file.write_bytes(SIGNER.to_pem())
    file.chmod(0o600)
    return f"file:{file}"


def anchor_file(log: LogBuilder, folder: Path, size: int | None = None) -> Path:
    file = folder / f"anchor-{size}"
    file.write_text(log.note(size))
    return file


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("user", [None, "u-1"])
@pytest.mark.parametrize("kind", ["plain", "archived", "store"])
@pytest.mark.parametrize("days", [(None, None), (DAY, DAY), (NEXT_DAY, THIRD_DAY), (THIRD_DAY, None)])
def test_a_package_holds_by_itself(
    tmp_path: Path, signed: bool, user: str | None, kind: str, days: tuple[str | None, str | None]
) -> None:
    """Whatever it was made of: unanchored as it came, verified with a key or an anchor from outside."""
    log = rich_log(SIGNER if signed else None)
    place = log.save(tmp_path / "log")
    if kind == "archived":
        log.archive(place, f"audit_{DAY}.jsonl")
        log.archive(place, f"audit_{NEXT_DAY}.jsonl")
    elif kind == "store":
        place = tmp_path / "audit.db"
        import_log(tmp_path / "log", place, key=KEYS)
    package = tmp_path / "package.zip"
    done = export(place, package, since=days[0], until=days[1], user=user)
    keys, public = secrets_of(log, tmp_path), public_file(tmp_path)
    assert done.recorded is None
    assert both(package) == (3 if signed else 2)
    assert both(package, keys=keys) == 3
    assert both(package, anchors=[anchor_file(log, tmp_path, done.size)]) == 0
    assert both(package, public=[public]) == (0 if signed else 2)
    if signed:
        assert both(package, public=[public], keys=keys) == 0
    files = contents(package)
    lines = files[names.LINES].splitlines()
    whole = b"".join(log.segments.values())
    assert all(line + b"\n" in whole for line in lines)
    assert len(lines) == done.lines
    if user is None:
        assert [json.loads(line)["seq"] for line in lines] == list(range(done.first_seq, done.last_seq + 1))


def test_it_is_checked_on_a_python_without_anything_else(tmp_path: Path) -> None:
    """In a fresh folder, unpacked and as it is, by openssl; again after a byte of any file was changed."""
    log = rich_log(SIGNER)
    package = tmp_path / "package.zip"
    export(log.save(tmp_path / "log"), package, key=KEYS, signing_key=signing_file(tmp_path), reason="audit")
    public, keys = public_file(tmp_path), secrets_of(log, tmp_path)
    fresh = unpack(package, tmp_path / "fresh")
    done = alone(Path("verify.py"), cwd=fresh)
    assert done.returncode == 3, done.stdout + done.stderr
    assert done.stdout.startswith("INTACT, BUT UNANCHORED\n")
    assert hashlib.sha256(SIGNER.public.public).hexdigest() in done.stdout
    arguments = ["--public-key", public, "--key-file", keys[0], "--key-file", keys[1]]
    done = alone(Path("verify.py"), *arguments, cwd=fresh)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seals (HMAC) of all lines hold" in done.stdout
    assert alone(VERIFIER, package, "--public-key", public).returncode == 0
    for name in sorted(contents(package)):
        file = fresh / name
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2] + b"\x01" + content[len(content) // 2 + 1 :])
        done = alone(VERIFIER, fresh, "--public-key", public)
        assert done.returncode == 1, (name, done.stdout, done.stderr)
        assert name in done.stdout
        assert done.stderr == ""
        file.write_bytes(content)
    (fresh / "notes.txt").write_text("mine")
    assert alone(VERIFIER, fresh, "--public-key", public).returncode == 1
    (fresh / "notes.txt").unlink()
    assert alone(VERIFIER, fresh, "--public-key", public).returncode == 0
    assert alone(VERIFIER, fresh, "--public-key", tmp_path / "none").returncode == 2


def test_what_checks_signatures_may_be_missing(made: dict[str, Path], tmp_path: Path) -> None:
    """Then it says that it could not, and not that they hold or do not."""
    command = [sys.executable, "-I", "-S", str(VERIFIER), str(made["range"])]
    for path, code in ((str(tmp_path), 2), (os.environ["PATH"], 3)):
        done = subprocess.run(command, capture_output=True, text=True, env={"PATH": path}, check=False)
        assert done.returncode == code, done.stdout
    assert "signature was not checked" not in done.stdout


def test_a_signature_that_does_not_hold_is_a_finding(made: dict[str, Path], tmp_path: Path) -> None:
    """By cryptography and by openssl, with all sums made anew."""
    files = contents(made["range"])
    note = files[names.NOTE].decode()
    signature = note.rstrip("\n").rpartition(" ")[2]
    other = note.replace(signature, signature[:20] + ("A" if signature[20] != "A" else "B") + signature[21:])
    line = files[names.CHECKPOINT].replace(signature.encode(), other.rstrip("\n").rpartition(" ")[2].encode())
    package = pack(
        resealed(files | {names.NOTE: other.encode(), names.CHECKPOINT: line}), tmp_path / "forged.zip"
    )
    assert both(package) == 1
    done = alone(VERIFIER, package)
    assert done.returncode == 1
    assert "signature of the checkpoint does not hold" in done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return one package of each kind."""
    folder = tmp_path_factory.mktemp("made")
    out = {}
    for name, options in {
        "range": {"since": NEXT_DAY, "until": NEXT_DAY},
        "selection": {"user": "u-1"},
    }.items():
        log = rich_log(SIGNER)
        log.redact(8)
        log.checkpoint()
        place = log.save(folder / name / "log")
        out[name] = folder / name / "package.zip"
        export(place, out[name], key=KEYS, signing_key=signing_file(folder), **options)
    return out


@pytest.mark.parametrize("kind", ["range", "selection"])
@given(data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_changed_byte_is_always_found(
    made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    """In whatever file it stands, by both verifiers, with the public key and without."""
    files = contents(made[kind])
    name = data.draw(st.sampled_from(sorted(files)))
    at = data.draw(st.integers(0, len(files[name]) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    changed = bytearray(files[name])
    changed[at] ^= bit
    package = pack(files | {name: bytes(changed)}, tmp_path_factory.getbasetemp() / f"changed-{kind}.zip")
    assert both(package) == 1


@pytest.mark.parametrize("kind", ["range", "selection"])
def test_files_that_are_missing_or_added_are_found(made: dict[str, Path], tmp_path: Path, kind: str) -> None:
    """Each one, by both verifiers."""
    files = contents(made[kind])
    for name in files:
        rest = {other: content for other, content in files.items() if other != name}
        assert both(pack(rest, tmp_path / "less.zip")) == 1, name
    for name in (
        "other.txt",
        "range.json",
        "proofs.jsonl",
        "../up.txt",
        "/etc/passwd",
        "a/b",
        "C:\\x",
        ".hidden",
    ):
        if name not in files:
            assert both(pack(files | {name: b"{}"}, tmp_path / "more.zip")) == 1, name


def resealed(files: dict[str, bytes], **changes: object) -> dict[str, bytes]:
    """Return *files* with manifest and sums as somebody makes them who has changed them deliberately."""
    manifest = json.loads(files["manifest.json"]) | changes
    manifest["files"] = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for name, content in files.items()
        if name not in ("manifest.json", "SHA256SUMS")
    }
    text = (json.dumps(manifest, indent=1) + "\n").encode()
    sums = {name: one["sha256"] for name, one in manifest["files"].items()}
    sums["manifest.json"] = hashlib.sha256(text).hexdigest()
    lines = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
    return files | {"manifest.json": text, "SHA256SUMS": lines.encode()}


@pytest.mark.parametrize("kind", ["range", "selection"])
def test_lines_are_proven_whatever_the_sums_say(made: dict[str, Path], tmp_path: Path, kind: str) -> None:
    """Who changes, drops, doubles, swaps or adds lines and makes all sums anew is found by the tree."""
    files = contents(made[kind])
    assert both(pack(resealed(files), tmp_path / "same.zip")) == 3
    proofs = names.PROOFS if kind == "selection" else None
    for name, beside in ((names.LINES, proofs), (names.HISTORY, names.HISTORY_PROOFS)):
        lines = files[name].splitlines(keepends=True)
        paths = files[beside].splitlines(keepends=True) if beside else []
        everything = list(range(len(lines)))
        changes: list[tuple[list[int], dict[int, bytes]]] = [(everything[::-1], {}), ([], {})]
        for n in everything:
            other = lines[n].replace(b'"v":1', b'"v":2').replace(b'"leaf":"', b'"leaf":"0')
            assert other != lines[n]
            changes += [(everything, {n: other}), ([*everything[: n + 1], *everything[n:]], {})]
            if name == names.LINES:
                changes.append(([m for m in everything if m != n], {}))
        for kept, changed in changes:
            new = files | {name: b"".join(changed.get(n, lines[n]) for n in kept)}
            if beside:
                new[beside] = b"".join(paths[n] for n in kept)
            ends = {}
            if name == names.LINES and kept:
                first, last = (json.loads(lines[kept[n]])["seq"] for n in (0, -1))
                ends = {"first": first, "last": last, "lines": len(kept)}
            assert both(pack(resealed(new, **ends), tmp_path / "changed.zip")) == 1, (name, kept, changed)


def test_what_the_manifest_claims_is_held_against_the_log(made: dict[str, Path], tmp_path: Path) -> None:
    """Numbers, names and the record of the export, however well the sums fit."""
    files = contents(made["range"])
    stated = json.loads(files["manifest.json"])
    checkpoint = stated["checkpoint"]
    for changes in (
        *(
            {name: stated[name] + 1}
            for name in ("first", "last", "lines", "records", "redacted", "log_starts_at")
        ),
        *({name: "x"} for name in ("actor", "reason", "filter", "log_id", "origin", "kind", "format")),
        *(
            {name: None}
            for name in ("first", "last", "lines", "log_id", "origin", "kind", "checkpoint", "files")
        ),
        {"log_id": "ff" * 16},
        {"origin": stated["origin"].replace("audit.example", "other.example")},
        {"recorded": stated["recorded"] - 1},
        {"asked": stated["asked"] | {"since": None}},
        {"checkpoint": checkpoint | {"size": checkpoint["size"] - 1}},
        {"checkpoint": checkpoint | {"root": checkpoint["root"][::-1]}},
        {"checkpoint": checkpoint | {"signed_by": None}},
        {"checkpoint": checkpoint | {"signed_by": str(SigningKey.generate().verifier_key(stated["origin"]))}},
        {"kind": "selection"},
    ):
        if "files" in changes:
            continue
        package = pack(resealed(files, **changes), tmp_path / "changed.zip")
        assert both(package) == 1, changes
    assert both(pack(resealed(files, version=2), tmp_path / "later.zip")) == 2


def test_another_key_inside_convinces_nobody_who_has_the_right_one(tmp_path: Path) -> None:
    """A log made up under another key is a package that holds, and not one that the right key signed."""
    forged = rich_log(SigningKey.generate())
    package = tmp_path / "forged.zip"
    export(forged.save(tmp_path / "log"), package)
    assert both(package) == 3
    assert both(package, public=[public_file(tmp_path)]) == 2
    honest = rich_log(SIGNER)
    assert both(package, anchors=[anchor_file(honest, tmp_path, 9)]) == 1


def test_an_anchor_is_met_wherever_the_tree_is_known(tmp_path: Path) -> None:
    """Before a range, in it, and up to the next checkpoint; another tree of that size is a finding."""
    log = rich_log()
    package = tmp_path / "package.zip"
    done = export(log.save(tmp_path / "log"), package, since=NEXT_DAY, until=NEXT_DAY)
    other = rich_log(rotated=False)
    for size in range(1, log.seq + 1):
        code = both(package, anchors=[anchor_file(log, tmp_path, size)])
        known = done.first_seq < size <= done.last_seq + 2 or size == done.size
        assert code == (0 if known else 2), size
        if known:
            wrong = tmp_path / f"wrong-{size}"
            wrong.write_text(
                log.note(size).replace(log.note(size).split("\n")[2], other.note(3).split("\n")[2])
            )
            assert both(package, anchors=[wrong]) == 1
    assert verify(package, anchors=[log.anchor(done.first_seq + 2)]).anchored_to == done.first_seq + 1


def test_keys_are_asked_for_as_far_as_no_anchor_reaches(tmp_path: Path) -> None:
    """With one of two keys the rest cannot be checked; a wrong one is not the log's."""
    log = rich_log()
    package, wrong = tmp_path / "package.zip", tmp_path / "wrong"
    done = export(log.save(tmp_path / "log"), package)
    first, second = secrets_of(log, tmp_path)
    wrong.write_bytes(b"x" * 40)
    wrong.chmod(0o600)
    assert both(package, keys=[first, second]) == 3
    assert both(package, keys=[first]) == 2
    assert both(package, keys=[second]) == 2
    assert both(package, keys=[wrong]) == 2
    anchor = anchor_file(log, tmp_path, done.size)
    assert both(package, keys=[first], anchors=[anchor]) == 0
    assert both(package, keys=[wrong], anchors=[anchor]) == 2
    report = verify(package, key=[f"file:{first}", f"file:{second}"], anchors=[anchor])
    assert (report.verdict, report.key_checked, report.tail) == ("verified", True, "anchored")


def test_seals_are_checked_with_the_key(tmp_path: Path) -> None:
    """A whole log made up without the key, its tree and all, is found by whoever holds the key."""
    log = rich_log(rotated=False)
    forged = LogBuilder(secret=OTHER_SECRET, log_id=LOG_ID)
    forged.keys.kcv = log.keys.kcv
    forged.segments.clear()
    forged = LogBuilder(secret=OTHER_SECRET, log_id=LOG_ID, day=None)
    forged.keys.kcv = log.keys.kcv
    forged.open(DAY)
    call(forged, "u-1")
    forged.checkpoint()
    package = tmp_path / "package.zip"
    export(forged.save(tmp_path / "log"), package)
    assert both(package) == 2
    assert both(package, keys=secrets_of(log, tmp_path)) == 1


def test_a_selection_shows_nobody_else(tmp_path: Path) -> None:
    """One user's calls, their write-ahead records and late costs, and figures of these alone."""
    log = rich_log()
    log.redact(3)
    log.control("log.export", first=0, last=1, filter="00" * 32, actor="desk", reason="records of u-2")
    log.checkpoint()
    place, package = log.save(tmp_path / "log"), tmp_path / "package.zip"
    done = export(place, package, user="u-1", since=DAY, until=DAY, key=KEYS, reason="request 8")
    assert both(package, keys=secrets_of(log, tmp_path)) == 3
    history = [json.loads(line) for line in contents(package)[names.HISTORY].splitlines()]
    assert [one["event_type"] for one in history] == ["log.genesis", "log.rotate", "log.export"]
    assert history[-1]["seq"] == done.recorded
    files = contents(package)
    found = [json.loads(line) for line in files[names.LINES].splitlines()]
    assert [one["event_type"] for one in found] == [
        *("chat_completion", "chat_completion.started", "chat_completion", "generation"),
    ]
    assert b"u-2" not in b"".join(files.values())
    for word in (b"case-7", b"litigation", b"request 7", b"of u-2"):
        assert word not in b"".join(files.values())
    made = json.loads(files["report.json"])
    assert made["summary"]["total_requests"] == 2
    assert made["summary"]["cost"] == 0.375
    assert list(made["by_user"]) == ["u-1"]
    assert b"audit_logs" not in files["report.html"]
    export(place, package, session="s-9")
    assert json.loads(contents(package)[names.LINES])["session_id"] == "s-9"
    for asked in ({"user": "u-3"}, {"user": "u-1", "since": "2026-12-01"}, {"session": "s-1"}):
        with pytest.raises(ConfigError, match="nothing to hand over"):
            export(place, tmp_path / "none.zip", **asked)
    assert not (tmp_path / "none.zip").exists()


def test_a_write_ahead_record_of_the_day_before_goes_with_its_call(tmp_path: Path) -> None:
    """It stands in the segment before, and before the time asked for."""
    log = LogBuilder()
    started = call(log, "u-1", event="chat_completion.started", status="pending")
    new_day(log, NEXT_DAY)
    call(log, "u-1", started_id=f"r-{started}")
    log.checkpoint()
    package = tmp_path / "package.zip"
    done = export(log.save(tmp_path / "log"), package, user="u-1", since=NEXT_DAY)
    assert (done.first_seq, done.lines) == (started, 2)
    assert both(package) == 2


def test_pseudonyms_are_found_and_the_name_is_not_told(tmp_path: Path) -> None:
    """Neither the package nor the log.export has what records do not have."""
    ring = KeyRing.from_sources(key())
    hidden = pseudonym("EMAIL", "eve@example.com", ring.digest_key)
    log = LogBuilder()
    call(log, hidden)
    log.checkpoint()
    place, package = log.save(tmp_path / "log"), tmp_path / "package.zip"
    done = export(place, package, user="eve@example.com", key=key())
    files = contents(package)
    assert b"eve@" not in b"".join(files.values())
    assert json.loads(files["manifest.json"])["asked"]["users"] == [hidden]
    act = history_of(reader_of(place)).acts[-1]
    asked = json.loads(files["manifest.json"])["asked"]
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    assert act.members["filter"] == hashlib.sha256(text.encode()).hexdigest()
    assert done.recorded == act.seq


def test_it_is_recorded_beside_a_running_writer(tmp_path: Path) -> None:
    """The log says what was handed over, by whom and why, and the package has that line."""
    writer = LogWriter(LogLayout.from_filename(tmp_path / "log" / "audit.jsonl"), KeyRing.from_sources(key()))
    body = b'{"event_type":"chat_completion","v":1,"id":"a","timestamp":"2026-11-21T10:00:00.000000Z"}'
    for _ in range(5):
        writer.append(body)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            writer.append(body)
            stop.wait(0.002)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(5):
            package = tmp_path / f"{number}.zip"
            done = export(tmp_path / "log", package, key=key(), actor="ann", reason="audit 7")
            assert both(package) == 2
            assert both(package, keys=secrets_of(LogBuilder(), tmp_path)) == 3
            history = contents(package)[names.HISTORY].splitlines()
            said = json.loads(history[-1])
            assert (said["seq"], said["actor"], said["reason"]) == (done.recorded, "ann", "audit 7")
            assert (said["first"], said["last"]) == (done.first_seq, done.last_seq)
            assert len(history) == number + 2
    finally:
        stop.set()
        thread.join()
        writer.stop()
    assert verify(tmp_path / "log", key=key()).verdict == "unanchored"


def test_a_store_is_exported_and_says_so(tmp_path: Path) -> None:
    """The record goes to the store."""
    store, package = tmp_path / "audit.db", tmp_path / "package.zip"
    writer = StoreWriter(store, KeyRing.from_sources(key()))
    for _ in range(3):
        writer.append(b'{"event_type":"log","v":1,"id":"a","timestamp":"2026-11-21T10:00:00.000000Z"}')
    writer.stop()
    done = export(store, package, key=key())
    assert both(package, keys=secrets_of(LogBuilder(), tmp_path)) == 3
    assert history_of(reader_of(store)).acts[-1].seq == done.recorded
    with pytest.raises(ConfigError, match="the store itself"):
        export(store, store)


def test_a_copy_of_a_log_cannot_record_it(tmp_path: Path) -> None:
    """The package is made all the same, and says so."""
    log = rich_log(rotated=False)
    store, package = tmp_path / "audit.db", tmp_path / "package.zip"
    import_log(log.save(tmp_path / "log"), store, key=key())
    done = export(store, package, key=key())
    assert done.recorded is None
    assert "copy" in (done.not_recorded or "")
    assert both(package, keys=secrets_of(log, tmp_path)) == 3


def test_a_log_without_its_head_says_why(tmp_path: Path) -> None:
    """The history has the log.delete; without it, the missing lines are a finding."""
    log = rich_log(rotated=False)
    log.delete(f"audit_{NEXT_DAY}.jsonl")
    log.checkpoint()
    package = tmp_path / "package.zip"
    done = export(log.save(tmp_path / "log"), package)
    assert done.first_seq == log.starts[f"audit_{NEXT_DAY}.jsonl"][0]
    assert both(package) == 2
    assert both(package, keys=secrets_of(log, tmp_path)) == 3
    assert verify(package, key=key()).deleted_to == done.first_seq - 1
    files = contents(package)
    assert b"log.delete" in files[names.HISTORY]
    for name in (names.HISTORY, names.HISTORY_PROOFS):
        lines = files[name].splitlines(keepends=True)
        files[name] = b"".join(line for n, line in enumerate(lines) if n != len(lines) - 1)
    assert both(pack(resealed(files), tmp_path / "hidden.zip")) == 1


def test_a_redacted_line_stands_as_its_stub(tmp_path: Path) -> None:
    """Its log.redact is in the history, also where it came after the time asked for."""
    log = rich_log(rotated=False)
    log.redact(3)
    log.redact(2)
    log.checkpoint()
    place, package = log.save(tmp_path / "log"), tmp_path / "package.zip"
    done = export(place, package, since=DAY, until=DAY)
    assert both(package, keys=secrets_of(log, tmp_path)) == 3
    report = verify(package, key=key())
    assert (report.redacted, report.redactions) == (2, {"dpo": 2})
    assert json.loads(contents(package)["manifest.json"])["redacted"] == 2
    files = contents(package)
    for name in (names.HISTORY, names.HISTORY_PROOFS):
        files[name] = b"".join(files[name].splitlines(keepends=True)[:-1])
    assert both(pack(resealed(files), tmp_path / "hidden.zip")) == 1
    assert done.lines == 6


def test_a_log_that_was_changed_is_not_handed_over(tmp_path: Path) -> None:
    """It is said where, no file is left, and nothing is recorded."""
    log = rich_log(rotated=False)
    name = f"audit_{NEXT_DAY}.jsonl"
    intact = log.segments[name]
    log.segments[name] = intact.replace(b'"total_cost":1.5', b'"total_cost":1.4')
    place = log.save(tmp_path / "log")
    with pytest.raises(CheckpointMismatchError):
        export(place, tmp_path / "package.zip")
    log.segments[name] = b"".join(log.lines(name)[:3] + log.lines(name)[4:])
    log.save(tmp_path / "log")
    with pytest.raises(ChainBrokenError):
        export(place, tmp_path / "package.zip")
    assert [file.name for file in tmp_path.iterdir()] == ["log"]


def test_lines_that_no_checkpoint_covers_take_the_key(tmp_path: Path) -> None:
    """The export makes a checkpoint of its own."""
    log = LogBuilder()
    call(log, "u-1")
    place = log.save(tmp_path / "log")
    with pytest.raises(ProofError, match="no checkpoint covers"):
        export(place, tmp_path / "package.zip")
    export(place, tmp_path / "package.zip", key=key())
    assert both(tmp_path / "package.zip", keys=secrets_of(log, tmp_path)) == 3


def test_mistakes_are_said_before_anything_is_done(tmp_path: Path) -> None:
    """Times, places, formats, keys."""
    log = rich_log(rotated=False)
    place, package = log.save(tmp_path / "log"), tmp_path / "package.zip"
    before = {file: file.read_bytes() for file in place.iterdir()}
    for wrong in (
        {"since": "yesterday"},
        {"since": THIRD_DAY, "until": DAY},
        {"since": "2026-12-01", "until": "2026-12-31"},
        {"since": "2020-01-01", "until": "2020-12-31"},
        {"format": "tar"},
        {"user": ""},
        {"reason": "x" * 2000},
    ):
        with pytest.raises(ConfigError):
            export(place, package, key=key(), **wrong)
    for output in (place / "package.zip", place / "archive" / "p.zip", place):
        with pytest.raises(ConfigError):
            export(place, output, key=key())
    with pytest.raises(ConfigError):
        export(tmp_path / "nothing", package, key=key())
    assert {file: file.read_bytes() for file in place.iterdir()} == before
    assert not package.exists()


def test_packages_are_made_alike(tmp_path: Path) -> None:
    """The same lines at the same time give the same bytes, in a file that nobody else can read."""
    log = rich_log()
    place = log.save(tmp_path / "log")
    for name in ("a.zip", "b.zip"):
        export(place, tmp_path / name, now=KEPT_AT, actor="ann")
    first, second = contents(tmp_path / "a.zip"), contents(tmp_path / "b.zip")
    differing = {name for name in first if first[name] != second[name]}
    assert differing <= {"report.json", "report.html", "manifest.json", "SHA256SUMS"}
    assert stat.S_IMODE((tmp_path / "a.zip").stat().st_mode) == 0o600
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == [name for name in names.ORDER if name in first]
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_either_engine_makes_the_same_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB where it is installed, else SQLite."""
    pytest.importorskip("duckdb")
    log, made = rich_log(), {}
    place = log.save(tmp_path / "log")
    for engine in ("duckdb", "sqlite"):
        monkeypatch.setattr(opening, "has_duckdb", lambda engine=engine: engine == "duckdb")
        package = tmp_path / f"{engine}.zip"
        export(place, package, now=KEPT_AT)
        assert both(package) == 2
        made[engine] = contents(package)
        assert json.loads(made[engine]["report.json"])["engine"] == engine
    assert made["duckdb"]["report.csv"] == made["sqlite"]["report.csv"]


def test_a_time_without_calls_has_no_report(tmp_path: Path) -> None:
    """Plain records are lines like others."""
    log = LogBuilder()
    log.seal(b'{"event_type":"log","v":1,"id":"a","timestamp":"2026-11-21T10:30:00.000000Z","message":"x"}')
    log.checkpoint()
    package = tmp_path / "package.zip"
    export(log.save(tmp_path / "log"), package)
    assert not set(names.REPORTS) & set(contents(package))
    assert both(package, keys=secrets_of(log, tmp_path)) == 3


def test_the_plain_document_has_the_records(tmp_path: Path) -> None:
    """With their seq and seal, as they stand; control lines are none."""
    log = rich_log(rotated=False)
    place, output = log.save(tmp_path / "log"), tmp_path / "out.json"
    done = export(place, output, since=DAY, until=DAY, format="json", key=key())
    document = json.loads(output.read_bytes())
    assert list(document) == ["export_timestamp", "period", "summary", "logs"]
    assert [one["seq"] for one in document["logs"]] == [2, 3, 4, 5]
    assert all(not one["event_type"].startswith("log.") for one in document["logs"])
    assert document["summary"]["total_requests"] == 3
    assert document["period"]["since"] == "2026-11-21T00:00:00.000000Z"
    assert history_of(reader_of(place)).acts[-1].seq == done.recorded
    export(place, output, user="u-1", format="json")
    assert {one["user_id"] for one in json.loads(output.read_bytes())["logs"]} <= {"u-1", ""}


@pytest.mark.parametrize("members", ['"name":"a"', '"name":NaN', '"name":"a","name":"b"'])
@pytest.mark.parametrize("event", ["log.hold", "log.stop", "log.later"])
def test_control_lines_state_what_their_kind_does(tmp_path: Path, event: str, members: str) -> None:
    """However well they are sealed."""
    log = rich_log(rotated=False)
    head = f'"event_type":"{event}","v":1,"id":"x","timestamp":"2026-11-23T12:00:00.000000Z"'
    log.seal(f"{{{head},{members}}}".encode())
    call(log, "u-1")
    log.checkpoint()
    package = tmp_path / "package.zip"
    export(log.save(tmp_path / "log"), package)
    assert both(package, keys=secrets_of(log, tmp_path)) == 1


def test_the_verifier_knows_all_control_lines() -> None:
    """Their members are written down twice."""
    assert {name: tuple(own.split()) for name, own in verifier.MEMBERS.items()} == dict(MEMBERS)


def test_a_note_with_thousands_of_signatures_is_a_finding(tmp_path: Path) -> None:
    """Whoever signs with a key of his own does not keep the verifier busy for long."""
    log, key_pair = rich_log(), SigningKey.generate()
    file = tmp_path / "note"
    note = key_pair.sign_note(log.origin, TreeHead(log.seq, log.tree.root()))
    last = note.splitlines(keepends=True)[-1]
    for count, is_refused in ((99, False), (100, True)):
        file.write_text(note + last * count)
        public = verifier.PublicKey(key_pair.public.to_pem())
        if is_refused:
            with pytest.raises(verifier.WrongError, match="more signatures"):
                public.has_signed(file.read_text())
        else:
            assert public.has_signed(file.read_text())


@pytest.mark.parametrize("user", [None, "u-1"])
def test_the_plain_document_is_neither_verified_nor_accused(tmp_path: Path, user: str | None) -> None:
    """Lines are missing between its records, as they have to be."""
    document = tmp_path / "plain.json"
    export(rich_log().save(tmp_path / "log"), document, user=user, format="json")
    report = verify(document, key=KEYS)
    assert (report.verdict, report.finding_count) == ("cannot verify", 0)
    assert "or-audit export makes packages" in report.reasons[0]


def test_the_tree_on_disk_proves_every_line() -> None:
    """For every start, size and line, as RFC 9162 has it."""
    leaves = [leaf_hash(str(number).encode()) for number in range(70)]
    for start in (0, 1, 2, 3, 7, 8, 33):
        before = Frontier()
        before.extend(leaves[:start])
        with StoredTree(before) as tree:
            for leaf in leaves[start:]:
                tree.append(leaf)
            for size in range(start + 1, len(leaves) + 1):
                whole = Frontier()
                whole.extend(leaves[:size])
                for index in range(start, size):
                    path = tree.path(index, size=size)
                    assert root_from_inclusion(leaves[index], index, size, path) == whole.root()


def test_every_range_leads_to_the_root(tmp_path: Path) -> None:
    """Whatever its first and last line are, in one log of several days and checkpoints."""
    log = rich_log()
    place = log.save(tmp_path / "log")
    stamps = sorted(
        {json.loads(line)["timestamp"] for text in log.segments.values() for line in text.splitlines()}
    )
    for since, until in itertools.combinations_with_replacement(stamps[::3], 2):
        try:
            done = export(place, tmp_path / "package.zip", since=since, until=until)
        except ConfigError:
            continue
        code, said = one_file(tmp_path / "package.zip", keys=secrets_of(log, tmp_path))
        assert code == 3, (since, until, done, said)


_ACTS = ("call", "call", "call", "hold", "redact", "rotate", "checkpoint", "midnight", "delete", "torn")


@given(data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happened_to_a_log_its_packages_hold(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Calls, nights, holds, redactions, deletions, changes of keys: honest never gives a finding."""
    folder = tmp_path_factory.mktemp("history")
    log, day, own = LogBuilder(signing=SIGNER), 21, []
    for act in data.draw(st.lists(st.sampled_from(_ACTS), min_size=1, max_size=25)):
        if act == "call":
            own.append(call(log, data.draw(st.sampled_from(["u-1", "u-2"]))))
        elif act == "hold":
            log.control("log.hold", name="case", actor="a", reason=None)
        elif act == "redact" and (closed := [seq for seq in own if seq < log.starts[log.name][0]]):
            own.remove(target := data.draw(st.sampled_from(closed)))
            log.redact(target)
        elif act == "rotate" and not log.kid:
            log.rotate(OTHER_SECRET)
        elif act == "checkpoint":
            log.checkpoint()
        elif act == "midnight" and day < 29:
            day += 1
            new_day(log, f"2026-11-{day}")
        elif act == "delete" and len(log.segments) > 2:
            log.delete(list(log.segments)[1])
            own = [seq for seq in own if seq >= log.starts[min(log.segments)][0]]
        elif act == "torn":
            log.torn(b'{"event_type":"chat_comp')
    log.checkpoint()
    place = log.save(folder / "log")
    for name in list(log.segments)[:-1]:
        if data.draw(st.booleans()):
            log.archive(place, name)
    user = data.draw(st.sampled_from([None, "u-1"]))
    since = data.draw(st.sampled_from([None, DAY, f"2026-11-{day}"]))
    package = folder / "package.zip"
    try:
        export(place, package, user=user, since=since, key=data.draw(st.sampled_from([None, KEYS])))
    except ConfigError as error:
        if "nothing to hand over" not in str(error):
            raise
        return
    keys = secrets_of(log, folder)
    assert both(package, keys=keys) == 3
    assert both(package, public=[public_file(folder)]) == 0
    files = contents(package)
    lines = files[names.LINES].splitlines(keepends=True)
    gone = data.draw(st.integers(0, len(lines) - 1))
    files[names.LINES] = b"".join(line for number, line in enumerate(lines) if number != gone)
    assert both(pack(resealed(files, lines=len(lines) - 1), package)) == 1


def test_it_can_be_checked_by_hand(tmp_path: Path) -> None:
    """As the README of a package says, with sha256sum and openssl."""
    if any(shutil.which(tool) is None for tool in ("sha256sum", "openssl", "base64", "sh")):
        pytest.skip("needs sha256sum, openssl and base64")
    package = tmp_path / "package.zip"
    export(rich_log(SIGNER).save(tmp_path / "log"), package)
    fresh = unpack(package, tmp_path / "fresh")
    readme = (fresh / names.README).read_text("utf-8")
    commands = [line.strip() for line in readme.splitlines() if line.startswith("       ")]
    chosen = [
        line for line in commands if line.startswith(("sha256sum", "head -n 3", "tail -n 1", "openssl"))
    ]
    assert len(chosen) == 4
    done = subprocess.run(
        ["sh", "-ec", "\n".join(chosen)], cwd=fresh, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Signature Verified Successfully" in done.stdout
    (leaf,) = [line.partition("          ")[0] for line in commands if line.startswith("(printf")]
    done = subprocess.run(["sh", "-ec", leaf], cwd=fresh, capture_output=True, text=True, check=False)
    first = (fresh / names.HISTORY).read_bytes().splitlines()[0]
    assert done.stdout.split()[0] == leaf_hash(first).hex()


def test_anchors_and_public_keys_in_all_their_forms(tmp_path: Path) -> None:
    """Both verifiers read the same ones: notes, sealed lines, JSON with either; PEM and verifier keys."""
    log = rich_log(SIGNER)
    package = tmp_path / "package.zip"
    export(log.save(tmp_path / "log"), package)
    line = log.lines(f"audit_{THIRD_DAY}.jsonl")[-1].decode()
    note = json.loads(line)["note"]
    unsigned = log.note(json.loads(line)["size"])
    other = rich_log(SigningKey.generate())
    stranger = LogBuilder(log_id=bytes(16), signing=SIGNER)
    file, public = tmp_path / "anchor", public_file(tmp_path)
    named = tmp_path / "named.pub"
    named.write_text(f"{SIGNER.verifier_key(log.origin)}\n")
    elsewhere = tmp_path / "elsewhere.pub"
    elsewhere.write_text(f"{SIGNER.verifier_key('other.example/audit/' + '0' * 16)}\n")
    assert [both(package, public=[one]) for one in (public, named, elsewhere)] == [0, 0, 2]
    assert both(package, public=[elsewhere, public]) == 0
    forged = note.replace(note[-20:-10], note[-20:-10][::-1])
    for text, alone_says in (
        (line, 0),
        (f"2026-11-24T08:00:00Z stdout F {line}", 0),
        (note, 0),
        (note.rstrip("\n"), 0),
        (unsigned, 0),
        (unsigned.replace("\n", "\r\n"), 0),
        (json.dumps({"items": [{"message": note}]}), 0),
        (json.dumps([{"log": line}]), 0),
        (json.dumps({"message": json.dumps({"deep": unsigned})}), 0),
        (other.lines(f"audit_{THIRD_DAY}.jsonl")[-1].decode(), 1),
        (stranger.note(), 3),
        (stranger.checkpoint(), 3),
        (forged, 0),
    ):
        file.write_text(text, newline="")
        assert both(package, anchors=[file]) == alone_says, text
        assert both(package, anchors=[file], public=[public]) == 0, text


def test_an_old_anchor_vouches_for_nothing(tmp_path: Path) -> None:
    """A greatest age asks for an anchor, also of a package that the public key has signed."""
    log = rich_log(SIGNER)
    package = tmp_path / "package.zip"
    done = export(log.save(tmp_path / "log"), package)
    options = {"max_age": timedelta(days=1), "public_key": str(public_file(tmp_path)), "now": KEPT_AT}
    assert verify(package, **options).verdict == "unanchored"
    note = parse_note(json.loads(log.lines(f"audit_{THIRD_DAY}.jsonl")[-1])["note"])
    anchor = dataclasses.replace(log.anchor(done.size), note=note)
    assert verify(package, anchors=[anchor], **options).verdict == "verified"
    old = dataclasses.replace(anchor, kept_at=KEPT_AT - timedelta(days=2))
    report = verify(package, anchors=[old], **options)
    assert (report.verdict, report.anchor_too_old) == ("unanchored", True)


def test_a_package_of_another_log_is_not_the_one_asked_for(tmp_path: Path) -> None:
    """A pinned log id or origin decides."""
    log = rich_log(SIGNER)
    package = tmp_path / "package.zip"
    export(log.save(tmp_path / "log"), package)
    for pin, verdict in (
        (log.log_id.hex(), "unanchored"),
        (log.origin, "unanchored"),
        ("ff" * 16, "tampered"),
        ("other.example/audit/" + log.log_id.hex()[:16], "tampered"),
    ):
        assert verify(package, log_id=pin).verdict == verdict


@pytest.mark.parametrize("kind", ["range", "selection"])
@given(data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_verifiers_agree_on_what_is_made_to_fit(
    made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    """Bytes are changed, cut out or put in, and all sums made anew: what is proven is found all the same."""
    files = contents(made[kind])
    parsed = {*names.required(is_range=kind == "range", is_signed=True)} - {names.SUMS, names.README}
    name = data.draw(st.sampled_from(sorted(parsed - {names.VERIFIER})))
    content = bytearray(files[name])
    at = data.draw(st.integers(0, len(content) - 1))
    change = data.draw(st.sampled_from(["flip", "cut", "put in", "digit"]))
    if change == "flip":
        content[at] ^= 1 << data.draw(st.integers(0, 7))
    elif change == "cut":
        del content[at : at + data.draw(st.integers(1, 300))]
    elif change == "put in":
        content[at:at] = data.draw(st.binary(min_size=1, max_size=4))
    else:
        content[at : at + 1] = b"%d" % data.draw(st.integers(0, 9))
    package = tmp_path_factory.getbasetemp() / f"fitting-{kind}.zip"
    if name == names.MANIFEST:
        files |= {name: bytes(content)}
        sums = {one: hashlib.sha256(files[one]).hexdigest() for one in files if one != names.SUMS}
        files[names.SUMS] = "".join(f"{sums[one]}  {one}\n" for one in sorted(sums)).encode()
        both(pack(files, package))
        return
    code = both(pack(resealed(files | {name: bytes(content)}), package))
    if name not in (names.CHECKPOINT, names.RANGE, names.PROOFS, names.HISTORY_PROOFS):
        before = contents(made[kind])[name]
        assert code == 1 or bytes(content).replace(b" ", b"") == before.replace(b" ", b"")  # a stub's spaces


@pytest.mark.parametrize("most", [0, 1, 3])
def test_a_checkpoint_may_be_far_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Then no hashes of lines stand behind the range, and the tree's do."""
    monkeypatch.setattr(gathering, "_MOST_TAIL", most)
    log = LogBuilder()
    for _ in range(9):
        call(log, "u-1")
    stamp = json.loads(log.lines()[4])["timestamp"]
    call(log, "u-1")
    log.checkpoint()
    package = tmp_path / "package.zip"
    done = export(log.save(tmp_path / "log"), package, until=stamp)
    assert done.last_seq == 4
    assert json.loads(contents(package)[names.RANGE])["tail"] == []
    assert both(package, keys=secrets_of(log, tmp_path)) == 3


@pytest.mark.parametrize("act", ["delete", "redact"])
def test_no_anchor_vouches_for_what_was_said_behind_it(tmp_path: Path, act: str) -> None:
    """Whoever lets lines vanish can write a log.delete, a log.redact and a checkpoint behind the anchor."""
    log = rich_log(rotated=False)
    second = f"audit_{NEXT_DAY}.jsonl"
    size = log.starts[second][0] + 4
    anchors = [anchor_file(log, tmp_path, size)]
    keys = secrets_of(log, tmp_path)
    package = tmp_path / "package.zip"
    assert log.seq > size
    if act == "delete":
        log.delete(second)
    else:
        log.redact(2)
    log.checkpoint()
    done = export(log.save(tmp_path / "log"), package, until=NEXT_DAY)
    assert both(package, anchors=anchors) == 2
    assert both(package, anchors=anchors, keys=keys) == 0
    assert both(package, anchors=[*anchors, anchor_file(log, tmp_path, done.size)]) == 0
    report = verify(package, anchors=anchors)
    assert any("behind the anchor" in reason for reason in report.reasons)


@pytest.mark.parametrize("act", ["delete", "redact"])
def test_the_checkpoint_covers_why_lines_are_missing(tmp_path: Path, act: str) -> None:
    """Also where that was said without the signing key: then the package is made under an unsigned one."""
    log = rich_log(SIGNER, rotated=False)
    log.signing = None
    day = DAY if act == "redact" else NEXT_DAY
    if act == "redact":
        log.redact(2)
    else:
        log.delete(f"audit_{NEXT_DAY}.jsonl")
    package, place = tmp_path / "package.zip", log.save(tmp_path / "short")
    with pytest.raises(ProofError, match="no checkpoint covers"):
        export(place, package, since=day, until=day)
    log.checkpoint()
    place = log.save(tmp_path / "log")
    done = export(place, package, since=day, until=day)
    assert (done.size, done.signed_by) == (log.seq - 1, None)
    assert both(package) == 2
    assert both(package, keys=secrets_of(log, tmp_path)) == 3
    done = export(place, package, since=NEXT_DAY, until=NEXT_DAY)
    assert (done.signed_by is None) == (act == "delete")


def test_numbers_are_whole_and_keys_are_those_of_lines_that_there_can_be(
    made: dict[str, Path], tmp_path: Path
) -> None:
    """1.0 and false are no numbers; a line before the one that the log is said to begin with is of no log."""
    files = contents(made["range"])
    stated = json.loads(files["manifest.json"])
    sizes = stated["checkpoint"] | {"size": float(stated["checkpoint"]["size"])}
    for changes in ({"checkpoint": sizes}, {"log_starts_at": 0.0}, {"log_starts_at": False}):
        assert both(pack(resealed(files, **changes), tmp_path / "changed.zip")) == 1
    log = rich_log(rotated=False)
    log.delete(f"audit_{NEXT_DAY}.jsonl", remove=False)
    log.checkpoint()
    whole, short = tmp_path / "whole.zip", tmp_path / "short.zip"
    export(log.save(tmp_path / "log"), whole, user="u-1")
    (tmp_path / "log" / f"audit_{DAY}.jsonl").unlink()
    export(tmp_path / "log", short, user="u-1")
    start = json.loads(contents(short)["manifest.json"])["log_starts_at"]
    history = {name: contents(short)[name] for name in (names.HISTORY, names.HISTORY_PROOFS)}
    assert both(pack(resealed(contents(whole) | history, log_starts_at=start), tmp_path / "two.zip")) == 1


def test_a_key_that_came_with_the_package_is_refused(made: dict[str, Path], tmp_path: Path) -> None:
    """Also an anchor: what stands in the unpacked package is nothing from outside."""
    fresh = unpack(made["range"], tmp_path / "fresh")
    (tmp_path / "link").symlink_to(fresh / "public_key.pem")
    for option, file in (
        ("--public-key", "public_key.pem"),
        ("--public-key", "verifier_key.txt"),
        ("--public-key", "../link"),
        ("--anchor", "checkpoint.txt"),
    ):
        done = alone(fresh / "verify.py", option, file, cwd=fresh)
        assert done.returncode == 2
        assert "came with a package" in done.stdout


def test_an_anchor_whose_line_and_note_differ_is_none(tmp_path: Path) -> None:
    """A signed note in a line that states something else says nothing of that."""
    log = rich_log(SIGNER)
    line = json.loads(log.checkpoint())
    package, anchor, public = tmp_path / "package.zip", tmp_path / "anchor", public_file(tmp_path)
    export(log.save(tmp_path / "log"), package)
    other = log.note(3).split("\n")[2]
    anchor.write_text(json.dumps(line, separators=(",", ":")) + "\n")
    assert both(package, public=[public], anchors=[anchor]) == 0
    for changes in ({"root": other}, {"size": 3}, {"log": "ff" * 8}):
        anchor.write_text(json.dumps(line | changes, separators=(",", ":")) + "\n")
        assert verify(package, public_key=str(public), anchors=[anchor]).anchored_to is None
        done = alone(VERIFIER, package, "--public-key", public, "--anchor", anchor)
        assert (done.returncode, "holds no checkpoint" in done.stdout) == (2, True)


def test_both_say_what_is_not_proven(made: dict[str, Path], tmp_path: Path) -> None:
    """Whoever reads VERIFIED also reads of what."""
    log = rich_log()
    place, package, half = log.save(tmp_path / "log"), tmp_path / "package.zip", anchor_file(log, tmp_path, 6)
    keys = [part for file in secrets_of(log, tmp_path) for part in ("--key-file", file)]
    export(place, package)
    for file, words in (
        (made["range"], "before or behind is not proven"),
        (made["selection"], "that none is left out is not proven"),
    ):
        notes = " ".join(note.message for note in verify(file).notes)
        said = alone(VERIFIER, file, "--public-key", public_file(tmp_path))
        for text in (notes, said.stdout):
            assert words in text
            assert "reports say beyond the lines" in text
    partly = alone(VERIFIER, package, "--anchor", half)
    assert "nothing from outside vouches for the lines after it" in partly.stdout
    assert "the seals (HMAC) of all lines" in alone(VERIFIER, package, *keys).stdout
    export(place, package, user="u-1")
    assert "the seals (HMAC) of the checkpoint" in alone(VERIFIER, package, *keys).stdout
    lines = contents(package)["lines.jsonl"]
    broken = pack(
        resealed(contents(package) | {"lines.jsonl": lines.replace(b"u-1", b"u-7")}), tmp_path / "b"
    )
    assert "seals" not in alone(VERIFIER, broken, *keys).stdout
