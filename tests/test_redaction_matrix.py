"""Every place of a LogRecord a secret can hide in, through every kind of handler: no leak, no change."""

from __future__ import annotations

import collections
import dataclasses
import enum
import io
import json
import logging
import logging.handlers
import pickle
import queue
import socket
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pythonjsonlogger.json import JsonFormatter

from or_audit_logging import (
    AuditFileHandler,
    AuditJsonFormatter,
    AuditStreamHandler,
    RedactingHandler,
    RedactionFilter,
)

MAIL, KEY, CARD = "ann@example.com", "sk-or-v1-0123456789abcdef", 4111111111111111
SECRETS = ("ann@", "0123456789abcdef", "4111111111111111")


@dataclasses.dataclass
class Person:
    mail: str


class Opaque:
    """An object that shows a secret when it is turned into text."""

    def __str__(self) -> str:
        return MAIL

    __repr__ = __str__


def model() -> object:
    pydantic = pytest.importorskip("pydantic")
    return pydantic.create_model("Contact", mail=(str, ...))(mail=MAIL)


def raised(error: Callable[[], BaseException], cause: BaseException | None = None) -> Any:
    """Return exc_info of an exception that was raised."""
    try:
        try:
            if cause is not None:
                raise cause
        except BaseException as first:
            raise error() from first
        raise error()
    except BaseException:  # noqa: BLE001 - a group is none of Exception's
        return sys.exc_info()


class Address(enum.Enum):
    """A value in an Enum."""

    OF_ANN = MAIL


Login = collections.namedtuple("Login", ["user", "password"])


class Slotted:
    """An object without a dict, shown by what it holds."""

    __slots__ = ("mail",)

    def __init__(self) -> None:
        self.mail = MAIL

    def __repr__(self) -> str:
        return f"Slotted(mail={self.mail!r})"


class Hostile:
    """An object that fails while it is read, with a secret in the failure."""

    def __str__(self) -> str:
        raise RuntimeError(MAIL)

    __repr__ = __str__


def while_handling() -> Any:
    """Return exc_info of an exception raised while another one was handled."""
    try:
        try:
            raise KeyError(MAIL)
        except KeyError:
            raise ValueError("x")  # noqa: B904 - what is tested
    except ValueError:
        return sys.exc_info()


def cyclic() -> Any:
    value: dict[str, Any] = {"to": MAIL}
    value["self"] = [value]
    return value


def deep() -> Any:
    value: Any = MAIL
    for _ in range(200):
        value = [value]
    return value


def noted() -> BaseException:
    error = ValueError("see the note")
    error.add_note(MAIL)
    return error


