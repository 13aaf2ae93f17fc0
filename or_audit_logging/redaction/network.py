"""IP addresses, and MAC addresses by choice.

    from 10.0.0.0/8 and fe80::1%eth0      -> IP_ADDRESS, IP_ADDRESS

Dotted quads (RFC 791) begin in the pass over all numbers, `numbers`; IPv6 addresses (RFC 4291 and 5952, zones
of RFC 4007) are found here. Versions, OIDs, times, slices and C++ names are not addresses. A port stays.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from or_audit_logging.redaction.finding import Finding, Look, Matcher

_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(
    rf"{_BYTE}(?:\.{_BYTE}){{3}}(?![0-9A-Za-z_]|\.[0-9])(?:/(?:3[0-2]|[12]?[0-9])(?![0-9]|\.[0-9]))?"
)
_VERSIONS = ("version", "release", "build", "firmware", " ver", " rev", " v")
_PACKAGE = re.compile(r"[=<>~!^]=|[A-Za-z]-")  # x==1.2.3.4, x-1.2.3.4.tar.gz
_PRODUCT = re.compile(r"[A-Za-z]/")  # Chrome/120.0.0.0

_FULL = re.compile(r":(?:[0-9A-Fa-f]{1,4}:){5}")
_DOUBLE = re.compile("::+")
_LEFT = re.compile(r"[0-9A-Fa-f:]{0,39}")
_RIGHT = re.compile(r"[0-9A-Fa-f:]{0,39}(?:(?<=[0-9])(?:\.[0-9]{1,3}){3})?")
_GLUED = re.compile(r"\w|[:.][0-9A-Fa-f]")
_SUFFIX = re.compile(r"(?:%[0-9A-Za-z]{1,16})?(?:/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9])(?![0-9]))?")

_SUBSCRIPTED = re.compile(r"[\w\])]\[")

_INSIDE = re.compile(r"[\w:]\Z|\w[.-]\Z")
_MAC = re.compile(
    r"[0-9A-Fa-f](?:[0-9A-Fa-f]([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}"
    r"|[0-9A-Fa-f]{3}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4})(?![0-9A-Za-z_:]|[.-][0-9A-Fa-f])"
)


def ipv4_at(text: str, start: int) -> Finding | None:
    """Return the IPv4 address that begins at *start*, with its prefix length if one follows."""
    match = _IPV4.match(text, start)
    if match is None:
        return None
    before = text[max(0, start - 16) : start]
    if before.rstrip(" \"':=.").lower().endswith(_VERSIONS) or _PACKAGE.search(before[-2:]):
        return None
    if match[0].endswith(".0.0") and _PRODUCT.search(before[-2:]):
        return None
    return Finding("IP_ADDRESS", "network", start, match.end())


def find_ipv6(text: str) -> Iterator[Finding]:
    """Yield the IPv6 addresses in *text*, each with its zone and prefix length."""
    done = 0
    for middle in _colons(text):
        if middle < done:
            continue
        span = _ipv6_around(text, middle)
        if span:
            done = span[1]
            yield Finding("IP_ADDRESS", "network", *span)


def _colons(text: str) -> Iterator[int]:
    """Yield where an address may be: at each `::`, and at each colon before five groups and more."""
    full, double = _FULL.search(text), _DOUBLE.search(text)
    while full or double:
        if full and (double is None or full.start() < double.start()):
            yield full.start()
            full = _FULL.search(text, full.end() - 1)
        elif double:
            if len(double[0]) == 2:
                yield double.start()
            double = _DOUBLE.search(text, double.end())


def _ipv6_around(text: str, colon: int) -> tuple[int, int] | None:
    """Return the span of the address that the colon at *colon* belongs to."""
    left = _LEFT.match(text[max(0, colon - 40) : colon][::-1])
    start = colon - (left.end() if left else 0)
    right = _RIGHT.match(text, colon)
    end = right.end() if right else colon
    if text[end - 1] == ":" and text[end - 2] != ":":
        end -= 1  # the colon of a sentence
    if text[start] == ":" and text[start + 1] != ":":
        start += 1
    before = text[start - 1 : start]
    if before.isalnum() or before in ("_", "."):
        return None
    if _GLUED.match(text, end) or not _is_ipv6(text[start:end]):
        return None
    if before == "[" and _SUBSCRIPTED.match(text, start - 2):
        return None  # a slice
    suffix = _SUFFIX.match(text, end)
    return start, suffix.end() if suffix else end


def _is_ipv6(address: str) -> bool:
    """Return whether *address* is one that means something: `::` and `a::b` are more often code."""
    groups = [group for group in address.split(":") if group]
    if address != "::1" and (len(groups) < 3 and max(map(len, groups), default=0) < 3):
        return False
    if not any(c.isdigit() for c in address):
        return False
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return True


def find_mac_addresses(text: str) -> Iterator[Finding]:
    """Yield the EUI-48 addresses in *text*: `00:1A:2B:3C:4D:5E`, with hyphens, and `001a.2b3c.4d5e`."""
    for match in _MAC.finditer(text):
        start = match.start()
        if not _INSIDE.search(text[max(0, start - 2) : start]):
            yield Finding("MAC_ADDRESS", "network", *match.span())


def _may_be_ipv6(look: Look) -> bool:
    return ":" in look.text and ("::" in look.text or _FULL.search(look.text) is not None)


MATCHERS = (Matcher("ipv6", find_ipv6, may_match=_may_be_ipv6, needle="::|:(?:[0-9A-Fa-f]{1,4}:){5}"),)

BY_CHOICE = (
    Matcher(
        "mac",
        find_mac_addresses,
        may_match=lambda look: ":" in look.text or "-" in look.text or "." in look.text,
        needle=r"[0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-]|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.",
    ),
)
"""Off unless asked for: hardware addresses are inventory more often than they are personal."""
