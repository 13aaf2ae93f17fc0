"""`export`: hand over lines of a log, with what proves them, and leave a record of that in the log.

    export("audit_logs", "package.zip", since="2026-11-01", until="2026-11-30", reason="audit 2026")
    export("audit.db", "u-42.zip", user="u-42", key="file:audit.key")

First the lines are chosen, then the log.export is written (with the key; it makes a checkpoint), and then
lines, proofs and history are gathered in a private temporary folder and packed.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.arguments import PathText, find_log, open_ring
from or_audit_logging.evidence.books.period import When
from or_audit_logging.evidence.package import names
from or_audit_logging.evidence.package.asked import Asked
from or_audit_logging.evidence.package.choosing import Chosen, choose, chosen_texts
from or_audit_logging.evidence.package.gathering import gather
from or_audit_logging.evidence.package.manifest import Act, complete
from or_audit_logging.evidence.package.reports import report_on_lines, write_reports
from or_audit_logging.evidence.package.writing import check_place, new_file, write_json, write_zip
from or_audit_logging.evidence.query import spellings
from or_audit_logging.evidence.reading import layout_of
from or_audit_logging.evidence.retention.opened import actor_of, text_of
from or_audit_logging.keys import KeyRing, KeySources
from or_audit_logging.log.handing_over import hand_over
from or_audit_logging.log.shared_writer import SharedWriter
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.record import utc_timestamp
from or_audit_logging.sealing.line import CONTROL_START
from or_audit_logging.signing_keys import SigningKeys

Format: TypeAlias = Literal["zip", "json"]
FORMATS: tuple[Format, ...] = ("zip", "json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was handed over: the file at `path`, `bytes` long, and what is in it.

    `recorded` is the seq of the log.export that says so; where it is None, `not_recorded` says why.
    `size` is that of the package's checkpoint and `signed_by` its signer's verifier key; `unsigned` names the
    key that the log's checkpoints are signed by, where the export's own was not. Of a JSON document the
    three are None.
    """

    path: str
    format: Format
    sha256: str
    bytes: int
    log: str
    first_seq: int
    last_seq: int
    lines: int
    records: int
    recorded: int | None
    not_recorded: str | None = None
    size: int | None = None
    signed_by: str | None = None
    unsigned: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Return it as plain values, ready for `json.dumps`."""
        return asdict(self)


def export(
    path: PathText,
    output: PathText,
    *,
    since: When | None = None,
    until: When | None = None,
    user: str | None = None,
    session: str | None = None,
    format: Format = "zip",  # noqa: A002 - what the command line calls it
    key: KeySources | KeyRing = None,
    signing_key: KeySources = None,
    actor: str | None = None,
    reason: str | None = None,
    now: datetime | None = None,
    progress: Callable[[int], None] | None = None,
) -> Exported:
    """Write the lines of *since* to *until* in the log at *path*, a folder or a store, to the file *output*.

    *since*, *until*: a UTC date, as a whole day, or an ISO time; both included; None: all there is. Without
    *user* and *session* these are all lines without a gap; with them, the records that bear this id or one of
    its pseudonyms under *key*, with their write-ahead records and later costs. *format*: zip is a package
    that proves itself (see docs/export.md), json a plain document with `export_timestamp`, `period`,
    `summary` and `logs`.

    With the *key* (default: OR_AUDIT_KEY or OR_AUDIT_KEY_FILE, if set) the export is recorded in the log,
    with *actor* (default: the login name) and *reason* as they are given, and its checkpoint is signed
    where there is a *signing_key*. *progress* is called with the number of lines read so far.

    Raises `ConfigError` for wrong arguments, where there is no log and where no record was written in that
    time; `ProofError` where no checkpoint covers the lines; `VerificationError` where they are not those that
    a checkpoint was made of; `FormatError`, `OSError`.
    """
    if format not in FORMATS:
        raise ConfigError(f"format is one of {', '.join(FORMATS)}, not {format!r}")
    actor, reason = actor_of(actor), text_of(reason, "reason")
    moment = datetime.now(UTC) if now is None else now
    if moment.tzinfo is None:
        raise ConfigError("now needs a time zone")
    file = Path(os.path.expanduser(os.fspath(output)))
    check_place(path, file)
    ring = open_ring(key)
    asked = Asked.parse(
        since=since,
        until=until,
        user=user,
        users=() if user is None else spellings(user, ring, name="user"),
        session=session,
        sessions=() if session is None else spellings(session, ring, name="session"),
    )
    chosen = choose(path, asked, progress=progress)
    trouble = _why_not_recorded(path, ring)
    writer = _writer(path, ring, signing_key) if ring is not None and trouble is None else None
    act = Act(actor=actor, reason=reason, time=utc_timestamp(moment), seq=None)
    unsigned = None
    if writer is not None:
        act = _record(writer, asked, chosen, act)
        unsigned = writer.leaves_unsigned
        writer.stop()
    with tempfile.TemporaryDirectory(prefix="or-audit-") as name, new_file(file) as out:
        folder = Path(name)
        if format == "json":
            spool = folder / names.LINES
            _spool_records(path, chosen, spool)
            made = report_on_lines(spool, asked, chosen)
            head = {
                "export_timestamp": act.time,
                "period": asked.to_dict(),
                "summary": None if made is None else made.to_dict()["summary"],
            }
            with open(spool, "rb") as lines:
                write_json(out, head, (line[:-1] for line in lines))
            gathered = None
        else:
            gathered = gather(path, chosen, folder, recorded=act.seq, progress=progress)
            made = report_on_lines(folder / names.LINES, asked, chosen)
            if made is not None:
                write_reports(made, folder)
            complete(folder, asked, chosen, gathered, act)
            write_zip(folder, out)
        out.seek(0)
        digest = hashlib.file_digest(out, "sha256").hexdigest()  # type: ignore[arg-type]
        size = out.tell()
    checkpoint = None if gathered is None else gathered.checkpoint
    signer = None if checkpoint is None else checkpoint.signed_by
    return Exported(
        path=str(file),
        format=format,
        sha256=digest,
        bytes=size,
        log=chosen.log,
        first_seq=chosen.first,
        last_seq=chosen.last,
        lines=chosen.lines,
        records=chosen.records,
        recorded=act.seq,
        not_recorded=trouble,
        size=None if checkpoint is None else checkpoint.size,
        signed_by=None if signer is None else str(signer),
        unsigned=unsigned,
    )


def _spool_records(path: PathText, chosen: Chosen, spool: Path) -> None:
    with open(spool, "wb") as file:
        for line in chosen_texts(path, chosen):
            if not line.startswith(CONTROL_START):
                file.write(line + b"\n")


def _record(writer: SharedWriter, asked: Asked, chosen: Chosen, act: Act) -> Act:
    """Write the log.export, hand out the checkpoint that covers it, and return *act* with its seq."""
    members = {
        "first": chosen.first,
        "last": chosen.last,
        "filter": asked.digest,
        "actor": act.actor,
        "reason": act.reason,
    }
    seq = writer.act(("log.export", members))
    hand_over(writer.checkpoints.take())
    return Act(actor=act.actor, reason=act.reason, time=act.time, seq=seq)


def _why_not_recorded(path: PathText, ring: KeyRing | None) -> str | None:
    """Return why the log cannot say that it was handed over; None where it can."""
    if ring is None:
        return "without the log's key, nothing can be written to it"
    store = find_log(path).store
    if store is None:
        return None
    from or_audit_logging.store.reader import StoreReader  # brings sqlite3

    with StoreReader(store) as reader:
        return "the store is a copy; only the log itself can be written to" if reader.kind == "copy" else None


def _writer(path: PathText, ring: KeyRing, signing_key: KeySources) -> SharedWriter:
    signing, store = SigningKeys.from_sources(signing_key), find_log(path).store
    if store is not None:
        from or_audit_logging.store.writer import StoreWriter  # brings sqlite3

        return StoreWriter(store, ring, signing=signing)
    return LogWriter(layout_of(path), ring, signing=signing)
