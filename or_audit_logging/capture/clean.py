"""Everything a record is given goes through here first: redacted, counted by type, cut, printable.

    cleaner = Cleaner(redactor, digest_key)
    cleaner.person("ann@example.com")          -> "[EMAIL:b31f1a44:0f...]"      keyed, so attribution survives
    cleaner.label("openai/gpt-4o-mini")        -> "openai/gpt-4o-mini"
    cleaner.counts                             -> {"EMAIL": 1}

Redaction comes before cutting, so that no half of a secret survives. Values that a redactor has found
nothing in are remembered (not the others), since user ids, models and metadata repeat.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from or_audit_logging.capture.read import text as text_of
from or_audit_logging.digest import pseudonym
from or_audit_logging.policy import DigestKey, Redacts

LABEL_LIMIT = 200
"""Characters of an id, a model's name and the like."""

MESSAGE_LIMIT = 500
"""Characters of an error message."""

_LONGEST = 65_536
_REMEMBERED = 4_096
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
        text = text_of(value)
        if text is None or text in self._harmless:
            return text
        redacted, kind = self._redact(text)
        out = _printable(redacted)[:LABEL_LIMIT]
        if kind is None and out == text:
            self._remember(text)
        return out

    def person(self, value: object) -> str | None:
        """Return *value*, an id of a person or session, as `label` does; personal data as a pseudonym.

        Without a key there is no pseudonym, and redacted text stands in its place.
        """
        text = text_of(value)
        if text is None or text in self._harmless:
            return text
        before = self.counts.copy()
        redacted, kind = self._redact(text)
        if kind is not None and self._digest_key is not None:
            return pseudonym(kind, text, self._digest_key)
        self.counts = before
        return self.label(redacted if kind else text)

    def message(self, value: str | None) -> str | None:
        """Return an error message, redacted whole and then cut to 500 characters."""
        if value is None:
            return None
        if len(value) > _LONGEST:
            return f"[{len(value)} characters left out]"
        return self._redact(value)[0][:MESSAGE_LIMIT]

    def metadata(self, value: Mapping[str, object]) -> dict[str, object] | None:
        """Return a redacted copy of *value* in plain JSON types; None where it is empty."""
        out: dict[str, object] = {}
        for key, item in value.items():
            pair = (key, type(item), item) if isinstance(item, (str, int, float, type(None))) else None
            if pair is not None and pair in self._harmless:
                out[key] = item
                continue
            copy, found = self._redactor.redact_value({key: item})
            if not isinstance(copy, dict):
                raise TypeError("a redactor returned no dict for a dict")
            if pair is not None and not found and copy == {key: item}:
                self._remember(pair)
            self.counts.update(found)
            out.update(copy)
        return out or None

    def _redact(self, text: str) -> tuple[str, str | None]:
        """Return the redacted text and the type of the first finding, or None; the findings are counted."""
        redacted = self._redactor.redact(text)
        kinds = [str(getattr(finding, "type", "PERSONAL")) for finding in redacted.findings]
        self.counts.update(kinds)
        return redacted.text, kinds[0] if kinds else None

    def _remember(self, harmless: object) -> None:
        if len(self._harmless) >= _REMEMBERED:
            self._harmless.clear()
        self._harmless.add(harmless)


def _printable(text: str) -> str:
    """Return *text* without characters that could break a line of somebody's log in two."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
