"""What somebody may do to a log, by name, and what comes of it: the rows of docs/threat-model.md.

    case = Case(tmp_path)                    a log of three days on disk, its checkpoints kept elsewhere
    attack.commit(case)
    verify(case.folder, ...)                 attack.with_key, attack.with_public_key say what is found

`with_key` is what the holder of the secret finds who has nothing else; `with_public_key` what an auditor does
with the public key and the checkpoints that were kept elsewhere, and no secret.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from freezegun import freeze_time
from line_attacks import LINE_ATTACKS, Lines
from log_builder import DAY, NEXT_DAY, OTHER_SECRET, SECRET, THIRD_DAY, LogBuilder, key

from or_audit_logging.errors import AuditWriteError
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.sealing.note import SigningKey
from or_audit_logging.signing_keys import SigningKeys

SIGNING = SigningKey.generate()
OTHER_SIGNING = SigningKey.generate()
OTHER_LOG_ID = bytes(16)
FIRST, SECOND, THIRD = (f"audit_{day}.jsonl" for day in (DAY, NEXT_DAY, THIRD_DAY))
CHECKPOINT = b'{"event_type":"log.checkpoint"'


def three_days(
    *,
    text: str = "plain",
    tail: str = "plain",
    first: SigningKey = SIGNING,
    signing: SigningKey | None = SIGNING,
    **options: Any,
) -> LogBuilder:
    """Return a log of 21 lines: seq 0 to 6, 7 to 12, 13 to 20; each day ends in a checkpoint but the last.

    *text* stands in the records from the second day on, *tail* in those behind the last checkpoint. It states
    SIGNING as its key; *first* signs on the first day and *signing*, if there is one, from then on.
    """
    log = LogBuilder(day=None, **options)
    for day, signer, count in ((DAY, first, 4), (NEXT_DAY, signing, 3), (THIRD_DAY, signing, 3)):
        log.signing = SIGNING
        log.open(day, checkpoint=False)
        log.signing = signer
        log.checkpoint()
        log.user(count, text="plain" if day == DAY else text)
        log.checkpoint()
    log.user(2, text=tail)
    return log


class Case:
    """A log in `folder`, and in `kept` the checkpoints that it handed out before anything happened to it."""

    def __init__(self, place: Path) -> None:
        self.folder, self.kept = place / "log", place / "kept"
        self.kept.mkdir()
        self.arguments: dict[str, Any] = {}
        """What else those who verify are asked for: a pinned log, a maximum age."""
        self.ring: Any = key()
        self.put(three_days())

    def put(self, log: LogBuilder) -> LogBuilder:
        """Let *log* be the honest one."""
        shutil.rmtree(self.folder, ignore_errors=True)
        log.save(self.folder)
        self.keep()
        return log

    def keep(self, name: str = "checkpoints.jsonl", *, folder: Path | None = None) -> None:
        """Keep the checkpoints that stand in the log (in *folder*) now."""
        files = sorted((folder or self.folder).glob("*_*.jsonl"))
        lines = [line for path in files for line in path.read_bytes().splitlines(keepends=True)]
        (self.kept / name).write_bytes(b"".join(line for line in lines if line.startswith(CHECKPOINT)))

    def forge(self, log: LogBuilder) -> LogBuilder:
        """Put *log* in the honest one's place."""
        shutil.rmtree(self.folder)
        log.save(self.folder)
        return log

    def lines(self, name: str) -> Lines:
        """Return a segment's lines."""
        return (self.folder / name).read_bytes().splitlines(keepends=True)

    def write(self, name: str, lines: Lines) -> None:
        """Replace a segment's lines."""
        (self.folder / name).write_bytes(b"".join(lines))

    def archive(self, name: str = FIRST) -> Path:
        """Move a segment to the archive."""
        return LogBuilder(day=None).archive(self.folder, name)


