"""All matchers: those that are always on, and the packs of national identifiers that a policy may add."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable

from or_audit_logging.errors import ConfigError
from or_audit_logging.redaction.finding import Finding, Look, Matcher
from or_audit_logging.redaction.patterns import FINDERS, iban_checks, luhn

__all__ = ["MATCHERS", "PACKS", "iban_checks", "luhn", "matchers_of"]

PACKS = {"gb": "gb", "de": "de", "in": "in_"}
"""Packs by name, with the module that each is; `in` is a word of Python's."""


def _any_text(look: Look) -> bool:
    return bool(look.text)


def _wrapped(number: int, find: Callable[[str], Iterable[Finding]]) -> Matcher:
    return Matcher(f"finder {number}", find, may_match=_any_text, needle="(?s:.)")


MATCHERS: tuple[Matcher, ...] = tuple(_wrapped(number, find) for number, find in enumerate(FINDERS))


def matchers_of(packs: Iterable[str]) -> tuple[Matcher, ...]:
    """Return the matchers that are always on and those of *packs*; raises `ConfigError`."""
    out = list(MATCHERS)
    for pack in sorted(set(packs)):
        if pack not in PACKS:
            raise ConfigError(f"there is no pack {pack!r}; there are {', '.join(PACKS)}")
        out += importlib.import_module(f"or_audit_logging.redaction.packs.{PACKS[pack]}").MATCHERS
    return tuple(out)
