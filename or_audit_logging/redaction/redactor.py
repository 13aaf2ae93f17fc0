"""`Redactor`: text in, text without personal data and secrets out, with what was found and where.

Names and postal addresses are not covered. A value that cannot be redacted becomes [REDACTION_FAILED]:
nothing is let through because something went wrong.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from or_audit_logging.errors import ConfigError
from or_audit_logging.redaction.patterns import Finding, find_all
from or_audit_logging.redaction.values import DENY_KEYS, walk

RULES_VERSION = 1
"""Changes with the patterns, so that the policy digest in a log tells which rules applied."""

FAILED = "[REDACTION_FAILED]"

_WINDOW, _OVERLAP = 32_768, 16_384


@dataclass(frozen=True, slots=True)
class Redacted:
    """Text after redaction; the findings' offsets are those of the original text, in its order."""

    text: str
    findings: tuple[Finding, ...]


class Redactor:
    """Finds and replaces personal data and secrets; holds no state between calls."""

    def __init__(
        self,
        *,
        allow: Iterable[str] = (),
        deny_keys: Iterable[str] = DENY_KEYS,
        known_secrets: Iterable[str] = (),
    ) -> None:
        """Prepare a redactor; raises `ConfigError`.

        *allow*: exact values that are never redacted. *deny_keys*: dict keys whose values are always
        redacted, compared without case and punctuation. *known_secrets*: exact values to redact wherever
        they stand, at least 8 characters each.
        """
        self._allow = frozenset(_texts(allow, "allow"))
        self._deny_keys = frozenset(_texts(deny_keys, "deny_keys"))
        self._known = tuple(sorted(_texts(known_secrets, "known_secrets"), key=len, reverse=True))
        if any(len(secret) < 8 for secret in self._known):
            raise ConfigError(
                "a known secret has at least 8 characters; a shorter one would hit ordinary words"
            )
        policy = {
            "rules": RULES_VERSION,
            "allow": sorted(self._allow),
            "deny_keys": sorted(self._deny_keys),
            "known_secrets": [
                hashlib.sha256(s.encode("utf-8", "surrogatepass")).hexdigest() for s in self._known
            ],
        }
        self.digest = hashlib.sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest()
        """SHA-256 of the policy: rules and options, known secrets by their hash."""

    def redact(self, text: str) -> Redacted:
        """Return *text* with each finding replaced by its type in brackets, such as [EMAIL]."""
        try:
            findings = _resolve(
                finding
                for finding in self._find(text)
                if text[finding.start : finding.end] not in self._allow
            )
            return Redacted(_replaced(text, findings), findings)
        except Exception:  # noqa: BLE001 - whatever went wrong, the text must not pass unredacted
            return Redacted(FAILED, (Finding("REDACTION_FAILED", "credential", 0, len(text)),))

    def redact_value(self, value: object) -> tuple[object, dict[str, int]]:
        """Return a redacted copy of *value* in plain JSON types, and what was found, by type.

        Dict keys, bytes, dataclasses and objects are covered (an object by its str()); *value* itself is
        left as it is.
        """
        counts: Counter[str] = Counter()

        def text(original: str) -> str:
            redacted = self.redact(original)
            counts.update(finding.type for finding in redacted.findings)
            return redacted.text

        return walk(value, text, self._deny_keys, counts), dict(counts)

    def _find(self, text: str) -> Iterable[Finding]:
        for secret in self._known:
            start = text.find(secret)
            while start >= 0:
                yield Finding("SECRET", "credential", start, start + len(secret))
                start = text.find(secret, start + len(secret))
        if len(text) <= _WINDOW + _OVERLAP:
            yield from find_all(text)
            return
        for base in range(0, len(text), _WINDOW):
            for f in find_all(text[base : base + _WINDOW + _OVERLAP]):
                yield Finding(f.type, f.category, base + f.start, base + f.end, f.vendor)


def _resolve(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings without overlaps: those that overlap become one, named by the first kind."""
    ranked = sorted(enumerate(findings), key=lambda pair: (pair[1].start, pair[0]))
    merged: list[tuple[int, Finding]] = []
    for rank, finding in ranked:
        if merged and finding.start < merged[-1][1].end:
            best_rank, last = merged[-1]
            winner = last if best_rank <= rank else finding
            merged[-1] = (
                min(best_rank, rank),
                Finding(winner.type, winner.category, last.start, max(last.end, finding.end), winner.vendor),
            )
        else:
            merged.append((rank, finding))
    return tuple(finding for _, finding in merged)


def _replaced(text: str, findings: tuple[Finding, ...]) -> str:
    if not findings:
        return text
    pieces, at = [], 0
    for finding in findings:
        pieces += [text[at : finding.start], f"[{finding.type}]"]
        at = finding.end
    return "".join([*pieces, text[at:]])


def _texts(values: Iterable[str], name: str) -> list[str]:
    if isinstance(values, str):
        raise ConfigError(f"{name} is a list of texts, not one text")
    texts = list(values)
    if not all(isinstance(text, str) for text in texts):
        raise ConfigError(f"{name} is a list of texts")
    return texts
