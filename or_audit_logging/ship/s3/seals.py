"""`Seals`: whether a line that orders something was sealed under the log's key, as far as one was given.

    seals = Seals(layout, ring)
    seals.doubt(line)       -> None: it is sealed; "no key", "another key", "not sealed"

Whoever can write the log's folder can add lines that follow the others: without the key, not sealed ones.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from or_audit_logging.errors import ConfigError, KeyNotFoundError
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.sealed import is_sealed
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.sealing.chain import LogKeys
from or_audit_logging.sealing.line import SealedLine
from or_audit_logging.ship.listing import Listing
from or_audit_logging.ship.target import TryLaterError

Doubt = Literal["no key", "another key", "not sealed"]
"""Why a line is not known to be sealed: no key was given, none of them is that of the line's segment, or the
line's MAC does not hold."""


class Seals:
    """Those of one log; without a *ring* there is doubt about every line."""

    def __init__(self, layout: LogLayout, ring: KeyRing | None) -> None:
        self._listing = Listing(layout)
        self._ring = ring
        self._sealed: set[bytes] = set()
        """Lines that were found to be sealed."""

    def doubt(self, line: SealedLine) -> Doubt | None:
        """Return why *line* is not known to be sealed, None where it is; raises `TryLaterError`."""
        if self._ring is None:
            return "no key"
        if line.raw in self._sealed:
            return None
        try:
            known = self._listing.known(anew=True)  # or a line of a file that has just come would seem forged
            sources = [source for source in known if source.first_seq <= line.seq]
            newest = max((source.first_seq for source in sources), default=0)
            find_keys = partial(_find_keys, self._ring)
            found = any(
                is_sealed(source.segment, line, find_keys) for source in sources if source.first_seq == newest
            )
        except KeyNotFoundError:
            return "another key"
        except OSError as error:
            raise TryLaterError(f"the log's folder cannot be read: {error.strerror}") from None
        if found:
            self._sealed.add(line.raw)
        return None if found else "not sealed"


def _find_keys(ring: KeyRing, log_id: bytes, kcv: str) -> LogKeys:
    """Return the keys with this check value; their sources are read once more where there is none."""
    try:
        return ring.log_keys(log_id, kcv=kcv)
    except KeyNotFoundError:
        try:
            ring.reload()
        except ConfigError as error:
            raise KeyNotFoundError(str(error)) from None
        return ring.log_keys(log_id, kcv=kcv)