@dataclass(frozen=True)
class Outcome:
    """A verdict (empty: as for the honest log), the kinds of all findings, and a note that has to be there.

    `word` is what the document says of it.
    """

    word: str
    verdict: str = ""
    kinds: frozenset[str] = frozenset()
    note: str | None = None


def found(*kinds: str) -> Outcome:
    """Return the outcome that the attack leads to findings of these *kinds*."""
    return Outcome("found", "tampered", frozenset(kinds))


def noted(kind: str) -> Outcome:
    """Return the outcome that the report has a note of this *kind*, and no finding."""
    return Outcome("noted", note=kind)


CANNOT_VERIFY = Outcome("cannot verify", "cannot verify")
UNANCHORED = Outcome("unanchored", "unanchored")
NOT_FOUND = Outcome("not found")
NO_EFFECT = Outcome("no effect")


@dataclass(frozen=True)
class Attack:
    """One thing that may be done to a log."""

    name: str
    commit: Callable[[Case], object]
    with_key: Outcome
    with_public_key: Outcome


# to files; what is done to lines stands in line_attacks


def cut_head(case: Case) -> None:
    case.write(FIRST, case.lines(FIRST)[3:])


def cut_end(case: Case) -> None:
    case.write(THIRD, case.lines(THIRD)[:3])


def cut_within_line(case: Case) -> None:
    *lines, last = case.lines(THIRD)[:3]
    case.write(THIRD, [*lines, last[:100]])


def cut_behind_anchor(case: Case) -> None:
    case.write(THIRD, case.lines(THIRD)[:-2])


def empty_newest(case: Case) -> None:
    case.write(THIRD, [])


def empty_closed(case: Case) -> None:
    case.write(SECOND, [])


def delete_everything(case: Case) -> None:
    shutil.rmtree(case.folder)
    case.folder.mkdir()


def without(name: str) -> Callable[[Case], None]:
    return lambda case: (case.folder / name).unlink()


def swap_days(case: Case) -> None:
    first, second = case.lines(FIRST), case.lines(SECOND)
    case.write(FIRST, second)
    case.write(SECOND, first)


def rename_day(case: Case) -> None:
    (case.folder / SECOND).rename(case.folder / "audit_2026-11-20.jsonl")


def copy_day(case: Case) -> None:
    shutil.copy(case.folder / SECOND, case.folder / "audit_2026-11-25.jsonl")


def roll_back(case: Case) -> None:
    """Put the folder back as it was at the end of the second day."""
    log = LogBuilder(signing=SIGNING)
    log.user(4)
    log.checkpoint()
    log.open(NEXT_DAY)
    log.user(3)
    assert case.lines(SECOND)[: len(log.lines())] == log.lines()
    case.forge(log)


def add_torn_bytes(case: Case) -> None:
    with open(case.folder / THIRD, "ab") as file:
        file.write(b'{"event_type":"chat_comp')


def another_log() -> LogBuilder:
    """Return a log of the same shape and under the same secret, with its own id."""
    return three_days(log_id=OTHER_LOG_ID)


def splice_line(case: Case) -> None:
    lines = case.lines(SECOND)
    lines[3] = another_log().lines(SECOND)[3]
    case.write(SECOND, lines)


def splice_day(case: Case) -> None:
    case.write(SECOND, another_log().lines(SECOND))


def replace_log(case: Case) -> None:
    """Put another true log of the same house in the folder; whoever verifies knows which one is meant."""
    case.arguments["log_id"] = LogBuilder().log_id.hex()
    case.forge(another_log())


def reseal_line(case: Case) -> None:
    """Seal one line, with another text, under a secret of one's own."""
    lines = case.lines(SECOND)
    lines[3] = three_days(secret=OTHER_SECRET, text="other").lines(SECOND)[3]
    case.write(SECOND, lines)


def reseal_day(case: Case) -> None:
    case.write(SECOND, three_days(secret=OTHER_SECRET, signing=OTHER_SIGNING).lines(SECOND))


