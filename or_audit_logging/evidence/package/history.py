"""What a package's history states, held to what its manifest does. No I/O.

    history = HistoryStated()
    for line in lines: history.take(line, manifest)          each is proven to stand in the log
    history.check(manifest); history.kid_at(41)

A line that cannot stand where it does is a `FormatError`.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping
from dataclasses import dataclass, field

from or_audit_logging.errors import FormatError
from or_audit_logging.evidence.package import names
from or_audit_logging.evidence.package.stated import Manifest, number_in
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import SealedLine

_FIRST = ("log.genesis", "log.open")


@dataclass(slots=True)
class HistoryStated:
    """The control lines of a history, taken in one after the other."""

    redactions: dict[tuple[int, str], tuple[int, str]] = field(default_factory=dict)
    """Of each line that was redacted, by seq and leaf: the seq of the first log.redact, and its actor."""
    deleted_by: int = -1
    """The seq of the log.delete that lets the log's first lines be missing, -1 where none has to."""
    check_values: dict[int, object] = field(default_factory=dict)
    """The key check value of each kid."""
    _rotations: list[tuple[int, int]] = field(default_factory=list)
    """From which line on which kid is in force."""
    _base: int = 0
    _vkey: object = None
    _export: Mapping[str, object] | None = None

    def take(self, line: SealedLine, manifest: Manifest) -> None:
        """Take in the next line; raises `FormatError`."""
        members = parse_control(line.raw)
        event = str(members["event_type"])
        if event not in names.HISTORY_EVENTS or (event in _FIRST) == bool(self._rotations):
            raise FormatError("the line does not belong here in a log's history")
        if event in _FIRST:
            stated = (line.seq, members["log_id"], members["origin"])
            if stated != (manifest.starts_at, manifest.log_id, manifest.origin):
                raise FormatError("it is not the first line of the log that the manifest names")
            self._rotations, self.check_values = [(line.seq, line.kid)], {line.kid: members["kcv"]}
            self._vkey = members["vkey"]
        elif event == "log.rotate":
            self._rotations.append((line.seq + 1, line.kid + 1))
            kcv = members["next_kcv"] or self.check_values.get(line.kid)
            self.check_values[line.kid + 1] = kcv
            self._vkey = members["next_vkey"] or self._vkey
        elif event == "log.delete":
            base = number_in(members, "base")
            if self._base < self._rotations[0][0] <= base:
                self.deleted_by = line.seq
            self._base = max(self._base, base)
        elif event == "log.redact":
            target = number_in(members, "target"), str(members["leaf"])
            self.redactions.setdefault(target, (line.seq, str(members["actor"])))
        elif event == "log.export" and line.seq == manifest.recorded:
            self._export = members

    def check(self, manifest: Manifest) -> None:
        """Raise `FormatError` where it does not say why lines are missing, or names another signing key."""
        if not self._rotations:
            raise FormatError("there is no history")
        if self._rotations[0][0] > self._base:
            raise FormatError("the log's first lines are missing, and no log.delete says why")
        if manifest.signed_by is not None and str(manifest.signed_by) != self._vkey:
            raise FormatError("the log names another signing key than the manifest")

    def check_export(self, manifest: Manifest) -> None:
        """Raise `FormatError` where the log.export is not there, or says something else."""
        export = self._export
        if export is None or any(export[name] != said for name, said in manifest.act.items()):
            raise FormatError("the log's own record of this export is missing, or says something else")

    def kid_at(self, seq: int) -> int | None:
        """Return the kid in force for the line *seq*; None before the log's first line."""
        number = bisect(self._rotations, (seq, 1 << 64)) - 1
        return self._rotations[number][1] if number >= 0 else None
