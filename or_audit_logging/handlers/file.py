"""`AuditFileHandler`: the audit trail in files, sealed line by line.

    AuditFileHandler("audit_logs/audit.jsonl", key="file:/run/secrets/audit.key")

The active file is `audit_logs/audit_<UTC date>.jsonl`. Many threads and processes may write one log.
"""

from __future__ import annotations

import os
from logging.handlers import BaseRotatingHandler
from typing import Any

from or_audit_logging.handlers.base import AuditHandler
from or_audit_logging.handlers.options import (
    check_encoding,
    check_known,
    choice,
    flag,
    line_length,
    link_path,
    number,
    whole_number,
)
from or_audit_logging.keys import KeyRing, KeySources
from or_audit_logging.log.anchor_file import AnchorFile
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.policy import OnFailure
from or_audit_logging.signing_keys import SigningKeys


class AuditFileHandler(AuditHandler, BaseRotatingHandler):
    """Writes records into a sealed log on disk, one segment per UTC day."""

    def __init__(
        self,
        filename: str | os.PathLike[str],
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
        link: str | os.PathLike[str] | None = None,
        anchor_file: str | os.PathLike[str] | None = None,
        encoding: str | None = None,
        **unknown: Any,
    ) -> None:
        """Open the log at *filename*; raises `ConfigError` on any mistake, before the first record.

        *filename* gives folder, stem and suffix; the files bear the date. *key*: `env:NAME`, `file:PATH`, a
        callable, or a list of them; default OR_AUDIT_KEY, else the file OR_AUDIT_KEY_FILE names.
        *signing_key*: an Ed25519 key (PKCS#8 PEM) that signs checkpoints, named likewise (extra `sign`).
        *durability*: "flush" survives the end of the process however it comes; "fsync" waits until each
        record is on disk, together with those of other threads. *on_failure*: "report" lets the call go on
        and records the loss; "raise" raises `AuditWriteError`. *max_line_bytes* (4,096 to 1 MiB) bounds a
        line; longer records are cut and say so. A checkpoint is made every *checkpoint_every* lines and when
        the last one is older than *checkpoint_seconds*. *lock_timeout*: seconds to wait for another process.
        *link*: a symbolic link that is kept leading to the active file, for `tail -F`. *anchor_file*: where
        checkpoints are added as well, on another mount than the log's. *encoding*: lines are ASCII, so any
        encoding that contains it names the same bytes. Numbers may be given as text.
        """
        check_known(AuditFileHandler, unknown)
        choice("durability", durability, ("flush", "fsync"))
        choice("on_failure", on_failure, ("report", "raise"))
        max_line_bytes = line_length(max_line_bytes)
        checkpoint_every = whole_number("checkpoint_every", checkpoint_every)
        checkpoint_seconds = number("checkpoint_seconds", checkpoint_seconds)
        check_encoding(encoding)
        layout = LogLayout.from_filename(filename)
        key_readable = flag("key_readable", key_readable)
        ring = KeyRing.from_sources(key, key_readable=key_readable)
        anchors = AnchorFile(anchor_file, log_folder=layout.folder) if anchor_file is not None else None
        writer = LogWriter(
            layout,
            ring,
            config_digest=self._config_digest,
            sync_every_line=durability == "fsync",
            checkpoint_every=checkpoint_every,
            checkpoint_seconds=checkpoint_seconds,
            lock_timeout=number("lock_timeout", lock_timeout),
            link=link_path(link),
            signing=SigningKeys.from_sources(signing_key, key_readable=key_readable),
        )
        BaseRotatingHandler.__init__(self, os.fspath(filename), "a", encoding="ascii", delay=True)
        self._set_up(
            writer,
            ring,
            log=self.baseFilename,
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

    def doRollover(self) -> None:  # noqa: N802 - logging's name
        """Do nothing: segments bear their date and each write finds the right one."""
