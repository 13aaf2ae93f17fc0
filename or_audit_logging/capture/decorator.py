"""`@audited`: one audit record for every call of the function it decorates.

    @audited
    def ask(messages, model="openai/gpt-4o-mini", *, user_id=None):
        return client.chat.completions.create(model=model, messages=messages)

The function returns the SDK's response, its JSON, an HTTP response or a stream, or is a generator; sync or
async. What it returns, yields and raises reaches the caller as it is; of a stream, the record is made when it
ends. Model, messages (or input, prompt), user_id (or user), session_id, request_id and metadata are found
among the arguments by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, ParamSpec, TypeAlias, TypeVar, overload

from or_audit_logging.capture.arguments import Binder, Request, request_in
from or_audit_logging.capture.call import Call, Options
from or_audit_logging.capture.delivery import Source
from or_audit_logging.capture.options import options_for
from or_audit_logging.capture.trouble import guarded
from or_audit_logging.capture.wrappers import wrapped
from or_audit_logging.errors import ConfigError

P = ParamSpec("P")
R = TypeVar("R")
Extract: TypeAlias = Callable[[inspect.BoundArguments], Mapping[str, object]]
UserId: TypeAlias = str | Callable[[inspect.BoundArguments], str | None]


@overload
def audited(
    fn: Callable[P, R],
    *,
    logger: str = ...,
    event_type: str | None = ...,
    user_id: UserId | None = ...,
    metadata: Mapping[str, object] | None = ...,
    hash: Literal["hmac", "sha256"] = ...,
    content: Literal["redacted"] | None = ...,
    write_ahead: bool = ...,
    extract: Extract | None = ...,
) -> Callable[P, R]: ...


@overload
def audited(
    fn: None = None,
    *,
    logger: str = ...,
    event_type: str | None = ...,
    user_id: UserId | None = ...,
    metadata: Mapping[str, object] | None = ...,
    hash: Literal["hmac", "sha256"] = ...,
    content: Literal["redacted"] | None = ...,
    write_ahead: bool = ...,
    extract: Extract | None = ...,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def audited(
    fn: Callable[..., Any] | None = None,
    *,
    logger: str = "openrouter.audit",
    event_type: str | None = None,
    user_id: UserId | None = None,
    metadata: Mapping[str, object] | None = None,
    hash: Literal["hmac", "sha256"] = "hmac",  # noqa: A002 - what it is
    content: Literal["redacted"] | None = None,
    write_ahead: bool = False,
    extract: Extract | None = None,
) -> Any:
    """Return *fn* with an audit record for each call, or a decorator where *fn* is not given yet.

    *event_type* is by default that of the call inside, else "chat_completion". *user_id*: a constant, for
    calls that neither name a user nor stand in a `bind` block; or a function of the bound arguments, which
    goes before both. *metadata* is added to every record. *hash*: "sha256" makes prompt and response hashes
    that need no key to compare, and that anyone who guesses the text can confirm. *content*: "redacted" keeps
    prompt and answer, redacted, in the record. *write_ahead*: a record `<event_type>.started` is written
    before each call. *extract* takes the bound arguments and returns a dict of model, messages, user_id, ...
    for functions that name them otherwise.

    A generator function calls nothing before its first item is asked for, and neither do we. Raises
    `ConfigError` for wrong values.
    """
    entrance = _Entrance(
        user_id,
        extract,
        options_for(
            "audited",
            logger=logger,
            event_type=event_type,
            user_id=None if callable(user_id) else user_id,
            metadata=metadata,
            hash=hash,
            content=content,
            write_ahead=write_ahead,
        ),
    )
    return entrance.decorate if fn is None else entrance.decorate(fn)


class _Entrance:
    """The options of one `audited`, and the way from a function's arguments to a Call."""

    def __init__(self, user_id: UserId | None, extract: Extract | None, options: Options) -> None:
        if extract is not None and not callable(extract):
            raise ConfigError("audited: extract is a function that takes the bound arguments")
        self._user_id = user_id if callable(user_id) else None
        self._extract = extract
        self._options = options

    def decorate(self, function: Any) -> Any:
        """Return *function* with a record for each call, as the same kind of function."""
        if isinstance(function, (staticmethod, classmethod)):
            return type(function)(self.decorate(function.__func__))
        if not callable(function) or isinstance(function, type):
            raise ConfigError("audited decorates a function that calls a model")
        binder, options = Binder(function), replace(self._options, source=_source(function))

        def start(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
            return self._start(binder, options, args, kwargs)

        return wrapped(function, start)

    def _start(
        self, binder: Binder, options: Options, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Call | None:
        """Return a call that has begun, or None where the arguments do not fit: no call will be made."""
        bound = binder.bind(args, kwargs)
        if bound is None and binder.knows_names:
            return None
        request = guarded("reading the arguments", self._request, binder, bound) if bound else None
        call = Call(options)
        call.begin(request or Request())
        return call

    def _request(self, binder: Binder, bound: inspect.BoundArguments) -> Request:
        scopes = binder.scopes(bound)
        if self._user_id is not None and (user := guarded("user_id", self._user_id, bound)) is not None:
            scopes.insert(0, {"user_id": user})
        if self._extract is not None and (found := guarded("extract", self._extracted, bound)):
            scopes.insert(0, found)
        return request_in(scopes)

    def _extracted(self, bound: inspect.BoundArguments) -> dict[str, object]:
        found = self._extract(bound) if self._extract else None
        return {} if found is None else dict(found)


def _source(function: Any) -> Source:
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return Source(function=_name(function))
    return Source(code.co_filename, code.co_firstlineno, _name(function))


def _name(function: Any) -> str:
    name = getattr(function, "__qualname__", None)
    return name if isinstance(name, str) else type(function).__name__
