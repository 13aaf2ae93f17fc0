"""All checks, in the order in which somebody who has a problem would go through them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.doctor.check import Check
from or_audit_logging.evidence.doctor.folder import check_files, check_place
from or_audit_logging.evidence.doctor.kept import check_anchors, check_report
from or_audit_logging.evidence.doctor.keys import check_api_key, check_key
from or_audit_logging.evidence.doctor.log import check_log
from or_audit_logging.evidence.doctor.loggers import check_configuration, check_loggers
from or_audit_logging.evidence.doctor.machine import check_extras
from or_audit_logging.evidence.doctor.online import check_online
from or_audit_logging.keys import KeySource, KeySources
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.openrouter import BASE_URL


def diagnose(
    directory: str | os.PathLike[str] | None = None,
    *,
    key: KeySources = None,
    api_key: KeySource | None = None,
    online: bool = False,
    base_url: str = BASE_URL,
    anchors: Sequence[str | os.PathLike[str]] = (),
    report: str | os.PathLike[str] | None = None,
    config: Mapping[str, object] | None = None,
    loggers: Sequence[str] = (),
    now: datetime | None = None,
) -> list[Check]:
    """Look at everything that can be looked at from here, and return what was found.

    *directory* is the log's folder, without which only keys, extras and logging are looked at. *api_key*:
    env:NAME or file:PATH of OpenRouter's (default: env:OPENROUTER_API_KEY). *online*: ask OpenRouter at
    *base_url* whether it answers and takes the key. *report*: a file that `or-audit verify --json` was kept
    in. *config*: a mapping for `logging.config.dictConfig`. *loggers*: names of audit loggers of this very
    process, such as "openrouter.audit". *now* (aware) stands in for the clock in tests.

    Raises `ConfigError` where a file that was named is not there.
    """
    now = now or datetime.now(UTC)
    checks = [check_api_key(api_key)]
    if online:
        checks += check_online(api_key, base_url=base_url)
    folder = Path(directory).expanduser() if directory is not None else None
    layout = _layout(folder)
    checks.append(check_key(key, layout))
    if folder is not None:
        checks += check_place(folder)
        if layout is not None:
            checks += check_files(layout)
        checks += check_log(layout, now)
        checks += [
            check_anchors(layout, anchors, now),
            check_report(layout, report, now),
        ]
    if config is not None:
        checks += check_configuration(config)
    for name in loggers:
        checks += check_loggers(name)
    checks.append(check_extras())
    return checks


def _layout(folder: Path | None) -> LogLayout | None:
    if folder is None or not folder.is_dir():
        return None
    try:
        return LogLayout.discover(folder)
    except OSError as error:
        raise ConfigError(f"the folder {folder} cannot be read: {error.strerror}") from error
