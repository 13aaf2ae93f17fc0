"""Formatters for other people's handlers: any LogRecord as ECS, Google or Datadog want it.

They write what `or-audit ship` would send of the record, without what only a sealed line has (log, seq, kid,
mac). Checkpoints, which pass as LogRecords of `or_audit_logging.checkpoint`, are sealed lines, and come out
with all of that and with the line itself.

Nothing is redacted here: put a `RedactionFilter` on the handler, or the handler inside a `RedactingHandler`.
"""

from __future__ import annotations

import logging

from or_audit_logging.errors import ConfigError, FormatError
from or_audit_logging.handlers.formatters import AuditJsonFormatter
from or_audit_logging.log.handing_over import CHECKPOINT_LOGGER
from or_audit_logging.projections import Settings, encoder
from or_audit_logging.sealing.line import user_members
from or_audit_logging.sealing.text import written


class ProjectionFormatter(logging.Formatter):
    """What the formatters of this module share; `format_name` is the format's name."""

    format_name: str

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: str = "%",
        validate: bool = True,
        *,
        service: str | None = None,
        environment: str | None = None,
        settings: Settings | None = None,
    ) -> None:
        """*service* and *environment* stand in records that do not say theirs.

        The first four are what `dictConfig` passes to a class; a format of one's own is a `ConfigError`.
        """
        if fmt is not None or datefmt is not None:
            raise ConfigError(f"{type(self).__name__} takes no format: its members have fixed names")
        super().__init__()
        named = {"service": service, "environment": environment}
        fields = {name: value for name, value in named.items() if value is not None}
        for name, value in fields.items():
            _check_text(name, value)
        self._own = AuditJsonFormatter(static_fields=fields)
        self._encode = encoder(self.format_name, settings=settings)

    def format(self, record: logging.LogRecord) -> str:
        """Return *record* as one line of JSON in printable ASCII; no value makes it fail."""
        if record.name == CHECKPOINT_LOGGER:
            try:
                return self._encode(record.getMessage().encode("utf-8", "replace")).decode("ascii")
            except FormatError:  # not ours: a message that somebody logged there
                pass
        return self._encode(written(user_members(self._own.members(record)))).decode("ascii")


class EcsFormatter(ProjectionFormatter):
    """Formats records in the Elastic Common Schema."""

    format_name = "ecs"


class GoogleFormatter(ProjectionFormatter):
    """Formats records as structured JSON for Google Cloud's agents, which read it from stdout."""

    format_name = "google"

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: str = "%",
        validate: bool = True,
        *,
        service: str | None = None,
        environment: str | None = None,
        project_id: str | None = None,
    ) -> None:
        """*project_id* is the Google Cloud project whose traces the records' trace ids are of."""
        _check_text("project_id", project_id)
        settings = Settings(project_id=project_id)
        super().__init__(fmt, datefmt, service=service, environment=environment, settings=settings)


class DatadogFormatter(ProjectionFormatter):
    """Formats records with Datadog's reserved attributes."""

    format_name = "datadog"

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: str = "%",
        validate: bool = True,
        *,
        service: str | None = None,
        environment: str | None = None,
        tags: str | None = None,
    ) -> None:
        """*tags* are added to each record: `team:billing,tier:1`."""
        _check_text("tags", tags)
        super().__init__(fmt, datefmt, service=service, environment=environment, settings=Settings(tags=tags))


def _check_text(name: str, value: object) -> None:
    if value is not None and not (isinstance(value, str) and value):
        raise ConfigError(f"{name} is text, not {value!r}")
