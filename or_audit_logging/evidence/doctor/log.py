"""What the log itself tells: its last line, its last checkpoint, what was lost, who ended without a word."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from or_audit_logging.errors import FormatError
from or_audit_logging.evidence.doctor.check import Check
from or_audit_logging.evidence.doctor.words import ago
from or_audit_logging.log.segments import LogLayout, Segment
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import CONTROL_START, parse_line

_AHEAD = timedelta(seconds=60)
_STALE_CHECKPOINT = timedelta(minutes=10)


@dataclass
class _Read:
    """What was met on the way through the log."""

    newest: Segment | None = None
    last_seq: int = -1
    last_at: datetime | None = None
    checkpoint_size: int | None = None
    checkpoint_at: datetime | None = None
    is_signed: bool = False
    signer: object = None
    lost: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)


def check_log(layout: LogLayout | None, now: datetime) -> list[Check]:
    """Read the log once; nothing is verified, and a line that is none is passed over."""
    if layout is None:
        return [
            Check(
                "log",
                "warning",
                "the folder holds no audit log yet",
                "make a call through a decorated function or instrumented client, then look again",
            )
        ]
    read = _read(layout)
    checks = [_end(read, now), _checkpoint(read, now), _lost(read), _clock(read, now)]
    if read.unreadable:
        checks.append(
            Check(
                "segments",
                "problem",
                f"{', '.join(read.unreadable[:3])} cannot be read",
                "run 'or-audit verify', and restore what is damaged from a copy",
            )
        )
    return checks


def _read(layout: LogLayout) -> _Read:
    read = _Read()
    for _, segment in layout.segments():
        read.newest, last = segment, b""
        try:
            for raw in segment.lines():
                if raw.endswith(b"\n"):
                    last = raw
                if raw.startswith(CONTROL_START):
                    _take(read, raw)
        except OSError:
            read.unreadable.append(segment.name)
        _take_end(read, last)
    return read


def _take(read: _Read, raw: bytes) -> None:
    try:
        members = parse_control(raw)
        at = _moment(members["timestamp"])
    except (FormatError, ValueError):
        return
    match members["event_type"]:
        case "log.checkpoint":
            read.checkpoint_at, read.checkpoint_size = at, _number(members["size"])
            read.is_signed = members["note"] is not None
        case "log.genesis" | "log.open":
            read.signer = members["vkey"]
        case "log.rotate":
            read.signer = members["next_vkey"] or read.signer
        case "log.lost":
            read.lost[str(members["reason"])] += _number(members["count"])
    read.last_at = max(at, read.last_at or at)


def _take_end(read: _Read, raw: bytes) -> None:
    """Take the last line of a segment for where the log ends."""
    try:
        line = parse_line(raw.removesuffix(b"\n"))
    except FormatError:
        return
    read.last_seq = max(read.last_seq, line.seq)


def _end(read: _Read, now: datetime) -> Check:
    newest = read.newest
    if newest is None:
        return Check("log", "problem", "no segment begins with a sealed line", "run 'or-audit verify'")
    lines = f"{read.last_seq + 1:,} lines, the newest segment is {newest.name}"
    if newest.day < now.date():
        return Check(
            "log",
            "ok",
            f"{lines}: nothing was written today",
            "run 'or-audit close-day' daily where a log may lie idle over midnight",
        )
    return Check("log", "ok", lines)


def _checkpoint(read: _Read, now: datetime) -> Check:
    name = "checkpoint"
    if read.checkpoint_at is None or read.checkpoint_size is None:
        return Check(name, "problem", "the log has no checkpoint", "run 'or-audit verify'")
    behind = read.last_seq - read.checkpoint_size
    found = (
        f"the last checkpoint covers lines up to {read.checkpoint_size - 1:,} "
        f"and was made {ago(now - read.checkpoint_at)} ago"
        f"{', signed' if read.is_signed else ', not signed'}"
    )
    if read.signer is not None and not read.is_signed:
        return Check(
            name,
            "problem",
            f"{found}, although the log names a signer",
            "give every writer of the log its signing_key",
        )
    if behind > 0 and now - read.checkpoint_at > _STALE_CHECKPOINT:
        return Check(
            name,
            "warning",
            f"{found}; {behind:,} lines follow it",
            "run 'or-audit checkpoint' from a timer: an idle process makes none",
        )
    return Check(name, "ok", found)


def _lost(read: _Read) -> Check:
    if not read.lost:
        return Check("lost", "ok", "the log states no lost record")
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(read.lost.items()))
    return Check(
        "lost",
        "warning",
        f"the log states {sum(read.lost.values()):,} lost records ({reasons})",
        "'or-audit verify' tells where; disk is a full or failing disk, gone and shrunk are files that "
        "somebody removed or cut, chain and rollback are lines that do not follow",
    )


def _clock(read: _Read, now: datetime) -> Check:
    if read.last_at is not None and read.last_at - now > _AHEAD:
        return Check(
            "clock",
            "problem",
            f"the log's last line is {ago(read.last_at - now)} ahead of this machine's clock",
            "set the clock by NTP: segments are named and retention counts by it",
        )
    return Check(
        "clock", "ok", f"the clock says {now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, after every line"
    )


def _moment(value: object) -> datetime:
    return datetime.fromisoformat(str(value))


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
