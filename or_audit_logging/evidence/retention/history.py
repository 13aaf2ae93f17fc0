"""What a log says of its own keeping: which policy, which holds, what was deleted, redacted, handed over.

    history = history_of(reader)             # a LogReader, or StoreLines
    history.holds                            -> (Hold(name="case-7", since=date(2026, 10, 1), ...),)
    history.deletion, history.redactions

All of it stands in control lines, the newest last. Nothing is checked here: whoever acts on it verifies the
log before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.keeping import Hold, Keeping, lines_of_keeping


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
    keeping = Keeping()
    deletion, redactions = None, {}
    for line in lines_of_keeping(lines.blocks()):
        members = parse_control(line.raw)
        keeping.take(line.seq, members)
        event = str(members["event_type"])
        if event in ("log.genesis", "log.open"):
            continue
        act = Act(line.seq, event, members, line.raw)
        acts.append(act)
        if event == "log.delete":
            deletion = act
        elif event == "log.redact" and type(members["target"]) is int:
            redactions[members["target"]] = act
    return History(
        acts=tuple(acts),
        policy=keeping.policy,
        minimum=keeping.minimum,
        holds=keeping.holds,
        deletion=deletion,
        redactions=redactions,
    )
