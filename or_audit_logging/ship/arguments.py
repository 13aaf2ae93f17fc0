"""Whether what a `Shipper` was given is what it takes."""

from __future__ import annotations

import math
from datetime import date, datetime

from or_audit_logging.errors import ConfigError


def check_arguments(*, since: object, on_break: object, patience: object, most_refused: object) -> None:
    """Raises `ConfigError`, which names what is of another type or out of range."""
    if since is not None and (not isinstance(since, date) or isinstance(since, datetime)):
        raise ConfigError("since is a datetime.date, the UTC day to begin with")
    if on_break not in ("stop", "flag"):
        raise ConfigError("on_break is stop or flag")
    if patience is not None and not _is_number(patience):
        raise ConfigError("patience is a number of seconds, 0 or more; None is for ever")
    if type(most_refused) is not int or most_refused < 1:
        raise ConfigError("most_refused is a whole number, 1 or more")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
