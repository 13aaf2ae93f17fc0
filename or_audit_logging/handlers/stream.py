"""`AuditStreamHandler`: the same sealed lines on stdout, for containers whose platform keeps what they print.

    AuditStreamHandler()                        # or stream: ext://sys.stdout in YAML

Every process start is a log of its own. What the platform exports verifies like a file, in whatever order.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from or_audit_logging.errors import ConfigError
from or_audit_logging.handlers.base import AuditHandler
from or_audit_logging.handlers.options import (
    MIN_LINE_BYTES,
    check_known,
    choice,
    flag,
    line_length,
    number,
    whole_number,
)
from or_audit_logging.handlers.shared import SharedLog
from or_audit_logging.keys import KeyRing, KeySources
from or_audit_logging.log.anchor_file import AnchorFile
from or_audit_logging.log.stream_writer import StreamWriter
from or_audit_logging.policy import OnFailure
from or_audit_logging.signing_keys import SigningKeys


class AuditStreamHandler(AuditHandler, logging.StreamHandler[Any]):
    """Writes records as sealed lines to a text stream."""

    def __init__(
        self,
        stream: Any = None,
        *,
        key: KeySources = None,
        key_readable: bool = False,
        signing_key: KeySources = None,
        on_failure: OnFailure = "report",
        max_line_bytes: int = MIN_LINE_BYTES,
        checkpoint_every: int = 1000,
        checkpoint_seconds: float = 60,
        anchor_file: str | os.PathLike[str] | None = None,
        **unknown: Any,
    ) -> None:
        """Write to *stream*, by default stdout; raises `ConfigError` on any mistake.

        The other parameters are those of `AuditFileHandler`. Longer lines than 4,096 bytes may be mixed with
        those of other processes on one pipe, and cut by the platform that collects them.
        """
        check_known(AuditStreamHandler, unknown)
        choice("on_failure", on_failure, ("report", "raise"))
        max_line_bytes = line_length(max_line_bytes)
        checkpoint_every = whole_number("checkpoint_every", checkpoint_every)
        checkpoint_seconds = number("checkpoint_seconds", checkpoint_seconds)
        stream = sys.stdout if stream is None else stream
        if not callable(getattr(stream, "write", None)):
            raise ConfigError(f"stream is a text stream, such as ext://sys.stdout, not {stream!r}")
        key_readable = flag("key_readable", key_readable)
        ring = KeyRing.from_sources(key, key_readable=key_readable)
        writer = StreamWriter(
            lambda: self.stream,
            ring,
            config_digest=self._config_digest,
            checkpoint_every=checkpoint_every,
            checkpoint_seconds=checkpoint_seconds,
            signing=SigningKeys.from_sources(signing_key, key_readable=key_readable),
        )
        logging.StreamHandler.__init__(self, stream)
        self._set_up(
            writer,
            ring,
            log=f"the stream {getattr(stream, 'name', type(stream).__name__)}",
            on_failure=on_failure,
            max_line_bytes=max_line_bytes,
            anchor_file=AnchorFile(anchor_file) if anchor_file is not None else None,
            settings={
                "checkpoint_every": checkpoint_every,
                "checkpoint_seconds": checkpoint_seconds,
                "signing": signing_key is not None,
            },
        )
        self._shared = SharedLog()  # another stream may have the same name
