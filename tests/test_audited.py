"""`@audited` on functions of every kind: the caller notices nothing, the log has one record per call."""

import asyncio
import functools
import inspect
import logging
import threading
import types
import typing
from pathlib import Path
from typing import Any

import pytest
from conftest import records_of
from samples import ANSWER
from sinks import KEY, NAME, Sink, attached, bare_root

import or_audit_logging
from or_audit_logging.capture import call as call_module
from or_audit_logging.capture import making, trouble
from or_audit_logging.capture.decorator import audited
from or_audit_logging.context import bind
from or_audit_logging.digest import prompt_digest, pseudonym
from or_audit_logging.errors import AuditWriteError, ConfigError

MESSAGES = [{"role": "user", "content": "hi"}]


@audited
def ask(messages: Any, model: str = "fake/asked", *, user_id: str | None = None) -> Any:
    """Ask."""
    return ANSWER


# --- kinds of functions


def test_with_and_without_parentheses(sink: Sink) -> None:
    """Both forms decorate."""

    @audited()
    def called(messages: Any) -> Any:
        return ANSWER

    assert called(MESSAGES) is ANSWER
    assert ask(MESSAGES) is ANSWER
    assert len(sink.records) == 2


def test_the_decorated_function_looks_like_the_function() -> None:
    """Name, docstring, signature and type hints survive."""
    assert (ask.__name__, ask.__doc__) == ("ask", "Ask.")
    assert list(inspect.signature(ask).parameters) == ["messages", "model", "user_id"]
    assert typing.get_type_hints(ask)["model"] is str


def test_positional_keyword_and_default_arguments(sink: Sink) -> None:
    """However arguments are passed, they are found."""
    ask(MESSAGES, "fake/positional", user_id="u-1")
    ask(messages=MESSAGES)
    first, second = sink.records
    assert (first.model_requested, first.user_id) == ("fake/positional", "u-1")
    assert (second.model_requested, second.user_id) == ("fake/asked", None)
    assert first.prompt_hash == second.prompt_hash == prompt_digest(MESSAGES, KEY)


def test_methods_of_every_kind(sink: Sink) -> None:
    """Methods, classmethods and staticmethods, whichever decorator stands on top."""

    class Service:
        model = "not this one"

        @audited
        def method(self, messages: Any) -> Any:
            return ANSWER

        @classmethod
        @audited
        def inside_class(cls, messages: Any) -> Any:
            return ANSWER

        @audited
        @classmethod
        def around_class(cls, messages: Any) -> Any:
            return ANSWER

        @staticmethod
        @audited
        def inside_static(messages: Any) -> Any:
            return ANSWER

        @audited
        @staticmethod
        def around_static(messages: Any) -> Any:
            return ANSWER

    service = Service()
    calls: list[Any] = [
        service.method,
        service.inside_class,
        service.around_class,
        service.inside_static,
        service.around_static,
    ]
    for function in calls:
        assert function(MESSAGES) is ANSWER
    assert [record.prompt_hash for record in sink.records] == [prompt_digest(MESSAGES, KEY)] * 5
    assert {record.model_requested for record in sink.records} == {None}


def test_async_functions_stay_async(sink: Sink) -> None:
    """iscoroutinefunction holds, the result and the record are the same as of a sync function."""

    @audited
    async def later(messages: Any) -> Any:
        await asyncio.sleep(0)
        return ANSWER

    assert inspect.iscoroutinefunction(later)
    assert asyncio.run(later(MESSAGES)) is ANSWER
    assert sink.only.status == "success"


def test_callable_objects_and_partials(sink: Sink) -> None:
    """Anything that can be called, except a class."""

    class Asker:
        def __call__(self, messages: Any) -> Any:
            return ANSWER

    class LaterAsker:
        async def __call__(self, messages: Any) -> Any:
            return ANSWER

    assert audited(Asker())(MESSAGES) is ANSWER
    assert audited(functools.partial(ask.__wrapped__, model="fake/partial"))(MESSAGES) is ANSWER  # type: ignore[attr-defined]
    assert asyncio.run(audited(LaterAsker())(MESSAGES)) is ANSWER
    assert [record.model_requested for record in sink.records] == [None, "fake/partial", None]


