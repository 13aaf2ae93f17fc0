"""`or-audit anchors --from FILE|DIR|s3:BUCKET/PREFIX`: checkpoints that others kept, as files for verify."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from or_audit_logging.cli.output import complain, printable, table, warn
from or_audit_logging.cli.values import day
from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.anchor_files import Gathered, LogAnchors, gather, save
from or_audit_logging.evidence.arguments import Pin
from or_audit_logging.record import utc_timestamp
from or_audit_logging.ship.s3.checkpoints import KeptCheckpoints, list_checkpoints

HELP = "make anchor files of what a log service or a bucket has kept"

_BUCKET = "s3:"
_ERRORS = {"anchor-unreadable", "anchor-damaged", "anchor-own"}


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "anchors",
        help=HELP,
        description="Find the checkpoints in exports of CloudWatch, Google Cloud Logging, Splunk, Datadog, "
        "Elasticsearch or OpenSearch, in webhook bodies and in files of lines or notes, also compressed with "
        "gzip, or in a bucket that 'or-audit ship --to s3:BUCKET/PREFIX' fills, and keep each once with the "
        "time at which the service says that it arrived. Without -o, only say what is there.",
        epilog="exit codes: 0 done, 1 two checkpoints contradict each other, something could not be used, or "
        "objects in a bucket were put again or deleted, 2 none found. "
        "example: or-audit anchors --from exported.json -o anchors, with what "
        "'aws logs filter-log-events' or 'gcloud logging read --format=json' printed; "
        "then or-audit verify audit_logs --anchor anchors",
    )
    parser.add_argument(
        "--from",
        dest="places",
        metavar="FILE|DIR|s3:BUCKET/PREFIX",
        action="append",
        required=True,
        help="what was exported, or a bucket; may be given again",
    )
    parser.add_argument(
        "--stored",
        action="store_true",
        help="of a bucket: only what covers segments that are stored there, to verify a copy of it",
    )
    parser.add_argument(
        "--since",
        metavar="DATE",
        type=day,
        help="of a bucket: only the folders of this day (YYYY-MM-DD) and later",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        help="where to keep one file for each log, outside of the log's folder; what is there already stays",
    )
    parser.add_argument("--log-id", metavar="ID", help="only this log: its log id or origin")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Gather, keep and say."""
    files = [place for place in options.places if not place.startswith(_BUCKET)]
    if len(files) == len(options.places) and (options.stored or options.since is not None):
        raise ConfigError("--stored and --since go with a bucket: --from s3:BUCKET/PREFIX")
    listings = [_listing(place, options) for place in options.places if place not in files]
    kept = [(one.text, one.kept_at, one.where) for listing in listings for one in listing.found]
    gathered = gather(files, log_id=options.log_id, kept=kept)
    paths: list[Path] = []
    if options.output is not None and gathered.logs:
        gathered, paths = save(gathered, options.output)
    if options.json:
        print(json.dumps(_to_dict(gathered, paths), indent=2))
    elif gathered.logs:
        print(_table(gathered))
    for note in gathered.notes:
        (complain if note.kind in _ERRORS else warn)(note.message)
    has_troubles = _say_of_buckets(listings)
    for log in gathered.logs:
        for size in log.contradictions:
            has_troubles = True
            where = " and ".join(one.where for one in log.anchors if one.size == size)
            complain(
                f"two histories of {log.log}: checkpoints of size {size:,} state different roots: {where}"
            )
    if not gathered.logs:
        left_out = sum(listing.left_out for listing in listings)
        none = f"{_checkpoints(left_out)}, none of segments that are stored"
        complain(none if left_out else "no checkpoint was found")
        return 2
    if options.output is None and not options.json:
        warn("nothing was written; -o DIR keeps them")
    return 1 if has_troubles or gathered.has_troubles else 0


def _listing(place: str, options: argparse.Namespace) -> KeptCheckpoints:
    """Return the checkpoints in the bucket *place*; raises `ConfigError`, `DeliveryError`."""
    return list_checkpoints(
        place.removeprefix(_BUCKET),
        stored=options.stored,
        log=Pin.parse(options.log_id).log,
        since=options.since,
    )


def _say_of_buckets(listings: Sequence[KeptCheckpoints]) -> bool:
    """Say what is to be known of buckets; return whether somebody put objects again, or deleted them."""
    for listing in listings:
        for trouble in listing.troubles:
            complain(trouble)
        if listing.left_out:
            warn(
                f"left out: {_checkpoints(listing.left_out)}, over up to {listing.left_out_size:,} lines; of "
                f"their logs up to {listing.stored_size:,} lines are stored"
            )
        if not listing.has_versions:
            warn("the store lists no versions: what was put again there, or deleted, does not show")
    return any(listing.troubles for listing in listings)


def _checkpoints(count: int) -> str:
    return "1 checkpoint" if count == 1 else f"{count:,} checkpoints"


def _table(gathered: Gathered) -> str:
    head = ("log", "checkpoints", "newest size", "kept at", "origin")
    rows = [
        (
            log.log,
            f"{len(log.anchors):,}",
            f"{log.newest.size:,}",
            _kept_at(log) or "unknown",
            printable(log.origin or "unknown"),
        )
        for log in gathered.logs
    ]
    return table([head, *rows], right=(1, 2))


def _kept_at(log: LogAnchors) -> str | None:
    return utc_timestamp(log.newest.kept_at) if log.newest.kept_at is not None else None


def _to_dict(gathered: Gathered, paths: list[Path]) -> dict[str, object]:
    files: list[Path | None] = [*paths] if paths else [None] * len(gathered.logs)
    return {
        "logs": [
            {
                "log": log.log,
                "origin": log.origin,
                "checkpoints": len(log.anchors),
                "newest_size": log.newest.size,
                "kept_at": _kept_at(log),
                "contradictions": list(log.contradictions),
                "file": str(file) if file is not None else None,
            }
            for log, file in zip(gathered.logs, files, strict=True)
        ],
        "notes": [{"kind": note.kind, "message": note.message} for note in gathered.notes],
    }
