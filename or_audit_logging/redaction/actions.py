"""What stands in the place of a finding: chosen by its type, else by its category, else [TYPE].

    actions = Actions({"CARD": "mask", "EMAIL": "pseudonym", "network": "keep"}, key=digest_key)
    actions.instead_of(Finding("CARD", "financial", 0, 16), "4111111111111111")     -> "[CARD:*1111]"

| action | leaves |
|---|---|
| replace | `[EMAIL]` |
| mask | `[CARD:*1111]`, an IBAN likewise; a credential's vendor, `[API_KEY:openrouter]`; else `[TYPE]` |
| pseudonym | `[EMAIL:<key id>:<16 hex>]`, the same for every spelling of the same value |
| drop | nothing |
| keep | the text as it is; it does not count as found |
| a callable | what it returns for (finding, text) |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from or_audit_logging.digest import pseudonym
from or_audit_logging.errors import ConfigError
from or_audit_logging.policy import DigestKey
from or_audit_logging.redaction.finding import Finding
from or_audit_logging.redaction.plain import plain_text

Action: TypeAlias = str | Callable[[Finding, str], str]

CATEGORIES = ("contact", "government", "financial", "credential", "network")
FAILED = "[REDACTION_FAILED]"

_WORDS = ("replace", "mask", "pseudonym", "drop", "keep")


class Actions:
    """The actions of one policy."""

    __slots__ = ("_by_name", "_kept", "_key", "policy")

    def __init__(self, actions: Mapping[str, Action], *, key: DigestKey | None = None) -> None:
        """Take actions by type (`EMAIL`) or category (`contact`); raises `ConfigError`.

        *key*: the digest key, which pseudonyms need.
        """
        given: object = actions
        if not isinstance(given, Mapping):
            raise ConfigError(f"actions is a mapping such as {{'CARD': 'mask'}}, not {given!r}")
        self._by_name = dict(actions)
        self._key = key
        for name, action in self._by_name.items():
            self._check(name, action)
        self._kept = {name for name, action in self._by_name.items() if action == "keep"}
        self.policy: dict[str, str] = {name: _named(action) for name, action in self._by_name.items()}
        """The actions by name, for the policy's digest; a callable by its own name."""
        if key is not None and "pseudonym" in self._by_name.values():
            self.policy["key"] = key.key_id

    def keeps(self, finding: Finding) -> bool:
        """Return whether what was found is to stay."""
        return bool(self._kept) and self._action(finding) == "keep"

    def instead_of(self, finding: Finding, text: str) -> str:
        """Return what takes the place of *text*; [REDACTION_FAILED] where a callable fails."""
        action = self._action(finding)
        if action == "replace":
            return f"[{finding.type}]"
        if action == "drop":
            return ""
        if action == "mask":
            return _masked(finding, _meant(text))
        if action == "pseudonym" and self._key is not None:
            return pseudonym(finding.type, _meant(text), self._key)
        if not callable(action):
            return FAILED
        try:
            new: object = action(finding, text)
        except Exception:  # noqa: BLE001 - a callable of the user's; the text must not pass
            return FAILED
        return new if isinstance(new, str) else FAILED

    def _action(self, finding: Finding) -> Action:
        by_name = self._by_name
        return by_name.get(finding.type) or by_name.get(finding.category) or "replace"

    def _check(self, name: Any, action: object) -> None:
        if not isinstance(name, str) or not (name in CATEGORIES or name.isupper()):
            raise ConfigError(
                f"actions: {name!r} is neither a type in capitals, such as EMAIL, nor one of "
                + ", ".join(CATEGORIES)
            )
        if action not in _WORDS and not callable(action):
            raise ConfigError(f"actions: {name} is one of {', '.join(_WORDS)}, or a callable; not {action!r}")
        if action == "pseudonym" and self._key is None:
            raise ConfigError(f"actions: the pseudonym of {name} needs a key")


def _meant(text: str) -> str:
    plain = plain_text(text)
    return text if plain is None else plain.text


def _masked(finding: Finding, text: str) -> str:
    if finding.category == "credential":
        return f"[{finding.type}:{finding.vendor}]" if finding.vendor else f"[{finding.type}]"
    if finding.type in ("CARD", "IBAN"):
        return f"[{finding.type}:*{''.join(c for c in text if c.isascii() and c.isalnum())[-4:].upper()}]"
    return f"[{finding.type}]"


def _named(action: Action) -> str:
    if isinstance(action, str):
        return action
    return f"{getattr(action, '__module__', '')}:{getattr(action, '__qualname__', type(action).__qualname__)}"
