"""Everything a record is given goes through here first: redacted, counted by type, cut, printable.

    cleaner = Cleaner(redactor, digest_key)
    cleaner.person("ann@example.com")          -> "[EMAIL:b31f1a44:0f...]"      keyed, so attribution survives
    cleaner.label("openai/gpt-4o-mini")        -> "openai/gpt-4o-mini"
    cleaner.counts                             -> {"EMAIL": 1}

Redaction comes before cutting, so that no half of a secret survives. Values that a redactor has found
nothing in are remembered (not the others), since user ids, models and metadata repeat; generation ids and
UUIDs are random, and pass.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from or_audit_logging.capture.read import text as text_of
from or_audit_logging.capture.trouble import guarded
from or_audit_logging.digest import pseudonym
from or_audit_logging.policy import DigestKey, Redacts

LABEL_LIMIT = 200
"""Characters of an id, a model's name and the like."""

MESSAGE_LIMIT = 500
"""Characters of an error message."""

_LONGEST = 65_536
_REMEMBERED = 4_096
_RANDOM_ID = re.compile(
    r"gen-[0-9]{9,12}-[A-Za-z0-9]{12,40}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)
_SCALARS = frozenset({str, int, float, bool, type(None)})
_remembered: dict[str, set[object]] = {}


class Cleaner:
    """Makes the values of one record fit to be kept, under one redaction policy."""

    __slots__ = ("_digest_key", "_harmless", "_redactor", "counts")

    def __init__(self, redactor: Redacts, digest_key: DigestKey | None) -> None:
        self._redactor = redactor
        self._digest_key = digest_key
        self._harmless = _remembered.setdefault(redactor.digest, set())
        self.counts: Counter[str] = Counter()

    def label(self, value: object) -> str | None:
        """Return *value* where it is text, of at most 200 printable characters; otherwise None."""
        if value is None:
            return None
        text = text_of(value)
        if text is None or text in self._harmless or _RANDOM_ID.fullmatch(text):
            return text
        redacted, kind = self._redact(text)
        return self._cut(text, redacted, harmless=kind is None)

    def person(self, value: object) -> str | None:
        """Return *value*, an id of a person or session, as `label` does; personal data, or what is
        longer than 200 characters, as a pseudonym.

        Without a key there is no pseudonym, and the redacted text stands in its place.
        """
        text = text_of(value)
        if text is None or text in self._harmless or _RANDOM_ID.fullmatch(text):
            return text
        redacted, kind = self._redact(text)
        if redacted is not None and kind is None and len(text) > LABEL_LIMIT:
            kind = "ID"  # two long ids must not become one by being cut
        if redacted is not None and kind is not None and self._digest_key is not None:
            return pseudonym(kind, text, self._digest_key)
        return self._cut(text, redacted, harmless=kind is None)

    def message(self, value: str | None) -> str | None:
        """Return an error message, redacted whole and then cut to 500 characters."""
        if value is None:
            return None
        if len(value) > _LONGEST:
            return f"[{len(value)} characters left out]"
        redacted = self._redact(value)[0]
        return None if redacted is None else redacted[:MESSAGE_LIMIT]

    def metadata(self, value: Mapping[str, object]) -> dict[str, object] | None:
        """Return a redacted copy of *value* in plain JSON types; None where it is empty."""
        out: dict[str, object] = {}
        for key, item in value.items():
            pair = (key, type(item), item) if type(item) in _SCALARS else None
            if pair is not None and pair in self._harmless:
                out[key] = item
            else:
                out.update(self._pair(key, item, pair))
        return out or None

    def content(self, value: object) -> object:
        """Return a redacted copy of *value*, which consists of plain JSON types; None where that fails."""
        copy, found = guarded("redaction", self._redactor.redact_value, value) or (None, {})
        self.counts.update(found)
        return copy

    def _pair(self, key: str, item: object, pair: object) -> dict[str, object]:
        result = guarded("redaction", self._redactor.redact_value, {key: item})
        copy, found = result or ({}, {})
        if not isinstance(copy, dict):
            return {}
        short = not isinstance(item, str) or len(item) <= LABEL_LIMIT
        if pair is not None and short and not found and copy == {key: item}:
            self._remember(pair)
        self.counts.update(found)
        return copy

    def _redact(self, text: str) -> tuple[str | None, str | None]:
        """Return the redacted text and the type of the first finding, or None; the findings are counted.

        The text is None where it is too long to be searched, or where the redactor fails: nothing is let
        through because something went wrong.
        """
        redacted = guarded("redaction", self._redactor.redact, text) if len(text) <= _LONGEST else None
        if redacted is None:
            return None, None
        kinds = [str(getattr(finding, "type", "PERSONAL")) for finding in redacted.findings]
        self.counts.update(kinds)
        return redacted.text, kinds[0] if kinds else None

    def _cut(self, text: str, redacted: str | None, *, harmless: bool) -> str | None:
        if redacted is None:
            return None
        out = _printable(redacted)[:LABEL_LIMIT]
        if harmless and out == text:
            self._remember(text)
        return out

    def _remember(self, harmless: object) -> None:
        if len(self._harmless) >= _REMEMBERED:
            self._harmless.clear()
        self._harmless.add(harmless)


def _printable(text: str) -> str:
    """Return *text* without characters that could break a line of somebody's log in two."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
