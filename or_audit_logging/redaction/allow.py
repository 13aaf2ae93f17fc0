"""What is found and yet no secret: the support address, the company's domain, the office network.

allowed = Allowed(["support@example.com", "@example.org", "10.0.0.0/8", "re:555-01[0-9]{2}"])
allowed(finding, "ann@example.org")     -> True
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from or_audit_logging.redaction.cost import compiled
from or_audit_logging.redaction.finding import Finding

_DOMAIN = re.compile(r"@?(?:[^\W_](?:[\w-]{0,62})\.){1,8}[^\W\d_][\w-]{1,62}")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Allowed:
    """Says of a finding whether its text is on the list."""

    __slots__ = ("_domains", "_empty", "_exact", "_networks", "_patterns")

    def __init__(self, entries: Iterable[str]) -> None:
        """Take *entries*; raises `ConfigError`.

        Each is an exact value (e-mail addresses without regard to case), a domain for the e-mail addresses
        in it (`example.com` or `@example.com`; not those below it), a network for the IP addresses in it, or
        `re:` and a pattern that a whole finding matches.
        """
        exact, self._networks, self._patterns = set(), list[Network](), list[re.Pattern[str]]()
        self._domains = set()
        for entry in entries:
            if entry.startswith("re:"):
                self._patterns.append(compiled(entry[3:], name="allow"))
            elif "/" in entry and (network := _network(entry)) is not None:
                self._networks.append(network)
            else:
                exact.add(entry)
                if _DOMAIN.fullmatch(entry):
                    self._domains.add(entry.removeprefix("@").casefold())
        self._exact = frozenset(exact | {entry.casefold() for entry in exact if "@" in entry})
        self._empty = not (exact or self._networks or self._patterns)

    def __call__(self, finding: Finding, text: str) -> bool:
        """Return whether *text*, which *finding* found, is allowed."""
        if self._empty:
            return False
        if text in self._exact or any(pattern.fullmatch(text) for pattern in self._patterns):
            return True
        if finding.type == "EMAIL":
            plain = text.casefold()
            return plain in self._exact or plain.rpartition("@")[2] in self._domains
        if finding.category == "network" and self._networks:
            found = _network(text.strip("[]"))
            return found is not None and any(_inside(found, network) for network in self._networks)
        return False


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _inside(inner: Network, outer: Network) -> bool:
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
        return inner.subnet_of(outer)
    if isinstance(inner, ipaddress.IPv6Network) and isinstance(outer, ipaddress.IPv6Network):
        return inner.subnet_of(outer)
    return False