PLACES: dict[str, Callable[[], dict[str, Any]]] = {
    "msg": lambda: {"msg": f"to {MAIL}"},
    "argument": lambda: {"msg": "to %s", "args": (MAIL,)},
    "template and argument": lambda: {"msg": "key sk-or-%s", "args": ("v1-0123456789abcdef",)},
    "named argument": lambda: {"msg": "to %(to)s", "args": {"to": MAIL, "unused": KEY}},
    "argument that does not fit": lambda: {"msg": "%d apples", "args": (MAIL,)},
    "number as argument": lambda: {"msg": "card %d", "args": (CARD,)},
    "object as argument": lambda: {"msg": "to %r", "args": (Opaque(),)},
    "object as message": lambda: {"msg": Opaque()},
    "dict as message": lambda: {"msg": {"to": MAIL, MAIL: 1}},
    "list as message": lambda: {"msg": [MAIL]},
    "exception": lambda: {"exc_info": raised(lambda: ValueError(MAIL))},
    "cause": lambda: {"exc_info": raised(lambda: ValueError("x"), KeyError(KEY))},
    "group": lambda: {"exc_info": raised(lambda: ExceptionGroup("some", [ValueError(MAIL)]))},
    "note": lambda: {"exc_info": raised(noted)},
    "context": lambda: {"exc_info": while_handling()},
    "group in a group with a cause": lambda: {
        "exc_info": raised(
            lambda: ExceptionGroup("a", [ExceptionGroup(MAIL, [ValueError(KEY)]), noted()]), KeyError(CARD)
        )
    },
    "exception as message": lambda: {"msg": ValueError(MAIL)},
    "exception as argument": lambda: {"msg": "failed: %r", "args": (ValueError(MAIL),)},
    "exception as extra": lambda: {"error": noted(), "errors": [ValueError(KEY)]},
    "bytes as message": lambda: {"msg": MAIL.encode()},
    "bytes as argument": lambda: {"msg": "got %s %r", "args": (MAIL.encode(), bytearray(KEY.encode()))},
    "JSON as message": lambda: {"msg": json.dumps({"to": MAIL, "card": CARD, "password": "ann@ home"})},
    "JSON in an extra": lambda: {"arguments": json.dumps({"a": [{"password": "ann@ home", "card": CARD}]})},
    "split over three": lambda: {"msg": "%s@%s.%s", "args": ("ann", "example", "com")},
    "dict as only argument": lambda: {"msg": "to %s", "args": ({"to": MAIL, MAIL: KEY},)},
    "exception as text": lambda: {"exc_text": f"Traceback\nValueError: {MAIL}"},
    "stack": lambda: {"stack_info": f"Stack (most recent call last):\n  ask({KEY!r})"},
    "extra": lambda: {"to": MAIL},
    "extra under a telling name": lambda: {"password": "ann@ home"},
    "name of an extra": lambda: {MAIL: 1},
    "nested": lambda: {"a": {"b": [{"c": (MAIL,)}], MAIL: 1}},
    "set": lambda: {"a": {MAIL}, "b": frozenset([KEY, 1])},
    "deque": lambda: {"a": collections.deque([MAIL, {"b": KEY}])},
    "named tuple": lambda: {"a": Login("bob", "ann@ home"), "b": [Login(MAIL, KEY)]},
    "path": lambda: {"a": Path("home") / MAIL, "msg": "open %s", "args": (Path(MAIL),)},
    "enum": lambda: {"a": Address.OF_ANN, "b": {Address.OF_ANN: 1}, "msg": "%s", "args": (Address.OF_ANN,)},
    "keys of many kinds": lambda: {"a": {MAIL.encode(): 1, Path(KEY): 2, CARD: 3, (MAIL, 1): 4}},
    "slots": lambda: {"a": Slotted(), "b": [Slotted()]},
    "mappings": lambda: {"a": types.MappingProxyType({"to": MAIL}), "b": collections.ChainMap({MAIL: KEY})},
    "views": lambda: {"a": {"to": MAIL}.values(), "b": {MAIL: 1}.keys(), "c": {"to": MAIL}.items()},
    "other numbers": lambda: {"a": float(CARD), "b": Decimal(CARD), "c": [CARD], "d": {"e": str(CARD)}},
    "cycle": lambda: {"a": cyclic()},
    "deep": lambda: {"a": deep(), "msg": "%s", "args": (deep(),)},
    "hostile": lambda: {"a": Hostile(), "b": {"c": [Hostile(), MAIL]}},
    "hostile argument": lambda: {"msg": "%s " + MAIL, "args": (Hostile(),)},
    "hostile message": lambda: {"msg": Hostile(), "args": (MAIL,)},
    "half a surrogate pair": lambda: {"a": "\ud800 " + MAIL, "b": {"\udc80": KEY}},
    "bytes": lambda: {"a": MAIL.encode(), "b": bytearray(KEY.encode()), "c": memoryview(MAIL.encode())},
    "number": lambda: {"card": CARD},
    "dataclass": lambda: {"a": Person(MAIL)},
    "model": lambda: {"a": model()},
    "object": lambda: {"a": Opaque(), "b": {Opaque(): 1}},
    "escaped": lambda: {"msg": json.dumps({"to": f"hi\n{MAIL}"}), "a": "x ann%40example.com"},
    "audit": lambda: {"audit": {"to": MAIL}},
    "message": lambda: {"message": MAIL},
    "logger": lambda: {"name": f"app.{MAIL}"},
    "thread": lambda: {"threadName": MAIL, "processName": MAIL},
    "task": lambda: {"taskName": MAIL},
}


class Everything(logging.Formatter):
    """Shows all that a handler could show of a record."""

    def format(self, record: logging.LogRecord) -> str:
        try:
            text = super().format(record)
        except (TypeError, ValueError):
            text = str(record.msg)
        return f"{text} {vars(record)!r}"


Output = tuple[logging.Handler, Callable[[], str]]


def stream(stack: ExitStack, folder: Path) -> Output:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(Everything())
    return handler, out.getvalue


def file(stack: ExitStack, folder: Path) -> Output:
    handler = logging.FileHandler(folder / "app.log", encoding="utf-8")
    handler.setFormatter(Everything())
    return handler, (folder / "app.log").read_text


def json_lines(stack: ExitStack, folder: Path) -> Output:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonFormatter("%(message)s %(name)s %(threadName)s", json_default=str))
    return handler, lambda: checked(out.getvalue())


def our_json_lines(stack: ExitStack, folder: Path) -> Output:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(AuditJsonFormatter())
    return handler, lambda: checked(out.getvalue())


def memory(stack: ExitStack, folder: Path) -> Output:
    target, read = stream(stack, folder)
    handler = logging.handlers.MemoryHandler(100, flushLevel=logging.CRITICAL, target=target)

    def flushed() -> str:
        handler.flush()
        return read()

    return handler, flushed


