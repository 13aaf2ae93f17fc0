"""`Redactor`: text in, text without personal data and secrets out, with what was found and where.

    Redactor(packs=["gb"], actions={"CARD": "mask"}, allow=["@example.com"]).redact(text)

Names and postal addresses are not covered. A value that cannot be redacted becomes [REDACTION_FAILED]:
nothing is let through because something went wrong, or would take too long.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from or_audit_logging.errors import ConfigError
from or_audit_logging.policy import DigestKey
from or_audit_logging.redaction.actions import FAILED, Action, Actions
from or_audit_logging.redaction.allow import Allowed
from or_audit_logging.redaction.finding import Finding
from or_audit_logging.redaction.gate import gate_for
from or_audit_logging.redaction.known import KnownSecrets
from or_audit_logging.redaction.matchers import matchers_of
from or_audit_logging.redaction.plain import Remapped, plain_text
from or_audit_logging.redaction.recognizers import Recognizer, recognizer
from or_audit_logging.redaction.spans import WHOLE, beside_placeholders, in_windows, united
from or_audit_logging.redaction.values import DENY_KEYS, Keys, walk

__all__ = ["FAILED", "LONGEST", "RULES_VERSION", "Redacted", "Redactor"]

RULES_VERSION = 2
"""Changes with the rules, so that the policy digest in a log tells which applied."""

LONGEST = 2_000_000
"""Characters that one value may have, all its texts together; those of a longer one are not let through."""

_ROUNDS, _ROUNDS_OF_LONG, _ROUNDS_OF_ROWS, _LONG = 8, 3, 4, 4_096
_ROW = re.compile(r"[\d ./()+\t\u00a0\u2010-\u2015-]{0,4096}")
"""Numbers, and what may stand between them."""
_WORD = 16
"""A word shorter than this, letters alone, is nothing that a matcher of ours finds."""
_NO_ACTIONS: Mapping[str, Action] = MappingProxyType({})


class Redacted(NamedTuple):
    """Text after redaction; the findings' offsets are those of the original text, in its order."""

    text: str
    findings: tuple[Finding, ...]


