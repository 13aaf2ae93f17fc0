"""What stands outside the log: copies of its checkpoints, and the report of the last verification."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.anchors import collect
from or_audit_logging.evidence.doctor.check import Check
from or_audit_logging.evidence.doctor.words import ago
from or_audit_logging.log.segments import LogLayout

_OLD_ANCHOR = timedelta(days=1)
_OLD_REPORT = timedelta(days=8)


def check_anchors(layout: LogLayout | None, places: Sequence[str | os.PathLike[str]], now: datetime) -> Check:
    """Look how far the copies reach; whether they fit the log is `verify`'s to say."""
    name = "anchors"
    if not places:
        return Check(
            name,
            "unknown",
            "no place was named where copies of checkpoints are kept",
            "name it with --anchor; if there is none, see anchor_file in docs/configuration.md: without a "
            "copy elsewhere, nobody can tell that a log's end was cut off",
        )
    log = _log_of(layout) if layout is not None else None
    anchors = [
        anchor
        for place in places
        for anchor in collect(place, refuse=layout.folder if layout is not None else None)[0]
        if log is None or anchor.log_name in (None, log)
    ]
    if not anchors:
        return Check(
            name,
            "problem",
            "no checkpoint of this log is kept there",
            "hand them out: anchor_file on the handler, or 'or-audit checkpoint DIR -o FILE' from a timer",
        )
    newest = max(anchors, key=lambda anchor: anchor.size)
    if newest.kept_at is None:
        return Check(name, "ok", f"the newest copy covers lines up to {newest.size - 1:,}")
    age = now - newest.kept_at
    found = f"the newest copy covers lines up to {newest.size - 1:,} and was kept {ago(age)} ago"
    if age > _OLD_ANCHOR:
        return Check(name, "warning", found, "see whether checkpoints still arrive there")
    return Check(name, "ok", found)


def check_report(layout: LogLayout | None, path: str | os.PathLike[str] | None, now: datetime) -> Check:
    """Look at the report of the last verification, kept as `or-audit verify DIR --json > FILE` prints it."""
    name = "verification"
    if path is None:
        return Check(
            name,
            "unknown",
            "a log does not tell when it was last verified",
            "run 'or-audit verify DIR --json > FILE' daily, and name the file with --report",
        )
    try:
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
            made = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
        verdict, last = str(report["verdict"]), report["last_seq"]
        other = layout is not None and report.get("log") not in (None, _log_of(layout))
    except OSError as error:
        raise ConfigError(f"the report {os.fspath(path)} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{os.fspath(path)} is no report of 'or-audit verify --json'") from error
    if other:
        return Check(name, "problem", "the report is on another log", "name the one on this log")
    found = f"{verdict}, up to line {last}, {ago(now - made)} ago"
    if verdict in ("tampered", "cannot verify"):
        return Check(name, "problem", found, "run 'or-audit verify' and read what it found")
    if now - made > _OLD_REPORT:
        return Check(name, "warning", found, "verify at least as often as you would want to know")
    return Check(name, "ok", found)


def _log_of(layout: LogLayout) -> str | None:
    for segment in layout.files():
        if (line := segment.first_line()) is not None:
            return line.log
    return None