@pytest.mark.parametrize(
    "options",
    [
        {"logger": ""},
        {"logger": 3},
        {"event_type": ""},
        {"event_type": "log.mine"},
        {"event_type": 3},
        {"user_id": 3},
        {"metadata": "a=b"},
        {"hash": "md5"},
        {"extract": "model"},
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    """Set-up mistakes surface at decoration."""
    with pytest.raises(ConfigError, match="audited"):
        audited(**options)


@pytest.mark.parametrize("thing", [3, "ask", dict])
def test_only_functions_are_decorated(thing: Any) -> None:
    """A class or a value is a mistake."""
    with pytest.raises(ConfigError):
        audited(thing)


# --- the caller notices nothing


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), ((1, 2, 3), {}), ((1,), {"nope": 2})])
def test_a_call_that_does_not_fit(sink: Sink, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """The caller's TypeError is that of the bare function, without context; no call, no record."""
    bare: Any = ask.__wrapped__  # type: ignore[attr-defined]
    with pytest.raises(TypeError) as expected:
        bare(*args, **kwargs)
    with pytest.raises(TypeError) as raised:
        ask(*args, **kwargs)
    assert str(raised.value) == str(expected.value)
    assert raised.value.__context__ is raised.value.__cause__ is None
    assert not sink.records


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_exceptions_pass_unchanged(sink: Sink, error: BaseException) -> None:
    """The same object, no context, cause or note, and one frame of ours."""

    @audited
    def fail(messages: Any) -> Any:
        raise error

    with pytest.raises(type(error)) as caught:
        fail(MESSAGES)
    assert caught.value is error
    assert error.__context__ is error.__cause__ is None
    assert not hasattr(error, "__notes__")
    names = [entry.name for entry in caught.traceback]
    assert (names[1], names[-1]) == ("audited_call", "fail")
    assert sink.only.status == ("error" if isinstance(error, Exception) else "cancelled")
    assert sink.only.error_type == type(error).__name__


def test_an_error_inside_an_except_block_keeps_its_context(sink: Sink) -> None:
    """Python chains exceptions as it does without us."""

    @audited
    def fail(messages: Any) -> Any:
        raise ValueError("second")

    first = KeyError("first")
    try:
        raise first
    except KeyError:
        with pytest.raises(ValueError, match="second") as caught:
            fail(MESSAGES)
    assert caught.value.__context__ is first


def test_arguments_are_passed_as_they_are(sink: Sink) -> None:
    """The function sees the caller's own objects, unchanged, and no defaults filled in for it."""
    seen: list[Any] = []

    @audited
    def call(*args: Any, **kwargs: Any) -> Any:
        seen.extend((args, kwargs))
        return ANSWER

    metadata = {"contact": "ann@example.com"}
    call(MESSAGES, metadata=metadata)
    assert seen == [(MESSAGES,), {"metadata": {"contact": "ann@example.com"}}]
    assert seen[0][0] is MESSAGES
    assert seen[1]["metadata"] is metadata


def test_nothing_of_the_caller_is_kept(sink: Sink) -> None:
    """When the call has ended, neither arguments nor answer nor exception are held by us."""
    import gc
    import weakref

    class Prompt(list[Any]): ...

    class Answer(dict[str, Any]): ...

    class FailureError(Exception): ...

    kept: list[weakref.ref[Any]] = []

    @audited
    def call(messages: Any, fails: bool) -> Any:
        answer = Answer(ANSWER)
        error = FailureError()
        kept.extend((weakref.ref(messages), weakref.ref(answer), weakref.ref(error)))
        if fails:
            raise error
        return answer

    call(Prompt(), False)
    with pytest.raises(FailureError):
        call(Prompt(), True)
    gc.collect()
    assert [reference() for reference in kept] == [None] * 6


@pytest.mark.parametrize(
    ("module", "part"),
    [
        (call_module, "asked"),
        (call_module, "_facts_of"),
        (call_module, "Cleaner"),
        (making, "response_digest"),
        (making, "_host"),
    ],
)
def test_a_failure_of_ours_leaves_a_record(
    sink: Sink,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    module: types.ModuleType,
    part: str,
) -> None:
    """Whichever part fails: the answer is returned, one record is made, and it is said with the type only."""

    def broken(*args: object, **kwargs: object) -> Any:
        raise ZeroDivisionError("some words")

    monkeypatch.setattr(module, part, broken)
    assert ask(MESSAGES) is ANSWER
    assert sink.only.status == "success"
    assert trouble.counts()["internal"] == 1
    assert "ZeroDivisionError" in caplog.text
    assert "some words" not in caplog.text


def test_a_failure_to_read_an_exception_leaves_its_class(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller's exception passes, and the record names it."""

    def broken(error: BaseException) -> Any:
        raise ZeroDivisionError

    @audited
    def fail(messages: Any) -> Any:
        raise LookupError

    monkeypatch.setattr(call_module, "failure_facts", broken)
    with pytest.raises(LookupError):
        fail(MESSAGES)
    assert (sink.only.status, sink.only.error_type) == ("error", "LookupError")


# --- what the record says


def test_fields_that_every_record_has(sink: Sink) -> None:
    """Id, time, host, latency, the logger's name and a message without content."""
    ask(MESSAGES)
    record, log_record = sink.only, sink.log_records[0]
    assert len(record.id) == 36
    assert record.timestamp.endswith("Z")
    assert record.host
    assert record.latency_ms is not None
    assert record.latency_ms == round(record.latency_ms, 3)
    assert (log_record.name, log_record.levelno) == (NAME, logging.INFO)
    assert log_record.getMessage() == "chat_completion success fake/served"
    assert (Path(log_record.pathname).name, log_record.funcName) == ("test_audited.py", "ask")


def test_the_options_of_an_entrance(sink: Sink) -> None:
    """Logger, event type, constant user, metadata."""
    logging.getLogger("app.models").addHandler(sink)

    @audited(logger="app.models", event_type="embeddings", user_id="batch", metadata={"team": "a"})
    def embed(input: Any) -> Any:  # noqa: A002 - the API's own name
        return ANSWER

    try:
        embed("text")
    finally:
        logging.getLogger("app.models").removeHandler(sink)
    record = sink.only
    assert (record.event_type, record.user_id, record.metadata) == ("embeddings", "batch", {"team": "a"})
    assert record.prompt_hash == prompt_digest("text", KEY)
    assert sink.log_records[0].name == "app.models"


def test_plain_sha256(sink: Sink) -> None:
    """hash="sha256" needs no key."""

    @audited(hash="sha256")
    def call(messages: Any) -> Any:
        return ANSWER

    call(MESSAGES)
    assert sink.only.prompt_hash == prompt_digest(MESSAGES, "sha256")
    assert str(sink.only.response_hash).startswith("sha256:")


def test_without_a_key_there_are_no_hashes_and_no_pseudonyms() -> None:
    """Unknown is null; an address is redacted."""
    sink = attached(Sink(key=None))
    ask(MESSAGES, user_id="ann@example.com")
    assert (sink.only.prompt_hash, sink.only.response_hash, sink.only.user_id) == (None, None, "[EMAIL]")
    assert sink.only.redactions == {"EMAIL": 1}


def test_personal_data_in_ids_and_metadata(sink: Sink) -> None:
    """Ids become pseudonyms, metadata is redacted, and everything is counted."""
    with bind(session_id="bob@example.com", contact="eve@example.com", n=1):
        ask(MESSAGES, user_id="Ann@example.com ")
    record = sink.only
    assert record.user_id == pseudonym("EMAIL", "ann@example.com", KEY)
    assert record.session_id == pseudonym("EMAIL", "bob@example.com", KEY)
    assert record.metadata == {"contact": "[EMAIL]", "n": 1}
    assert record.redactions == {"EMAIL": 3}
    assert "example.com" not in repr(record.to_dict())


def test_the_nearest_user_counts(sink: Sink) -> None:
    """extract, then the function given as user_id, the argument, the bind block, the constant."""
    names = iter(["by function", None, None, None])

    @audited(user_id=lambda bound: next(names))
    def by_function(messages: Any, user: str | None = None) -> Any:
        return ANSWER

    by_function(MESSAGES, user="argument")
    by_function(MESSAGES, user="argument")

    @audited(user_id="constant", extract=lambda bound: bound.arguments["request"])
    def extracted(request: dict[str, Any], user_id: str | None = None) -> Any:
        return ANSWER

    with bind(user_id="bound"):
        extracted({"user": "extracted"}, user_id="argument")
        extracted({}, user_id="argument")
        extracted({})
    extracted({})
    assert [record.user_id for record in sink.records] == [
        "by function",
        "argument",
        "extracted",
        "argument",
        "bound",
        "constant",
    ]


def test_extract_names_everything(sink: Sink) -> None:
    """A function that names its arguments otherwise is recorded in full."""

    @audited(
        extract=lambda bound: {
            "model": bound.arguments["job"].model,
            "messages": bound.arguments["job"].text,
            "session_id": "s-1",
            "request_id": "r-1",
            "metadata": {"a": 1},
        }
    )
    def run(job: Any) -> Any:
        return ANSWER

    run(types.SimpleNamespace(model="fake/job", text="words"))
    record = sink.only
    assert (record.model_requested, record.session_id, record.request_id) == ("fake/job", "s-1", "r-1")
    assert record.prompt_hash == prompt_digest("words", KEY)
    assert record.metadata == {"a": 1}


@pytest.mark.parametrize(("found", "troubles"), [(None, {}), ("text", {"internal": 1}), (3, {"internal": 1})])
def test_an_extract_that_returns_no_dict(sink: Sink, found: Any, troubles: dict[str, int]) -> None:
    """None adds nothing; anything else is reported, and the arguments count."""
    audited(extract=lambda bound: found)(ask.__wrapped__)(MESSAGES, user_id="u-1")  # type: ignore[attr-defined]
    assert sink.only.user_id == "u-1"
    assert trouble.counts() == troubles


@pytest.mark.parametrize("option", ["extract", "user_id"])
def test_an_option_that_fails_is_reported(sink: Sink, caplog: pytest.LogCaptureFixture, option: str) -> None:
    """The call goes on with what the arguments say."""

    def broken(bound: inspect.BoundArguments) -> Any:
        raise ZeroDivisionError("words")

    options: dict[str, Any] = {option: broken}
    audited(**options)(ask.__wrapped__)(MESSAGES, user_id="u-1")  # type: ignore[attr-defined]
    assert sink.only.user_id == "u-1"
    assert f"{option} failed (ZeroDivisionError)" in caplog.text


def test_metadata_is_merged(sink: Sink) -> None:
    """Of the entrance, of the bind block, of the call: the nearest wins, name by name."""

    @audited(metadata={"a": 1, "b": 1, "c": 1})
    def call(messages: Any, metadata: Any = None) -> Any:
        return ANSWER

    with bind(b=2, c=2):
        call(MESSAGES, metadata={"c": 3})
    assert sink.only.metadata == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (42, "42"),
        (True, None),
        (3.5, None),
        (object(), None),
        (["u"], None),
        ("", None),
        pytest.param(10**5000, None, id="huge"),
    ],
)
def test_ids_are_text_or_numbers(sink: Sink, user: Any, expected: str | None) -> None:
    """A database's number is an id; other objects are not looked into."""
    ask(MESSAGES, user_id=user)
    assert sink.only.user_id == expected


