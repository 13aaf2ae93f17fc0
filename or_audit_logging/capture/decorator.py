"""`@audited`: one audit record for every call of the function it decorates.

    @audited
    def ask(messages, model="openai/gpt-4o-mini", *, user_id=None):
        return client.chat.completions.create(model=model, messages=messages)

The function returns the SDK's response or its JSON; what it returns and raises reaches the caller as it is.
Model, messages (or input, prompt), user_id (or user), session_id, request_id and metadata are found among
the arguments by name.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, ParamSpec, TypeAlias, TypeVar, overload

from or_audit_logging.capture.arguments import Binder, Request, request_in
from or_audit_logging.capture.asked import Defaults
from or_audit_logging.capture.call import Call, Options
from or_audit_logging.capture.delivery import Source
from or_audit_logging.capture.trouble import guarded
from or_audit_logging.errors import ConfigError
from or_audit_logging.record import CONTROL_PREFIX

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
    extract: Extract | None = None,
) -> Any:
    """Return *fn* with an audit record for each call, or a decorator where *fn* is not given yet.

    *event_type* is "chat_completion" by default. *user_id*: a constant, for calls that neither name a user
    nor stand in a `bind` block; or a function of the bound arguments, which goes before both. *metadata* is
    added to every record. *hash*: "sha256" makes prompt and response hashes that need no key to compare, and
    that anyone who guesses the text can confirm. *extract* takes the bound arguments and returns a dict of
    model, messages, user_id, ... for functions that name them otherwise.

    Raises `ConfigError` for wrong values and for generator functions.
    """
    entrance = _Entrance(
        logger=logger, event_type=event_type, user_id=user_id, metadata=metadata, hash_=hash, extract=extract
    )
    return entrance.decorate if fn is None else entrance.decorate(fn)


class _Entrance:
    """The options of one `audited`, checked, and the way from a function's arguments to a Call."""

    def __init__(
        self,
        *,
        logger: object,
        event_type: object,
        user_id: UserId | None,
        metadata: object,
        hash_: object,
        extract: Extract | None,
    ) -> None:
        event_type = "chat_completion" if event_type is None else event_type
        if not isinstance(logger, str) or not logger:
            raise ConfigError("audited: logger is the name of a logger")
        if not isinstance(event_type, str) or not event_type or event_type.startswith(CONTROL_PREFIX):
            raise ConfigError(f"audited: event_type is a word that does not begin with {CONTROL_PREFIX}")
        if user_id is not None and not isinstance(user_id, str) and not callable(user_id):
            raise ConfigError("audited: user_id is a text, or a function of the bound arguments")
        if metadata is not None and not isinstance(metadata, Mapping):
            raise ConfigError("audited: metadata is a mapping")
        if hash_ not in ("hmac", "sha256"):
            raise ConfigError("audited: hash is hmac or sha256")
        if extract is not None and not callable(extract):
            raise ConfigError("audited: extract is a function that takes the bound arguments")
        constant = user_id if isinstance(user_id, str) else None
        self._user_id = None if isinstance(user_id, str) else user_id
        self._extract = extract
        self._options = Options(
            logger=logger,
            event_type=event_type,
            hash="sha256" if hash_ == "sha256" else "hmac",
            defaults=Defaults(user_id=constant, metadata=None if metadata is None else dict(metadata)),
        )

    def decorate(self, function: Any) -> Any:
        """Return *function* with a record for each call, as the same kind of function."""
        if isinstance(function, (staticmethod, classmethod)):
            return type(function)(self.decorate(function.__func__))
        _check_function(function)
        start = functools.partial(
            self._start, Binder(function), replace(self._options, source=_source(function))
        )
        return _wrap_async(function, start) if _is_async(function) else _wrap(function, start)

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


def _wrap(function: Callable[..., Any], start: Callable[..., Call | None]) -> Callable[..., Any]:
    @functools.wraps(function)
    def audited_call(*args: Any, **kwargs: Any) -> Any:
        call = start(args, kwargs)
        if call is None:
            return function(*args, **kwargs)
        try:
            with call.active():
                result = function(*args, **kwargs)
            call.response(result)
            return result
        except BaseException as error:
            call.error(error)
            raise
        finally:
            call.finish()

    return audited_call


def _wrap_async(function: Callable[..., Any], start: Callable[..., Call | None]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def audited_call(*args: Any, **kwargs: Any) -> Any:
        call = start(args, kwargs)
        if call is None:
            return await function(*args, **kwargs)
        try:
            with call.active():
                result = await function(*args, **kwargs)
            call.response(result)
            return result
        except BaseException as error:
            call.error(error)
            raise
        finally:
            call.finish()

    return audited_call


def _check_function(function: Any) -> None:
    if not callable(function) or isinstance(function, type):
        raise ConfigError("audited decorates a function that calls a model")
    for check in (inspect.isgeneratorfunction, inspect.isasyncgenfunction):
        if check(function) or check(getattr(function, "__call__", None)):  # noqa: B004 - asked of the method
            raise ConfigError(
                f"audited: {_name(function)} is a generator function, and streams are not covered yet; "
                "decorate the function that returns the finished response instead"
            )


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - asked of the method
    )


def _source(function: Any) -> Source:
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return Source(function=_name(function))
    return Source(code.co_filename, code.co_firstlineno, _name(function))


def _name(function: Any) -> str:
    name = getattr(function, "__qualname__", None)
    return name if isinstance(name, str) else type(function).__name__
