"""Formatters for handlers that are not ours: the audit trail in the words of other systems.

    handlers:
      console: {class: logging.StreamHandler, formatter: ecs, filters: [redact]}
    formatters:
      ecs: {class: or_audit_logging.formats.EcsFormatter}

`project` gives the same members as a dict. What each format holds: docs/formats.md.
"""

from or_audit_logging.handlers.projected import DatadogFormatter, EcsFormatter, GoogleFormatter
from or_audit_logging.projections import PROJECTIONS, Settings, encoder, project

__all__ = [
    "PROJECTIONS",
    "DatadogFormatter",
    "EcsFormatter",
    "GoogleFormatter",
    "Settings",
    "encoder",
    "project",
]