def test_numbers_beyond_reason(sink: Sink) -> None:
    """An integer with more digits than Python prints breaks nothing."""
    huge = 10**5000
    with bind(n=huge):
        assert ask([huge], user_id="u-1") is ANSWER
    assert (sink.only.user_id, sink.only.prompt_hash) == ("u-1", None)


def test_the_context_is_that_of_the_call(sink: Sink) -> None:
    """What is bound inside the function, or after it, is not the call's."""

    @audited
    def call(messages: Any) -> Any:
        with bind(user_id="inside"):
            return ANSWER

    with bind(user_id="around"):
        call(MESSAGES)
    assert sink.only.user_id == "around"


def test_the_trace_of_an_application_that_has_one(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry is asked where it is already imported, and never imported."""
    context = types.SimpleNamespace(is_valid=True, trace_id=0xABC, span_id=0xDEF)
    span = types.SimpleNamespace(get_span_context=lambda: context)
    module = types.SimpleNamespace(get_current_span=lambda: span)
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.trace", module)
    ask(MESSAGES)
    assert (sink.only.trace_id, sink.only.span_id) == ("0" * 29 + "abc", "0" * 13 + "def")


def test_plain_text_says_nothing(sink: Sink, caplog: pytest.LogCaptureFixture) -> None:
    """A function that returns the text: success, unknown facts, and one warning with the remedy."""

    @audited
    def text(messages: Any) -> str:
        return "Hello"

    assert (text(MESSAGES), text(MESSAGES)) == ("Hello", "Hello")
    assert [(record.status, record.total_tokens) for record in sink.records] == [("success", None)] * 2
    warnings = [record for record in caplog.records if record.name == "or_audit_logging"]
    assert len(warnings) == 1
    assert "return the SDK's response" in warnings[0].getMessage()


# --- delivery


def test_the_call_of_a_handler_is_not_recorded(sink: Sink, caplog: pytest.LogCaptureFixture) -> None:
    """A handler that asks a model itself does not go round forever."""
    sink.writing = lambda: ask(MESSAGES)
    ask(MESSAGES)
    ask(MESSAGES)
    assert len(sink.records) == 2
    assert trouble.counts() == {"nested": 2}
    assert "calls a model" in caplog.text


def test_the_outermost_of_nested_functions_owns_the_record(sink: Sink) -> None:
    """One call, one record, however many decorated functions it goes through."""

    @audited
    def outer(messages: Any) -> Any:
        return ask(messages)

    outer(MESSAGES)
    assert len(sink.records) == 1


def test_a_handler_that_raises_does_not_break_the_call(sink: Sink) -> None:
    """Under "report" the answer is returned, the loss is counted."""
    sink.writing = lambda: 1 / 0
    assert ask(MESSAGES) is ANSWER
    assert trouble.counts() == {"delivery": 1}


def test_a_handler_that_raises_under_raise() -> None:
    """The caller gets AuditWriteError with the answer in it, and the handler's exception as its cause."""
    sink = attached(Sink("raise"))
    sink.writing = lambda: 1 / 0
    with pytest.raises(AuditWriteError) as caught:
        ask(MESSAGES)
    assert caught.value.response is ANSWER
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_failed_call_and_a_failed_record() -> None:
    """The call's own exception reaches the caller, with a note."""
    sink = attached(Sink("raise"))
    sink.writing = lambda: 1 / 0

    @audited
    def fail(messages: Any) -> Any:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine") as caught:
        fail(MESSAGES)
    assert len(caught.value.__notes__) == 1


def test_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    """An application that configured nothing works, and is told once where anyone can hear it."""
    trouble.forget()
    with bare_root():
        logging.getLogger("or_audit_logging").addHandler(caplog.handler)
        assert ask(MESSAGES) is ANSWER
        assert ask(MESSAGES) is ANSWER
    assert trouble.counts() == {"no-handler": 2}
    assert len(caplog.records) == 1


def test_many_threads(sink: Sink) -> None:
    """Each call its record, each record its own user."""

    def work(n: int) -> None:
        with bind(user_id=f"u-{n}"):
            for _ in range(50):
                ask(MESSAGES)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    users = [record.user_id for record in sink.records]
    assert sorted(set(users)) == [f"u-{n}" for n in range(8)]
    assert {users.count(user) for user in users} == {50}


@pytest.mark.usefixtures("audit_key")
def test_from_the_decorator_to_the_disk(tmp_path: Path) -> None:
    """The default set-up: what was called stands in the log, redacted, under the log's own key."""
    handler = or_audit_logging.configure(tmp_path)
    ask(MESSAGES, user_id="ann@example.com")
    handler.finish()
    (written,) = records_of(tmp_path)
    key = handler.policy.digest_key
    assert key is not None
    assert (written["status"], written["total_cost"]) == ("success", 0.5)
    assert written["prompt_hash"] == prompt_digest(MESSAGES, key)
    assert written["user_id"] == pseudonym("EMAIL", "ann@example.com", key)
