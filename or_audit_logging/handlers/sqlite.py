"""`SQLiteAuditHandler`: the audit trail in a SQLite store, sealed line by line, for questions in SQL.

    SQLiteAuditHandler("audit.db", key="file:/run/secrets/audit.key")
    sqlite3 audit.db "SELECT model_used, sum(total_cost) FROM audit_log GROUP BY 1"

The store holds a log of its own. Many threads and processes may write it.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from or_audit_logging.errors import ConfigError
from or_audit_logging.handlers.base import AuditHandler
from or_audit_logging.handlers.options import check_known, choice, flag, line_length, number, whole_number
from or_audit_logging.keys import KeyRing, KeySources
from or_audit_logging.log.anchor_file import AnchorFile
from or_audit_logging.policy import OnFailure
from or_audit_logging.signing_keys import SigningKeys
from or_audit_logging.store.writer import StoreWriter


class SQLiteAuditHandler(AuditHandler, logging.Handler):
    """Writes records into a sealed log in a SQLite database."""

    def __init__(
        self,
        database: str | os.PathLike[str],
        *,
        key: KeySources = None,
        key_readable: bool = False,
        signing_key: KeySources = None,
        durability: str = "flush",
        on_failure: OnFailure = "report",
        max_line_bytes: int = 8000,
        checkpoint_every: int = 1000,
        checkpoint_seconds: float = 60,
        lock_timeout: float = 5,
        anchor_file: str | os.PathLike[str] | None = None,
        **unknown: Any,
    ) -> None:
        """Open the store *database*, or make it (0600); raises `ConfigError` on any mistake.

        *durability*: "flush" survives the end of the process however it comes (`synchronous=NORMAL`);
        "fsync" has each record on disk before the call returns (`FULL`). The other parameters are those of
        `AuditFileHandler`. Numbers may be given as text.
        """
        check_known(SQLiteAuditHandler, unknown)
        choice("durability", durability, ("flush", "fsync"))
        choice("on_failure", on_failure, ("report", "raise"))
        max_line_bytes = line_length(max_line_bytes)
        checkpoint_every = whole_number("checkpoint_every", checkpoint_every)
        checkpoint_seconds = number("checkpoint_seconds", checkpoint_seconds)
        path = _path(database)
        key_readable = flag("key_readable", key_readable)
        ring = KeyRing.from_sources(key, key_readable=key_readable)
        anchors = AnchorFile(anchor_file, log_folder=path.parent) if anchor_file is not None else None
        writer = StoreWriter(
            path,
            ring,
            config_digest=self._config_digest,
            sync_every_line=durability == "fsync",
            checkpoint_every=checkpoint_every,
            checkpoint_seconds=checkpoint_seconds,
            lock_timeout=number("lock_timeout", lock_timeout),
            signing=SigningKeys.from_sources(signing_key, key_readable=key_readable),
        )
        logging.Handler.__init__(self)
        self._set_up(
            writer,
            ring,
            log=os.fspath(path),
            on_failure=on_failure,
            max_line_bytes=max_line_bytes,
            anchor_file=anchors,
            settings={
                "durability": durability,
                "checkpoint_every": checkpoint_every,
                "checkpoint_seconds": checkpoint_seconds,
                "signing": signing_key is not None,
                "anchor_file": str(anchors.path) if anchors is not None else None,
            },
        )


def _path(database: object) -> Path:
    try:
        text = os.fspath(database)  # type: ignore[call-overload]
        if not text or text.startswith((":", "file:")):
            raise TypeError
        return Path(os.path.abspath(os.path.expanduser(text)))
    except TypeError:
        raise ConfigError(f"database is the path of a file, such as audit.db, not {database!r}") from None
