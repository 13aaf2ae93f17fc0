"""A `Redactor` from a configuration: what its options name is read here, since a rule reads nothing.

redactor_from({"actions": {"EMAIL": "pseudonym"}, "known_secrets": ["env:OPENROUTER_API_KEY"]})
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from typing import Any

from or_audit_logging.errors import ConfigError
from or_audit_logging.keys import KeyRing
from or_audit_logging.redaction import Redactor

_ENVIRONMENT = "env:"


def redactor_from(options: Mapping[str, Any]) -> Redactor:
    """Return the redactor that *options* describe; raises `ConfigError`.

    They are those of `Redactor`, with two differences. `known_secrets` may name `env:NAME`; a variable that
    is not set is no secret. `key` names the audit key as handlers do, and is asked for only where an action
    is "pseudonym"; by default the environment names it.
    """
    known = [name for name in inspect.signature(Redactor).parameters if name != "self"]
    if unknown := set(options) - set(known):
        raise ConfigError(
            f"redaction has no option {', '.join(sorted(unknown))}; it takes {', '.join(known)}"
        )
    given: dict[str, Any] = {name: _converted(value) for name, value in options.items()}
    key = given.pop("key", None)
    actions = given.get("actions")
    if isinstance(actions, Mapping) and "pseudonym" in actions.values():
        given["key"] = KeyRing.from_sources(key).digest_key
    if isinstance(secrets := given.get("known_secrets"), list):
        given["known_secrets"] = [value for secret in secrets for value in _secret(secret)]
    return Redactor(**given)


def _secret(secret: object) -> list[object]:
    if not isinstance(secret, str) or not secret.startswith(_ENVIRONMENT):
        return [secret]
    name = secret.removeprefix(_ENVIRONMENT)
    value = os.environ.get(name, "")
    if 0 < len(value) < 8:
        raise ConfigError(f"known_secrets: the environment variable {name} holds less than 8 characters")
    return [value] if value else []


def _converted(value: Any) -> Any:
    """Return a list or mapping read by index: dictConfig converts `ext://` and `cfg://` entries on access."""
    if isinstance(value, Mapping):
        return {key: _converted(value[key]) for key in value}
    if isinstance(value, (list, tuple)):
        return [_converted(value[index]) for index in range(len(value))]
    return value
