"""Which keys a log has named so far, by their check values: one that was rotated out never returns.

used = keys_used(layout)
used.kcvs, used.vkeys
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from or_audit_logging.errors import FormatError
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import FIRST_LINE_STARTS, line_start

_NAMING = (*FIRST_LINE_STARTS, line_start("log.rotate"))


class KeysUsed(NamedTuple):
    """Key check values and verifier keys."""

    kcvs: frozenset[object]
    vkeys: frozenset[object]


def keys_used(layout: LogLayout) -> KeysUsed:
    """Return the keys named in what there is of the log of *layout*; reads all of it. Raises `OSError`."""
    return named_keys(line for _, segment in layout.segments() for line in segment.lines())


def named_keys(lines: Iterable[bytes]) -> KeysUsed:
    """Return the keys named in *lines*."""
    kcvs: set[object] = set()
    vkeys: set[object] = set()
    for line in lines:
        if not line.startswith(_NAMING):
            continue
        try:
            members = parse_control(line)
        except FormatError:
            continue
        kcvs |= {members.get("kcv"), members.get("next_kcv")}
        vkeys |= {members.get("vkey"), members.get("next_vkey")}
    return KeysUsed(frozenset(kcvs - {None}), frozenset(vkeys - {None}))
