"""What a log says of its own keeping: which policy, which holds, what was deleted, redacted, handed over.

    history = history_of(reader)             # a LogReader, or StoreLines
    history.holds                            -> (Hold(name="case-7", since=date(2026, 10, 1), ...),)
    history.deletion, history.redactions

All of it stands in control lines, the newest last. Nothing is checked here: whoever acts on it verifies the
log before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from or_audit_logging.errors import FormatError
from or_audit_logging.evidence.certificates import minimum_days
from or_audit_logging.evidence.holding import Hold, hold_of
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import SealedLine, parse_line

_START = b'{"event_type":"log.'
_OF_KEEPING = ("policy", "hold", "release", "delete", "redact", "export")
_PREFIXES = tuple(_START + name.encode("ascii") + b'",' for name in (*_OF_KEEPING, "genesis", "open"))


class Lines(Protocol):
    """What is read: a log's lines in blocks of whole ones."""

    def blocks(self) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class Act:
    """A control line that says what somebody did: its number, its members as they stand, its bytes."""

    seq: int
    event_type: str
    members: Mapping[str, Any] = field(repr=False)
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class History:
    """The acts of a log in their order, and what follows from them.

    `policy` is the one in force as it is sealed, None where there is none; `minimum` the most days that any
    policy in the lines that are there promises to keep them, 0 where none does.
    """

    acts: tuple[Act, ...] = ()
    policy: Mapping[str, Any] | None = None
    minimum: int = 0
    holds: tuple[Hold, ...] = ()
    deletion: Act | None = None
    redactions: Mapping[int, Act] = field(default_factory=dict)
    """The log.redact of each line that is redacted, or is to be, by its number."""


def history_of(lines: Lines) -> History:
    """Return what the control lines among *lines* say; raises `FormatError` where one says what it cannot."""
    acts: list[Act] = []
    policy, minimum = None, 0
    holds: dict[str, Hold] = {}
    deletion, redactions = None, {}
    for line in _of_keeping(lines):
        members = parse_control(line.raw)
        event = str(members["event_type"])
        if event in ("log.genesis", "log.open", "log.policy"):
            stated = members["policy"]
            minimum = max(minimum, minimum_days(stated))
            policy = stated if isinstance(stated, dict) else None
        if event in ("log.genesis", "log.open"):
            continue
        act = Act(line.seq, event, members, line.raw)
        acts.append(act)
        if event == "log.hold":
            hold = hold_of(line.seq, members)
            holds[hold.name] = hold
        elif event == "log.release":
            holds.pop(str(members["name"]), None)
        elif event == "log.delete":
            deletion = act
        elif event == "log.redact" and type(members["target"]) is int:
            redactions[members["target"]] = act
    return History(
        acts=tuple(acts),
        policy=policy,
        minimum=minimum,
        holds=tuple(sorted(holds.values(), key=lambda hold: hold.seq)),
        deletion=deletion,
        redactions=redactions,
    )


def _of_keeping(lines: Lines) -> Iterator[SealedLine]:
    for block in lines.blocks():
        at = 0 if block.startswith(_START) else block.find(b"\n" + _START) + 1 or -1
        while at >= 0:
            end = block.find(b"\n", at)
            if block.startswith(_PREFIXES, at):
                with suppress(FormatError):  # cut by a crash: no line
                    yield parse_line(block[at : end if end >= 0 else len(block)])
            at = block.find(b"\n" + _START, end) + 1 or -1 if end >= 0 else -1
