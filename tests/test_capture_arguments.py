"""Where the facts about a request stand among a function's arguments."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from or_audit_logging.capture.arguments import Binder, Request, request_in

MESSAGES = [{"role": "user", "content": "hi"}]


def request(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Request:
    binder = Binder(function)
    bound = binder.bind(args, kwargs)
    assert bound is not None
    return request_in(binder.scopes(bound))


def ask(messages: object, model: str = "fake/ok", *, user_id: str | None = None, **kwargs: Any) -> None: ...


def test_positional_keyword_and_default_values() -> None:
    """By name, however they were passed."""
    assert request(ask, MESSAGES, user_id="u") == Request(model="fake/ok", prompt=MESSAGES, user_id="u")
    assert request(ask, MESSAGES, "fake/other") == request(ask, model="fake/other", messages=MESSAGES)


def test_names_inside_kwargs() -> None:
    """What goes through **kwargs counts as well."""
    found = request(ask, MESSAGES, session_id="s", request_id="r", metadata={"a": 1}, stream=True)
    assert (found.session_id, found.request_id, found.metadata, found.streamed) == ("s", "r", {"a": 1}, True)


def test_names_inside_extra_body() -> None:
    """The openai SDK sends OpenRouter's own parameters there."""
    found = request(ask, MESSAGES, extra_body={"session_id": "s", "user": "u", "model": "not this"})
    assert (found.session_id, found.user_id, found.model) == ("s", "u", "fake/ok")


@pytest.mark.parametrize("body", [None, "x", 3, []])
def test_an_odd_extra_body_is_passed_over(body: object) -> None:
    """Only a mapping has names."""
    assert request(ask, MESSAGES, extra_body=body).prompt == MESSAGES


@pytest.mark.parametrize("name", ["messages", "input", "prompt"])
def test_the_prompt_has_three_names(name: str) -> None:
    """Chat, responses and completions."""

    def call(**kwargs: Any) -> None: ...

    assert request(call, **{name: "hi"}).prompt == "hi"


@pytest.mark.parametrize("mark", ["NOT_GIVEN", "omit"])
def test_marks_for_not_given_count_as_absent(mark: str) -> None:
    """An SDK's default that means nothing does not hide a value elsewhere; nor does None."""
    absent = getattr(pytest.importorskip("openai"), mark, None)
    assert request(ask, MESSAGES, user_id=absent, user="u").user_id == "u"


def test_the_bound_object_is_never_looked_into() -> None:
    """`self` may have a model, a user and what not."""

    class Service:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"looked at {name}")

        def ask(self, messages: object, model: str) -> None: ...

    assert request(Service.ask, Service(), MESSAGES, "fake/ok") == Request(model="fake/ok", prompt=MESSAGES)


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), ((1, 2, 3), {}), ((1,), {"messages": 2})])
def test_arguments_that_do_not_fit(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """A call that can only be a TypeError gives None."""
    assert Binder(ask).bind(args, kwargs) is None


def test_a_decorator_that_shows_other_parameters_than_it_takes() -> None:
    """A wrapper that supplies an argument itself is bound by its own parameters."""

    @functools.wraps(ask)
    def with_messages(*args: Any, **kwargs: Any) -> None: ...

    binder = Binder(with_messages)
    bound = binder.bind((), {"model": "fake/ok"})
    assert bound is not None
    assert request_in(binder.scopes(bound)).model == "fake/ok"


def test_a_partial_shows_what_it_fills_in() -> None:
    """functools.partial passes its own values."""
    assert request(functools.partial(ask, model="fake/partial"), MESSAGES).model == "fake/partial"


def test_a_function_without_signature_is_called_all_the_same() -> None:
    """Some builtins have none; nothing is known then."""
    assert not Binder(dict.update).knows_names or Binder(dict.update).bind(({}, {}), {}) is not None


def test_the_request_shows_no_content() -> None:
    """Its repr holds nothing of the caller's."""
    assert "hi" not in repr(request(ask, MESSAGES, user_id="ann@example.com"))


def plain(a: Any, b: Any = 1, *, c: Any = 2) -> None: ...


def with_rest(a: Any, b: Any = 1, **rest: Any) -> None: ...


def with_many(a: Any, *more: Any, c: Any = 2) -> None: ...


def positional(a: Any, /, b: Any = 1) -> None: ...


@pytest.mark.parametrize("function", [plain, with_rest, with_many, positional])
@pytest.mark.parametrize("args", [(), (1,), (1, 2), (1, 2, 3)], ids=len)
@pytest.mark.parametrize(
    "kwargs",
    [{}, {"a": 5}, {"b": 5}, {"c": 5}, {"c": 5, "b": 6}, {"x": 5}, {"rest": 5}, {"a": 5, "self": 6}],
    ids=str,
)
def test_arguments_are_bound_as_python_binds_them(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """The short way gives what inspect gives, in the same order, and None where a call could only fail."""
    try:
        expected = inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        expected = None
    else:
        expected.apply_defaults()
    bound = Binder(function).bind(args, kwargs)
    assert bound == expected
    if bound is not None and expected is not None:
        assert list(bound.arguments.items()) == list(expected.arguments.items())