def reseal_log(case: Case) -> None:
    case.forge(three_days(secret=OTHER_SECRET, text="other", first=OTHER_SIGNING, signing=OTHER_SIGNING))


def use_old_key(case: Case) -> None:
    """Seal another record with a key that the log has rotated out since, which somebody kept."""
    log = LogBuilder(signing=SIGNING)
    log.user(2)
    before = log.keys
    log.rotate(OTHER_SECRET)
    log.user(2)
    log.checkpoint()
    case.put(log)
    case.ring = [key(OTHER_SECRET), key(SECRET)]
    forged = LogBuilder(signing=SIGNING)
    forged.user(2)
    forged.rotate(OTHER_SECRET)
    forged.keys = before
    forged.user(1, text="other")
    lines = case.lines(FIRST)
    lines[5] = forged.lines()[5]
    case.write(FIRST, lines)


def in_genesis(old: bytes, new: bytes) -> Callable[[Case], None]:
    """Return the attack that changes something in the very first line."""

    def commit(case: Case) -> None:
        lines = case.lines(FIRST)
        assert old in lines[0]
        case.write(FIRST, [lines[0].replace(old, new), *lines[1:]])

    return commit


def replace_genesis(case: Case) -> None:
    """Begin the log as another one does."""
    case.write(FIRST, [another_log().lines(FIRST)[0], *case.lines(FIRST)[1:]])


# to archives


def edit_archive(case: Case) -> None:
    """Edit a line and compress it all again: the archive is sound."""
    path = case.archive()
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"plain", b"plaim", 1)))


def damage_archive(case: Case) -> None:
    """Let the checksum at an archive's end be another one."""
    path = case.archive()
    data = bytearray(path.read_bytes())
    data[-8] ^= 1
    path.write_bytes(data)


def cut_archive(case: Case) -> None:
    path = case.archive()
    path.write_bytes(path.read_bytes()[:-20])


def bomb_archive(case: Case) -> None:
    """Let an archive unfold to a thousand times its size."""
    path = case.archive()
    packer = zlib.compressobj(wbits=31)
    zeros = packer.compress(bytes(8 << 20))
    path.write_bytes(zeros + packer.flush())


def add_to_archive(case: Case) -> None:
    path = case.archive()
    path.write_bytes(path.read_bytes() + gzip.compress(b"more\n"))


def differ_from_archive(case: Case) -> None:
    """Leave a segment as it is, and put an edited archive of it beside it."""
    lines = case.lines(FIRST)
    edit_archive(case)
    case.write(FIRST, lines)


# by those who may redact and delete


def forge_redaction(case: Case) -> None:
    """Replace a line by its stub, with a log.redact behind the last anchor that is not sealed."""
    _append_unsealed(case, lambda log: log.redact(9))


def forge_deletion(case: Case) -> None:
    """Delete the first day, with a log.delete behind the last anchor that is not sealed."""
    _append_unsealed(case, lambda log: log.delete(SECOND))


def _append_unsealed(case: Case, act: Callable[[LogBuilder], object]) -> None:
    log = three_days()
    act(log)
    *lines, last = log.lines()
    log.segments[log.name] = b"".join([*lines, last[:-67] + b"0" * 64 + b'"}\n'])
    case.forge(log)


def certify_redaction(case: Case) -> None:
    log = three_days()
    log.redact(9)
    case.forge(log)


def certify_deletion(case: Case) -> None:
    log = three_days()
    log.delete(SECOND)
    case.forge(log)


def delete_too_early(case: Case) -> None:
    """Delete under a certificate that is covered by a checkpoint, before the policy in the log allows it."""
    log = three_days(policy={"min_days": 183})
    log.delete(SECOND)
    log.checkpoint()
    case.put(log)


def delete_what_is_held(case: Case) -> None:
    """Delete the first day, which a legal hold keeps, under a certificate that a checkpoint covers."""
    log = three_days()
    log.control(
        "log.hold",
        **{"name": "case-7", "policy": None, "from": DAY, "until": DAY, "renews": None},
        actor="counsel",
        reason="litigation",
    )
    log.delete(SECOND)
    log.checkpoint()
    case.put(log)