def queued(stack: ExitStack, folder: Path) -> Output:
    target, read = stream(stack, folder)
    records: queue.Queue[Any] = queue.Queue()
    handler = logging.handlers.QueueHandler(records)
    listener = logging.handlers.QueueListener(records, target)
    listener.start()
    stopped = stack.callback(listener.stop)

    def drained() -> str:
        if listener._thread is not None:  # type: ignore[attr-defined]
            listener.stop()
            listener.start()
        return read()

    assert stopped is not None
    return handler, drained


def syslog(stack: ExitStack, folder: Path) -> Output:
    server = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    server.bind(("127.0.0.1", 0))
    server.settimeout(10)
    handler = logging.handlers.SysLogHandler(server.getsockname())
    handler.setFormatter(Everything())
    return handler, lambda: server.recv(65_536).decode()


def sockets(stack: ExitStack, folder: Path) -> Output:
    server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    server.settimeout(10)
    handler = logging.handlers.SocketHandler("127.0.0.1", server.getsockname()[1])

    def received() -> str:
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as stream:
            size = int.from_bytes(stream.read(4), "big")
            return repr(pickle.loads(stream.read(size)))

    return handler, received


def audit_file(stack: ExitStack, folder: Path) -> Output:
    handler = AuditFileHandler(folder / "log" / "audit.jsonl")

    def lines() -> str:
        handler.close()
        return checked("".join(path.read_text() for path in (folder / "log").glob("*.jsonl")), audit=True)

    return handler, lines


def audit_stream(stack: ExitStack, folder: Path) -> Output:
    out = io.StringIO()
    return AuditStreamHandler(out), lambda: checked(out.getvalue(), audit=True)


def checked(text: str, *, audit: bool = False) -> str:
    """Return *text*, all lines of which are JSON objects."""
    lines = [json.loads(line) for line in text.splitlines()]
    assert all(isinstance(line, dict) for line in lines)
    assert not audit or any(line.get("event_type") == "log" for line in lines)
    assert lines
    return text


KINDS = [
    *(stream, file, json_lines, our_json_lines, memory, queued, syslog, sockets, audit_file, audit_stream),
]
AUDIT = (audit_file, audit_stream)


class Sibling(logging.Handler):
    """A handler behind the one under test: it is to see what the application logged."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(dict(vars(record)))


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is closed after the test."""
    with ExitStack() as closed:
        yield closed


@pytest.mark.parametrize("wrapped", [False, True], ids=["filter", "wrapped"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.usefixtures("audit_key")
def test_nothing_leaks_and_nothing_changes(
    place: str, kind: Any, wrapped: bool, stack: ExitStack, tmp_path: Path
) -> None:
    """Whatever the place and the handler; the next handler sees the record as it was."""
    inner, read = kind(stack, tmp_path)
    stack.callback(inner.close)
    handler = RedactingHandler(inner) if wrapped else inner
    if not wrapped:
        handler.addFilter(RedactionFilter())
    logger = logging.Logger("app")
    sibling = Sibling()
    logger.addHandler(handler)
    logger.addHandler(sibling)
    record = logging.LogRecord("app", logging.WARNING, __file__, 1, "nothing", (), None)
    changes = PLACES[place]()
    if isinstance(changes.get("args"), dict):
        changes["args"] = dict(changes["args"])
    vars(record).update(changes)
    before = dict(vars(record))
    logger.handle(record)
    out = read()
    assert not [secret for secret in SECRETS if secret in out]
    if wrapped or kind in AUDIT or sys.version_info >= (3, 12):
        for seen in (vars(record), *sibling.seen):
            assert {name: seen[name] for name in before} == before
            assert set(seen) - set(before) <= {"message", "asctime"}


def test_what_is_said_survives(stack: ExitStack, tmp_path: Path) -> None:
    """Around the secrets the text stays; arguments stay apart from their template where they can."""
    seen = Sibling()
    handler = RedactingHandler(seen)
    handler.handle(
        logging.LogRecord(
            "app",
            logging.INFO,
            "",
            0,
            '%s - "%s %s HTTP/%s" %d',
            ("10.0.0.1:1", "GET", f"/?to={MAIL}", "1.1", 200),
            None,
        )
    )
    handler.handle(
        logging.LogRecord("app", logging.INFO, "", 0, "sk-or-%s %s", ("v1-0123456789abcdef", "x"), None)
    )
    first, second = seen.seen
    assert first["msg"] == '%s - "%s %s HTTP/%s" %d'
    assert first["args"] == ("[IP_ADDRESS]:1", "GET", first["args"][2], "1.1", 200)
    assert MAIL not in first["args"][2]
    assert (second["msg"], second["args"]) == ("[API_KEY] x", ())
