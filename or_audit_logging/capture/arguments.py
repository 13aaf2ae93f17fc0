"""What is asked in one call, found among its arguments by name, wherever they stand.

    ask(messages, user_id="u-42")                        positional or keyword, defaults included
    ask(**{"model": "openai/gpt-4o-mini", ...})          in **kwargs
    ask(messages, extra_body={"session_id": "s-1"})      in extra_body, as the openai SDK sends it

Only these names are looked at; `self` and all other arguments are left alone. SDKs' marks for "not given"
count as absent.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from or_audit_logging.capture.read import flag

_PROMPT = ("messages", "input", "prompt")
_USER = ("user_id", "user")
_BY_PLACE_OR_NAME = inspect.Parameter.POSITIONAL_OR_KEYWORD
_PLAIN = frozenset({_BY_PLACE_OR_NAME, inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD})
_NOT_GIVEN = frozenset({"NotGiven", "Omit", "Unset"})

Names: TypeAlias = Mapping[str, object]


@dataclass(slots=True, kw_only=True)
class Request:
    """What a call asks for, as the caller gave it: not redacted, not checked, None where not given."""

    model: object = field(default=None, repr=False)
    prompt: object = field(default=None, repr=False)
    user_id: object = field(default=None, repr=False)
    session_id: object = field(default=None, repr=False)
    request_id: object = field(default=None, repr=False)
    metadata: object = field(default=None, repr=False)
    streamed: bool | None = None


class Binder:
    """Binds a function's arguments to its parameters' names, as a call would."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._signatures = [s for s in (_signature(function, True), _signature(function, False)) if s]
        if len(self._signatures) == 2 and self._signatures[0] == self._signatures[1]:
            del self._signatures[1]
        self.knows_names = bool(self._signatures)
        kinds = {p.name: p.kind for s in self._signatures for p in s.parameters.values()}
        self._keywords = [name for name, kind in kinds.items() if kind is inspect.Parameter.VAR_KEYWORD]
        self._plain = len(self._signatures) == 1 and set(kinds.values()) <= _PLAIN
        self._defaults = {p.name: p.default for s in self._signatures for p in s.parameters.values()}
        self._positional = [name for name, kind in kinds.items() if kind is _BY_PLACE_OR_NAME]

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> inspect.BoundArguments | None:
        """Return the arguments with defaults, or None where the call could only fail.

        A decorator underneath may show its function's parameters and take others: its own count as well.
        """
        if self._plain and (arguments := self._bind_plainly(args, kwargs)) is not None:
            return inspect.BoundArguments(self._signatures[0], arguments)
        for signature in self._signatures:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError:
                continue
            bound.apply_defaults()
            return bound
        return None

    def _bind_plainly(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
        """Return what `Signature.bind` and `apply_defaults` give, in a third of the time; None: ask them."""
        placed = self._positional[: len(args)]
        if len(args) > len(placed):
            return None
        bound = self._defaults | dict(zip(placed, args, strict=True))
        rest: dict[str, Any] = {}
        for name, value in kwargs.items():
            if name in placed or name in self._keywords:
                return None
            (bound if name in self._defaults else rest)[name] = value
        for name in self._keywords:
            bound[name], rest = rest, {}
        missing = any(value is inspect.Parameter.empty for value in bound.values())
        return None if rest or missing else bound

    def scopes(self, bound: inspect.BoundArguments) -> list[Names]:
        """Return where names may stand: the parameters, **kwargs, and the extra_body of either."""
        scopes: list[Names] = [bound.arguments]
        scopes += [rest for name in self._keywords if isinstance(rest := bound.arguments.get(name), dict)]
        bodies = [scope["extra_body"] for scope in scopes if "extra_body" in scope]
        return scopes + [body for body in bodies if isinstance(body, Mapping)]


def request_in(scopes: list[Names]) -> Request:
    """Return what the mappings in *scopes* ask for; the first that has a name settles it."""
    return Request(
        model=_first(("model",), scopes),
        prompt=_first(_PROMPT, scopes),
        user_id=_first(_USER, scopes),
        session_id=_first(("session_id",), scopes),
        request_id=_first(("request_id",), scopes),
        metadata=_first(("metadata",), scopes),
        streamed=flag(_first(("stream",), scopes)),
    )


def _first(names: tuple[str, ...], scopes: list[Names]) -> object:
    for scope in scopes:
        for name in names:
            value = scope.get(name)
            if value is not None and type(value).__name__ not in _NOT_GIVEN:
                return value
    return None


def _signature(function: Callable[..., object], follow_wrapped: bool) -> inspect.Signature | None:
    try:
        return inspect.signature(function, follow_wrapped=follow_wrapped)
    except (ValueError, TypeError):  # a builtin without one
        return None