def lower_the_policy(case: Case) -> None:
    """Put another policy in the place of the sealed one, and delete all lines that say what that was."""
    log = three_days(policy={"min_days": 183})
    case.put(log)
    log.policy = {"min_days": 0}
    log.control(
        "log.policy",
        **{"name": "none", "policy": log.policy, "from": None, "until": None, "renews": None},
        actor="insider",
        reason=None,
    )
    log.open("2026-11-24")
    log.delete(log.name)
    case.forge(log)


def delete_more(case: Case) -> None:
    """Take a true certificate as cover for one day more."""
    log = three_days()
    log.delete(SECOND)
    log.checkpoint()
    case.put(log)
    (case.folder / SECOND).unlink()


# by those who hold keys


def rewrite(case: Case) -> None:
    """Write the second and the third day anew; without the signing key, their checkpoints are not signed."""
    case.forge(three_days(text="other", signing=None))


def rewrite_and_sign_otherwise(case: Case) -> None:
    case.forge(three_days(text="other", signing=OTHER_SIGNING))


def rewrite_tail(case: Case) -> None:
    case.forge(three_days(tail="other"))


def fork(case: Case) -> None:
    """Cut the log off in the third day and write on from there."""
    log = LogBuilder(signing=SIGNING)
    log.user(4)
    log.checkpoint()
    log.open(NEXT_DAY)
    log.user(3)
    log.checkpoint()
    log.open(THIRD_DAY)
    assert case.lines(THIRD)[:2] == log.lines()
    log.signing = None
    log.user(30, text="other")
    case.forge(log)


def rewrite_with_both_keys(case: Case) -> None:
    case.forge(three_days(text="other"))


def sign_with_another_key(case: Case) -> None:
    """Go on behind the last anchor with checkpoints that are signed by a key of one's own."""
    log = three_days()
    log.signing = OTHER_SIGNING
    log.checkpoint()
    case.forge(log)


def show_another_version(case: Case) -> None:
    """Show one auditor this log and another auditor one that differs, signed as well; they compare."""
    other = three_days(text="other").save(case.folder.parent / "other")
    case.keep("of another auditor.jsonl", folder=other)


# beside a writer


def _writer(case: Case) -> LogWriter:
    ring = KeyRing.from_sources(key())
    signing = SigningKeys.from_sources(SIGNING.to_pem)
    return LogWriter(LogLayout.from_filename(case.folder / "audit.jsonl"), ring, signing=signing)


def _record(number: int) -> bytes:
    return b'{"event_type":"chat_completion","v":1,"number":%d}' % number


def _begin(case: Case) -> tuple[LogWriter, Path]:
    """Let a writer begin a log, whose checkpoint is kept; return the writer and its segment."""
    shutil.rmtree(case.folder)
    log = _writer(case)
    for number in range(3):
        log.append(_record(number))
    log.checkpoint()
    case.keep()
    for number in (11, 12, 13):
        log.append(_record(number))
    return log, case.folder / FIRST


def _edit(path: Path) -> int:
    """Edit one of the records behind the checkpoint; return the segment's size."""
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"number":12', b'"number":21'))
    return len(content)


@freeze_time(f"{DAY}T12:00:00Z", ignore=["threading"])
def edit_before_checkpoint(case: Case) -> None:
    """Edit a record that no checkpoint covers yet, and whose writer is gone; the next refuses to sign."""
    _, path = _begin(case)
    size = _edit(path)
    log = _writer(case)
    with contextlib.suppress(AuditWriteError):
        log.checkpoint()
        raise AssertionError("a checkpoint was made over an edit")
    log.append(_record(14))
    log.stop()
    assert b"log.stop" in path.read_bytes()[size:]
    assert CHECKPOINT not in path.read_bytes()[size:]