class Redactor:
    """Finds and replaces personal data and secrets."""

    def __init__(
        self,
        *,
        packs: Iterable[str] = (),
        actions: Mapping[str, Action] = _NO_ACTIONS,
        allow: Iterable[str] = (),
        deny_keys: Iterable[str] = DENY_KEYS,
        safe_keys: Iterable[str] = (),
        recognizers: Iterable[Recognizer] = (),
        known_secrets: Iterable[str] = (),
        key: DigestKey | None = None,
    ) -> None:
        """Prepare a redactor; raises `ConfigError`.

        *packs*: national identifiers to look for as well. *actions*: what is done with a type or category,
        see `actions`; pseudonyms are made under *key*. *allow*: what is never redacted, see `allow`.
        *deny_keys*: dict keys whose values always are, compared without case and punctuation. *safe_keys*:
        dict keys whose values never are; our own ids, hashes, times and numbers need not be named.
        *recognizers*: callables from text to Findings, or mappings, see `recognizers`. *known_secrets*: exact
        values to redact wherever they stand, at least 8 characters each.
        """
        matchers = matchers_of(_texts(packs, "packs"))
        self._gate = gate_for(matchers)
        self._actions = Actions(actions, key=key)
        allowed = _texts(allow, "allow")
        self._allowed = Allowed(allowed)
        denied, safe = _texts(deny_keys, "deny_keys"), _texts(safe_keys, "safe_keys")
        self._keys = Keys(denied, safe)
        own = [recognizer(given) for given in _items(recognizers, "recognizers")]
        self._own = tuple(find for find, _ in own)
        self._known = KnownSecrets(_texts(known_secrets, "known_secrets"))
        self._has_own = bool(self._own or self._known.hashes)
        policy = {
            "rules": RULES_VERSION,
            "matchers": [matcher.name for matcher in matchers],
            "actions": self._actions.policy,
            "allow": sorted(set(allowed)),
            "deny_keys": sorted(set(denied)),
            "safe_keys": sorted(set(safe)),
            "recognizers": [told for _, told in own],
            "known_secrets": self._known.hashes,
        }
        self.digest = hashlib.sha256(json.dumps(policy, sort_keys=True).encode()).hexdigest()
        """SHA-256 of the policy: rules and options, known secrets by their hash."""

    def redact(self, text: str) -> Redacted:
        """Return *text* with each finding replaced, by default by its type in brackets, such as [EMAIL].

        Never raises: what fails, or is longer than `LONGEST`, becomes [REDACTION_FAILED] as a whole.
        """
        try:
            if len(text) > LONGEST:
                return _failed(text)
            if len(text) < _WORD and text.isalpha() and not self._has_own:
                return Redacted(text, ())
            findings = self._find(text)
            if not findings:
                return Redacted(text, ())
            return self._replaced(text, united(findings))
        except Exception:  # noqa: BLE001 - whatever went wrong, the text must not pass unredacted
            return _failed(text)

    def redact_value(self, value: object) -> tuple[object, dict[str, int]]:
        """Return a redacted copy of *value* in plain JSON types, and what was found, by type.

        Dict keys, bytes, dataclasses and objects are covered (an object by its str()); *value* itself is
        left as it is. Never raises.
        """
        counts: Counter[str] = Counter()
        room = LONGEST

        def text(original: str) -> str:
            nonlocal room
            room -= len(original)
            redacted = self.redact(original) if room >= 0 else _failed(original)
            if redacted.findings:
                counts.update([finding.type for finding in redacted.findings])
            return redacted.text

        return walk(value, text, self._keys, counts), dict(counts)

    def _replaced(self, text: str, findings: tuple[Finding, ...]) -> Redacted:
        """Return *text* with *findings* replaced, and what is found only then, until there is no more.

        A number that another one hid by standing next to it must not be found when the text comes by again.
        Where each one found uncovers the next, the rest of the row goes as a whole, in long texts sooner.
        """
        rounds = _ROUNDS if len(text) <= _LONG else _ROUNDS_OF_LONG
        for done in range(rounds + _ROUNDS_OF_ROWS):
            out, failures = self._acted(text, findings)
            more = [_moved(finding, out) for finding in self._find(out.text)]
            if done >= rounds:
                more = [_with_its_row(finding, text) for finding in more]
            wider = united([*findings, *more]) if more else findings
            if wider == findings:
                break
            findings = wider
        else:
            out, failures = self._acted(text, findings)
        return Redacted(out.text, findings + failures)

    def _acted(self, text: str, findings: Sequence[Finding]) -> tuple[Remapped, tuple[Finding, ...]]:
        """Return *text* with *findings* replaced, and a finding more for each action that failed."""
        places, failures = [], []
        for finding in findings:
            new = self._actions.instead_of(finding, text[finding.start : finding.end])
            places.append((finding.start, finding.end, new))
            if new == FAILED:
                failures.append(finding._replace(type="REDACTION_FAILED", vendor=None))
        return Remapped(text, places), tuple(failures)

    def _find(self, text: str) -> Sequence[Finding]:
        """Return what is found in *text* as it stands and as it is meant, but for what the policy spares."""
        found = self._scan(text)
        plain = plain_text(text)
        if plain is not None:
            found = [_widened(finding, plain) for finding in found]
            found += [_moved(finding, plain) for finding in self._scan(plain.text)]
        return beside_placeholders(text, found) if found else found

    def _scan(self, text: str) -> list[Finding]:
        if len(text) <= WHOLE and not self._has_own:
            found = [finding for matcher in self._gate.select(text) for finding in matcher.find(text)]
        else:
            found = [*self._known.find(text), *in_windows(text, self._find_in_window)]
        return self._not_spared(text, found) if found else found

    def _find_in_window(self, text: str) -> Iterator[Finding]:
        for matcher in self._gate.select(text):
            yield from matcher.find(text)
        for find in self._own:
            yield from find(text)

    def _not_spared(self, text: str, findings: Iterable[Finding]) -> list[Finding]:
        keeps, allowed = self._actions.keeps, self._allowed
        return [f for f in findings if not (keeps(f) or allowed(f, text[f.start : f.end]))]


def _widened(finding: Finding, text: Remapped) -> Finding:
    """Return *finding* with the escapes whole that it begins or ends within, so that none is cut in two."""
    start, end = text.widened(finding.start, finding.end)
    return finding._replace(start=start, end=end)


def _moved(finding: Finding, text: Remapped) -> Finding:
    start, end = text.original(finding.start, finding.end)
    return finding._replace(start=start, end=end)


def _with_its_row(finding: Finding, text: str) -> Finding:
    row = _ROW.match(text, finding.end)
    return finding._replace(end=finding.end + len(row[0].rstrip())) if row else finding


def _failed(text: str) -> Redacted:
    return Redacted(FAILED, (Finding("REDACTION_FAILED", "credential", 0, len(text)),))


def _items(values: Iterable[Recognizer], name: str) -> list[Recognizer]:
    if isinstance(values, (str, Mapping, Callable)) or not isinstance(values, Iterable):  # type: ignore[arg-type]
        raise ConfigError(f"{name} is a list")
    return list(values)


def _texts(values: Iterable[str], name: str) -> list[str]:
    if isinstance(values, (str, Mapping)) or not isinstance(values, Iterable):
        raise ConfigError(f"{name} is a list of texts, not {type(values).__name__}")
    texts = list(values)
    if not all(isinstance(text, str) for text in texts):
        raise ConfigError(f"{name} is a list of texts")
    return texts
