"""Recognizers of the user's own: a callable, or a pattern from a configuration.

    recognizer({"name": "staff number", "type": "STAFF", "pattern": r"EMP-[0-9]{6}", "context": ["staff"]})

Either way they become a function from text to findings. A callable gets the text of a window, as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from or_audit_logging.errors import ConfigError
from or_audit_logging.redaction.actions import CATEGORIES
from or_audit_logging.redaction.cost import compiled
from or_audit_logging.redaction.financial import iban_checks, luhn
from or_audit_logging.redaction.finding import Finding

Find: TypeAlias = Callable[[str], Iterable[Finding]]
Recognizer: TypeAlias = Find | Mapping[str, Any]

CONTEXT_REACH = 40
"""Characters before and after a match in which one of its context words has to stand."""

CHECKS: Mapping[str, Callable[[str], bool]] = {
    "luhn": lambda text: luhn("".join(c for c in text if c.isdigit())),
    "iban": lambda text: iban_checks("".join(text.split()).upper()),
}
"""Validators that a configuration can name."""

_TYPE = re.compile(r"[A-Z][A-Z_]{1,39}")
_MEMBERS = ("name", "pattern", "type", "category", "context", "validator")


def recognizer(given: object) -> tuple[Find, str]:
    """Return what finds for *given*, and its text in the policy's digest; raises `ConfigError`."""
    if isinstance(given, Mapping):
        find = _of_pattern(given)
        return find, repr(sorted((str(key), _told(value)) for key, value in given.items()))
    if not callable(given):
        raise ConfigError(f"a recognizer is a callable or a mapping with pattern and type, not {given!r}")
    return _checked(given), _told(given)


def _checked(find: Callable[[str], Any]) -> Find:
    def found(text: str) -> Iterator[Finding]:
        for finding in find(text):
            if not isinstance(finding, Finding) or not 0 <= finding.start < finding.end <= len(text):
                raise ValueError("a recognizer yields Findings within the text")
            if not _TYPE.fullmatch(finding.type):
                raise ValueError("a finding's type is in capital letters and underscores")
            yield finding

    return found


def _of_pattern(given: Mapping[str, Any]) -> Find:
    name = given.get("name") or given.get("type") or "recognizer"
    if unknown := set(given) - set(_MEMBERS):
        raise ConfigError(
            f"recognizer {name}: has no member {', '.join(sorted(map(str, unknown)))}; "
            f"it takes {', '.join(_MEMBERS)}"
        )
    kind, category = given.get("type"), given.get("category", "contact")
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        raise ConfigError(f"recognizer {name}: its type is 2 to 40 capital letters and underscores")
    if category not in CATEGORIES:
        raise ConfigError(f"recognizer {name}: its category is one of {', '.join(CATEGORIES)}")
    pattern = compiled(given.get("pattern"), name=f"recognizer {name}")
    group = "value" if "value" in pattern.groupindex else 0
    near = _context(given.get("context", ()), name)
    check = _validator(given.get("validator"), name)

    def found(text: str) -> Iterator[Finding]:
        for match in pattern.finditer(text):
            start, end = match.span(group)
            if (
                end > start
                and near(text[max(match.start() - CONTEXT_REACH, 0) : match.end() + CONTEXT_REACH])
                and check(text[start:end])
            ):
                yield Finding(kind, category, start, end)

    return found


def _context(words: object, name: object) -> Callable[[str], bool]:
    given = [words] if isinstance(words, str) else words
    if not isinstance(given, (list, tuple)) or not all(isinstance(word, str) and word for word in given):
        raise ConfigError(f"recognizer {name}: context is a list of words")
    lowered = [word.lower() for word in given]
    return lambda around: not lowered or any(word in around.lower() for word in lowered)


def _validator(given: object, name: object) -> Callable[[str], bool]:
    if given is None:
        return lambda _: True
    if isinstance(given, str) and given in CHECKS:
        return CHECKS[given]
    if callable(given):
        return lambda value: bool(given(value))
    raise ConfigError(f"recognizer {name}: its validator is one of {', '.join(CHECKS)}, or a callable")


def _told(value: object) -> str:
    if callable(value):
        return (
            f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', type(value).__qualname__)}"
        )
    if isinstance(value, (list, tuple)):
        return repr([_told(item) for item in value])
    return repr(value)
