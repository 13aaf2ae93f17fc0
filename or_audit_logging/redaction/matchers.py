"""All matchers: those that are always on, and the packs of national identifiers that a policy may add."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from or_audit_logging.errors import ConfigError
from or_audit_logging.redaction import contact, entropy, financial, network, numbers, secrets, vendors
from or_audit_logging.redaction.finding import Matcher

PACKS = {"gb": "gb", "de": "de", "in": "in_", "mac": "mac"}
"""Packs by name, with the module that each is; `in` is a word of Python's."""

MATCHERS: tuple[Matcher, ...] = (
    *vendors.MATCHERS,
    *secrets.MATCHERS,
    *financial.MATCHERS,
    *contact.MATCHERS,
    *numbers.MATCHERS,
    *network.MATCHERS,
    *entropy.MATCHERS,
)


def matchers_of(packs: Iterable[str]) -> tuple[Matcher, ...]:
    """Return the matchers that are always on and those of *packs*; raises `ConfigError`."""
    out = list(MATCHERS)
    for pack in sorted(set(packs)):
        if pack not in PACKS:
            raise ConfigError(f"there is no pack {pack!r}; there are {', '.join(PACKS)}")
        out += importlib.import_module(f"or_audit_logging.redaction.packs.{PACKS[pack]}").MATCHERS
    return tuple(out)
