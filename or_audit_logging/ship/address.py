"""`named`: what a target is told in its address, behind the question mark.

named("index=audit&host=web-1", ("host", "index"), target="splunk")   # {"index": "audit", "host": "web-1"}
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import parse_qsl

from or_audit_logging.errors import ConfigError

_LONGEST = 256


def named(query: str, names: Collection[str], *, target: str) -> dict[str, str]:
    """Return the members of *query*; raises `ConfigError` for one that is none of *names*, twice or empty.

    Values are printable, of at most 256 characters. Credentials have no place in an address.
    """
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in names:
            raise ConfigError(f"an address for {target} may name {', '.join(names)}, and nothing else")
        if name in found:
            raise ConfigError(f"the address for {target} names {name} twice")
        if not value.strip() or len(value) > _LONGEST or not value.isprintable():
            raise ConfigError(f"{name} in the address for {target} is a text of 1 to {_LONGEST} characters")
        found[name] = value
    return found
