"""Credentials for targets: from the environment, or from a file that the environment names; never logged.

optional_credential("OR_AUDIT_WEBHOOK_TOKEN")   # its value, else what OR_AUDIT_WEBHOOK_TOKEN_FILE holds
"""

from __future__ import annotations

import os
import re

from or_audit_logging.errors import ConfigError
from or_audit_logging.keys import read_source

_CREDENTIAL = re.compile(rb"[\x21-\x7e]{1,4096}")


def optional_credential(variable: str) -> str | None:
    """Return the credential in *variable*, else in the file that *variable*_FILE names; None without both.

    Raises `ConfigError` where it is no line of printable ASCII, or others can write the file.
    """
    if os.environ.get(variable):
        source = f"env:{variable}"
    elif path := os.environ.get(f"{variable}_FILE"):
        source = f"file:{path}"
    else:
        return None
    content, where = read_source(source, what="credential")
    value = content.strip()
    if not _CREDENTIAL.fullmatch(value):
        raise ConfigError(f"{where} holds no credential: one line of printable characters is expected")
    return value.decode("ascii")


def credential(variable: str, *, what: str) -> str:
    """Return the credential in *variable*, as `optional_credential`; raises `ConfigError` without one."""
    value = optional_credential(variable)
    if value is None:
        raise ConfigError(f"{what} needs a credential: set {variable}, or {variable}_FILE to a file's path")
    return value