@freeze_time(f"{DAY}T12:00:00Z", ignore=["threading"])
def edit_beside_writer(case: Case) -> None:
    """Edit a record while its writer runs: that signs for what it wrote, and not for what stands there."""
    log, path = _begin(case)
    _edit(path)
    log.checkpoint()
    case.keep()
    log.stop()


@freeze_time(f"{DAY}T12:00:00Z", ignore=["threading"])
def remove_open_file(case: Case) -> None:
    log, path = _begin(case)
    path.unlink()
    log.append(_record(14))
    log.stop()


@freeze_time(f"{DAY}T12:00:00Z", ignore=["threading"])
def empty_open_file(case: Case) -> None:
    """Empty the file that a writer has open, as `logrotate` does with copytruncate."""
    log, path = _begin(case)
    os.truncate(path, 0)
    log.append(_record(14))
    log.stop()


# not to the log at all


def switch_off(case: Case) -> None:
    """Write nothing any more: the newest checkpoint grows old. Whoever verifies allows an hour."""
    hour = timedelta(hours=1).total_seconds()
    path = case.kept / "checkpoints.jsonl"
    kept_at = path.stat().st_mtime - 2 * hour
    os.utime(path, (kept_at, kept_at))
    case.arguments["max_age"] = timedelta(seconds=hour)


def forge_anchor(case: Case) -> None:
    """Keep a checkpoint of other lines beside the true ones, signed with a key of one's own."""
    other = three_days(text="other", signing=OTHER_SIGNING)
    lines = [line for line in other.lines() if line.startswith(CHECKPOINT)]
    (case.kept / "forged.jsonl").write_bytes(b"".join(lines))


def withhold_anchors(case: Case) -> None:
    """Hand out the first checkpoints only, and take away the lines that the others cover."""
    path = case.kept / "checkpoints.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    (case.folder / THIRD).unlink()


def never_write(case: Case) -> None:
    """Leave out a record from the beginning."""
    log = LogBuilder(signing=SIGNING)
    log.user(3)
    log.checkpoint()
    case.put(log)


def set_clock_back(case: Case) -> None:
    log = LogBuilder(signing=SIGNING)
    log.user(2)
    log.clock -= timedelta(days=3)
    log.user(2)
    log.checkpoint()
    case.put(log)


def in_second_day(name: str) -> Callable[[Case], None]:
    """Return the attack of this name on lines, at a record in the middle of the second day."""

    def commit(case: Case) -> None:
        lines = case.lines(SECOND)
        LINE_ATTACKS[name](lines, 3)
        case.write(SECOND, lines)

    return commit


ATTACKS: list[Attack] = [
    Attack("line edited", in_second_day("line edited"), found("mac"), found("anchor-root")),
    Attack(
        "line inserted", in_second_day("line inserted"), found("inserted"), found("inserted", "anchor-root")
    ),
    Attack("line deleted", in_second_day("line deleted"), found("missing-lines"), found("missing-lines")),
    Attack(
        "lines swapped",
        in_second_day("lines swapped"),
        found("inserted", "missing-lines"),
        found("inserted", "missing-lines"),
    ),
    Attack("line repeated", in_second_day("line repeated"), found("inserted"), found("inserted")),
    Attack(
        "two lines joined",
        in_second_day("two lines joined"),
        found("mac", "missing-lines"),
        found("missing-lines"),
    ),
    Attack(
        "line overwritten with zeros",
        in_second_day("line overwritten with zeros"),
        found("shape"),
        found("shape"),
    ),
    Attack(
        "key number changed", in_second_day("key number changed"), found("kid"), found("kid", "anchor-root")
    ),
    Attack("seal removed", in_second_day("seal removed"), found("shape"), found("shape")),
    Attack("seal of another line", in_second_day("seal of another line"), found("mac"), found("anchor-root")),
    Attack("unsealed line added", in_second_day("unsealed line added"), found("shape"), found("shape")),
    Attack("member repeated", in_second_day("member repeated"), found("mac"), found("anchor-root")),
    Attack(
        "letter written as an escape",
        in_second_day("letter written as an escape"),
        found("mac"),
        found("anchor-root"),
    ),
    Attack("bytes beyond ASCII", in_second_day("bytes beyond ASCII"), found("shape"), found("shape")),
    Attack(
        "number written otherwise",
        in_second_day("number written otherwise"),
        found("mac"),
        found("anchor-root"),
    ),
    Attack("members reordered", in_second_day("members reordered"), found("mac"), found("anchor-root")),
    Attack("space added", in_second_day("space added"), found("mac"), found("anchor-root")),
    Attack(
        "space added behind a line", in_second_day("space added behind a line"), found("torn"), found("torn")
    ),
    Attack("one line ended by CRLF", in_second_day("one line ended by CRLF"), found("shape"), found("shape")),
    Attack(
        "all lines ended by CRLF",
        in_second_day("all lines ended by CRLF"),
        found("missing-lines", "torn"),
        found("missing-lines", "torn"),
    ),
    Attack("byte order mark added", in_second_day("byte order mark added"), found("shape"), found("shape")),
    Attack("blank line added", in_second_day("blank line added"), found("shape"), found("shape")),
    Attack("garbage line added", in_second_day("garbage line added"), found("shape"), found("shape")),
    Attack("seal in upper case", in_second_day("seal in upper case"), found("shape"), found("shape")),
    Attack(
        "redacted without certificate",
        in_second_day("redacted without certificate"),
        found("stub"),
        found("stub"),
    ),
    Attack("head cut off", cut_head, found("missing-lines"), found("missing-lines")),
    Attack("end cut off", cut_end, NOT_FOUND, found("anchor-size")),
    Attack("end cut off within a line", cut_within_line, noted("torn-end"), found("anchor-size")),
    Attack("end cut off behind the last anchor", cut_behind_anchor, NOT_FOUND, NOT_FOUND),
    Attack("newest segment emptied", empty_newest, noted("empty"), found("anchor-size")),
    Attack("closed segment emptied", empty_closed, found("missing-lines"), found("missing-lines")),
    Attack("everything deleted", delete_everything, CANNOT_VERIFY, found("anchor-size")),
    Attack("first day deleted", without(FIRST), found("missing-lines"), found("missing-lines")),
    Attack("day in the middle deleted", without(SECOND), found("missing-lines"), found("missing-lines")),
    Attack("last day deleted", without(THIRD), NOT_FOUND, found("anchor-size")),
    Attack("two days swapped", swap_days, found("segment-name"), found("segment-name")),
    Attack("day renamed to another date", rename_day, found("segment-name"), found("segment-name")),
    Attack("day copied to another date", copy_day, found("foreign-file"), found("foreign-file")),
    Attack("older state put back", roll_back, NOT_FOUND, found("anchor-size")),
    Attack("bytes added at the end as by a crash", add_torn_bytes, noted("torn-end"), noted("torn-end")),
    Attack("line of another log spliced in", splice_line, found("log-id"), found("log-id")),
    Attack(
        "day of another log spliced in",
        splice_day,
        found("foreign-file", "missing-lines"),
        found("foreign-file", "missing-lines"),
    ),
    Attack("log replaced by another", replace_log, found("log-id"), found("log-id")),
    Attack("line sealed under another key", reseal_line, found("mac"), found("anchor-root")),
    Attack(
        "day sealed under another key",
        reseal_day,
        found("mac"),
        found("anchor-root", "base-leaf", "frontier", "kcv", "signature"),
    ),
    Attack("log rewritten under another key", reseal_log, CANNOT_VERIFY, found("anchor-root", "signature")),
    Attack("line sealed under a rotated-out key", use_old_key, found("mac"), found("anchor-root")),
    Attack(
        "format version changed",
        in_genesis(b'"format":1', b'"format":2'),
        found("format", "mac"),
        found("format", "anchor-root"),
    ),
    Attack(
        "key check value changed",
        in_genesis(b'"kcv":"', b'"kcv":"0'),
        found("kcv", "mac"),
        found("kcv", "anchor-root"),
    ),
    Attack(
        "origin changed",
        in_genesis(b"audit.example", b"other.example"),
        found("checkpoint-note", "kcv", "mac", "origin"),
        found("anchor-root", "checkpoint-note", "kcv", "origin"),
    ),
    Attack(
        "genesis replaced",
        replace_genesis,
        found("log-id", "mac"),
        found("checkpoint-note", "kcv", "log-id", "origin"),
    ),
    Attack("line in an archive edited", edit_archive, found("mac"), found("anchor-root")),
    Attack("archive damaged", damage_archive, found("archive"), found("archive")),
    Attack(
        "archive cut off", cut_archive, found("archive", "missing-lines"), found("archive", "missing-lines")
    ),
    Attack(
        "archive replaced by a bomb",
        bomb_archive,
        found("missing-lines", "torn"),
        found("missing-lines", "torn"),
    ),
    Attack("archive continued", add_to_archive, found("archive"), found("archive")),
    Attack(
        "archive unlike its segment", differ_from_archive, found("archive-differs"), found("archive-differs")
    ),
    Attack("redaction forged behind the last anchor", forge_redaction, found("mac", "stub"), CANNOT_VERIFY),
    Attack(
        "deletion forged behind the last anchor", forge_deletion, found("mac", "missing-lines"), CANNOT_VERIFY
    ),
    Attack("redaction sealed behind the last anchor", certify_redaction, NOT_FOUND, CANNOT_VERIFY),
    Attack("deletion sealed behind the last anchor", certify_deletion, NOT_FOUND, CANNOT_VERIFY),
    Attack("deleted before the policy allows it", delete_too_early, found("delete"), found("delete")),
    Attack("deleted under a legal hold", delete_what_is_held, found("delete"), found("delete")),
    Attack("policy lowered first, behind the last anchor", lower_the_policy, NOT_FOUND, CANNOT_VERIFY),
    Attack("more deleted than certified", delete_more, found("missing-lines"), found("missing-lines")),
    Attack("edited before the next checkpoint", edit_before_checkpoint, found("mac"), noted("lost")),
    Attack(
        "edited before its writer's next checkpoint",
        edit_beside_writer,
        found("mac"),
        found("anchor-root"),
    ),
    Attack(
        "open file removed",
        remove_open_file,
        found("missing-lines", "vanished"),
        found("missing-lines", "vanished"),
    ),
    Attack(
        "open file emptied",
        empty_open_file,
        found("missing-lines", "vanished"),
        found("missing-lines", "vanished"),
    ),
    Attack("rewritten with the line key", rewrite, NOT_FOUND, found("anchor-root")),
    Attack(
        "rewritten and signed with another key",
        rewrite_and_sign_otherwise,
        NOT_FOUND,
        found("anchor-root", "signature"),
    ),
    Attack("cut off and continued with the line key", fork, NOT_FOUND, found("anchor-root")),
    Attack("continued and signed with another key", sign_with_another_key, NOT_FOUND, found("signature")),
    Attack(
        "rewritten with line key and signing key", rewrite_with_both_keys, NOT_FOUND, found("anchor-root")
    ),
    Attack("another version shown to another auditor", show_another_version, NOT_FOUND, found("anchor-root")),
    Attack("rewritten with the line key behind the last anchor", rewrite_tail, NOT_FOUND, NOT_FOUND),
    Attack("logging switched off", switch_off, NOT_FOUND, UNANCHORED),
    Attack("anchor forged by its keeper", forge_anchor, NO_EFFECT, noted("anchor-unsigned")),
    Attack("newest anchors withheld and the end cut off", withhold_anchors, NOT_FOUND, NOT_FOUND),
    Attack("clock set back", set_clock_back, noted("clock"), noted("clock")),
    Attack("record never written", never_write, NOT_FOUND, NOT_FOUND),
]
