"""AuditJsonFormatter on handlers that are not ours: the same JSON as python-json-logger's formatter makes.

Each case is formatted by both, from equal records, and compared as parsed. Where ours differs on purpose,
the second table says how; it also has to be valid JSON there.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime
import enum
import io
import json
import logging
import sys
import uuid
from decimal import Decimal
from typing import Any

import pytest
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonEncoder, JsonFormatter

from or_audit_logging import AuditJsonFormatter

PERCENT = "%(asctime)s %(levelname)s %(name)s %(message)s %(job)s"


def _exc_info() -> Any:
    try:
        raise ValueError("it failed") from KeyError("cause")
    except ValueError:
        return sys.exc_info()


EXC_INFO = _exc_info()


def record_of(**attributes: object) -> logging.LogRecord:
    record = logging.LogRecord(
        "app.orders", logging.WARNING, "/srv/app.py", 7, "order %s", (17,), None, "work"
    )
    record.created, record.msecs, record.relativeCreated = 1795255845.123456, 123.0, 1000.5
    record.__dict__.update(attributes)
    return record


def both(options: dict[str, Any], record: logging.LogRecord) -> tuple[str, str]:
    """Return python-json-logger's text and ours; neither sees what the other left on the record."""
    theirs, ours = (
        formatter(**copy.copy(options)).format(logging.makeLogRecord(record.__dict__))
        for formatter in (JsonFormatter, AuditJsonFormatter)
    )
    return theirs, ours


class Shouts(JsonEncoder):
    """An encoder of the application's."""

    def default(self, o: Any) -> Any:
        return f"!{type(o).__name__}!"


def _dense_dumps(value: object, **options: Any) -> str:
    return json.dumps(value, separators=(",", ":"), **options)


OPTIONS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "format %": {"fmt": PERCENT},
    "format {": {"fmt": "{asctime} {levelname} {message} {job}", "style": "{"},
    "format $": {"fmt": "${levelname} $name $message $$ ${job}", "style": "$"},
    "format ,": {"fmt": "levelname, message ,job,", "style": ","},
    "format as a list": {"fmt": ["levelname", "message", "asctime"]},
    "format as a tuple": {"fmt": ("levelno", "message")},
    "format with widths": {"fmt": "%(levelname)-8s|%(lineno)5d|%(relativeCreated)010.3f|%(message)s"},
    "format without fields": {"fmt": "no field at all", "validate": False},
    "format with missing fields": {"fmt": "%(no_such_field)s %(message)s"},
    "positional": {"fmt": PERCENT, "datefmt": "%Y", "style": "%"},
    "every attribute": {"fmt": " ".join(f"%({n})s" for n in RESERVED_ATTRS if n not in ("args", "exc_info"))},
    "datefmt": {"fmt": PERCENT, "datefmt": "%d.%m.%Y %H:%M"},
    "rename": {"rename_fields": {"message": "@message", "job": "task", "nothing": "n"}},
    "rename, format": {"fmt": PERCENT, "rename_fields": {"levelname": "log.level", "asctime": "@timestamp"}},
    "rename, keep missing": {"rename_fields": {"nothing": "n"}, "rename_fields_keep_missing": True},
    "rename onto another": {"fmt": PERCENT, "rename_fields": {"levelname": "message"}},
    "rename exc_info": {"rename_fields": {"exc_info": "error", "stack_info": "stack"}},
    "rename static": {"static_fields": {"service": "checkout"}, "rename_fields": {"service": "svc"}},
    "rename defaults": {"defaults": {"region": "eu"}, "rename_fields": {"region": "r"}},
    "static": {"static_fields": {"service": "checkout", "n": 1, "tags": ["a", {"b": None}]}},
    "static over format": {"fmt": PERCENT, "static_fields": {"message": "always", "job": "static"}},
    "defaults": {"defaults": {"job": "none", "region": "eu"}},
    "defaults, format": {"fmt": PERCENT, "defaults": {"job": "none", "region": None}},
    "reserved: none": {"reserved_attrs": [], "fmt": "%(message)s", "json_default": str},
    "reserved: own": {"reserved_attrs": [*RESERVED_ATTRS, "job"]},
    "reserved: a set": {"reserved_attrs": frozenset(RESERVED_ATTRS) - {"levelno", "process"}},
    "exceptions as lines": {"exc_info_as_array": True},
    "stacks as lines": {"stack_info_as_array": True},
    "both as lines": {"exc_info_as_array": True, "stack_info_as_array": True, "fmt": PERCENT},
    "prefix": {"prefix": "@cee: "},
    "indent": {"json_indent": 2},
    "indent by tabs": {"json_indent": "\t", "static_fields": {"a": [1, 2]}},
    "letters as they are": {"json_ensure_ascii": False},
    "letters escaped": {"json_ensure_ascii": True},
    "default": {"json_default": lambda value: f"<{type(value).__name__}>"},
    "encoder": {"json_encoder": Shouts},
    "serializer": {"json_serializer": _dense_dumps},
    "timestamp by another encoder": {"timestamp": True, "json_encoder": JsonEncoder},
    "timestamp renamed": {"timestamp": "t", "rename_fields": {"t": "at"}, "json_encoder": JsonEncoder},
}

RECORDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "with extras": {
        "job": "nightly",
        "_private": 1,
        "n": 1.5,
        "nested": {"a": [1, None, True]},
        "tuple": (1, 2),
    },
    "with keys that are no text": {"nested": {1: "a", None: "b", False: "c"}, "list": [{2.5: "d"}]},
    "with names of ours": {
        "event_type": "e",
        "seq": 1,
        "mac": "m",
        "log": "l",
        "truncated": True,
        "audit": "a",
    },
    "with an exception": {"exc_info": EXC_INFO},
    "with an exception's text": {"exc_text": "Traceback: before"},
    "with both": {"exc_info": EXC_INFO, "exc_text": "Traceback: before"},
    "with a stack": {"stack_info": "Stack (most recent call last):\n  line"},
    "a dict": {"msg": {"order": 17, "items": ["a"], "job": "dict's"}, "args": None},
    "a dict with its own exc_info": {
        "msg": {"exc_info": "own", "stack_info": "own"},
        "args": None,
        "exc_info": EXC_INFO,
    },
    "a dict with an empty exc_info": {
        "msg": {"exc_info": "", "message": "m"},
        "exc_info": EXC_INFO,
        "args": (),
    },
    "an empty dict": {"msg": {}, "args": None},
    "an object": {"msg": 12, "args": ()},
    "arguments by name": {"msg": "%(a)s and %(b)05.1f", "args": {"a": "x", "b": 2.5}},
    "letters": {
        "msg": "caf\u00e9 \U0001f600 \x00\x7f\u2028 \ud800 \"'\\</script>",
        "args": (),
        "\u00fc": "\u00df",
    },
    "a task": {"taskName": "Task-1"},
}


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("option", OPTIONS)
def test_options_work_as_python_json_logger_s_do(option: str, record: str) -> None:
    """Every option with every kind of record; the order of the members is the same too."""
    options = OPTIONS[option]
    theirs, ours = both(options, record_of(**RECORDS[record]))
    prefix = options.get("prefix", "")
    assert ours.startswith(prefix)
    theirs, ours = theirs.removeprefix(prefix), ours.removeprefix(prefix)
    assert json.loads(ours, object_pairs_hook=list) == json.loads(theirs, object_pairs_hook=list)
    if any(name.startswith("json_") for name in options):
        assert ours == theirs  # indentation and escapes included
    else:
        assert ours.isascii()
        assert "\n" not in ours


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int = 1


TIMES = {
    "datetime": datetime.datetime(2026, 11, 21, 10, 30, tzinfo=datetime.UTC),
    "date": datetime.date(2026, 11, 21),
    "time": datetime.time(10, 30, 0, 5),
}


@pytest.mark.parametrize("timestamp", [True, "@timestamp"])
def test_the_timestamp_option_gives_the_time(timestamp: bool | str) -> None:
    """Without any json_* option, which most configurations have none of."""
    theirs, ours = both({"timestamp": timestamp}, record_of())
    assert json.loads(ours) == json.loads(theirs)


@pytest.mark.parametrize("value", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("place", ["extra", "message", "static"])
def test_times_are_written_as_times(value: object, place: str) -> None:
    """Wherever they stand: nothing in a time can be a secret."""
    options = {"static_fields": {"due": value}} if place == "static" else {}
    attributes = {"extra": {"due": value}, "message": {"msg": {"due": [value]}, "args": None}, "static": {}}
    theirs, ours = both(options, record_of(**attributes[place]))
    assert json.loads(ours) == json.loads(theirs)


DIFFERENT: dict[str, tuple[object, object]] = {
    "no number": (float("nan"), None),
    "infinity": (float("-inf"), None),
    "a number of 71 bits": (1 << 70, str(1 << 70)),
    "money": (Decimal("0.10"), 0.1),
    "money inside": ([Decimal("0.10")], ["0.10"]),
    "bytes": (b"caf\xc3\xa9 \xff", "caf\u00e9 \\xff"),
    "a set": ({"b", "a"}, ["a", "b"]),
    "a key that is a tuple": ({("a", 1): 2}, {"(a,1)": 2}),
    "an exception": (ValueError("private words"), "[ValueError]"),
    "an object": (object(), "[object]"),
    "a class": (Point, "[type]"),
}


@pytest.mark.parametrize(("value", "written"), DIFFERENT.values(), ids=DIFFERENT)
def test_values_that_are_written_otherwise_on_purpose(value: object, written: object) -> None:
    """What is no JSON, what loses digits, what shows what nobody redacted; a json_* option brings theirs."""
    ours = AuditJsonFormatter().format(record_of(value=value))

    def no_constant(name: str) -> object:
        raise AssertionError(f"{name} is no JSON")

    assert json.loads(ours, parse_constant=no_constant)["value"] == written


@pytest.mark.parametrize(
    "value",
    [*TIMES.values(), *(value for value, _ in DIFFERENT.values() if not isinstance(value, dict)), Point()],
)
def test_a_json_option_brings_python_json_logger_s_encoder(value: object) -> None:
    """Even one that names the default."""
    theirs, ours = both({"json_ensure_ascii": True}, record_of(value=value))
    assert ours == theirs


def test_a_value_that_refers_to_itself_is_no_failure() -> None:
    """Where python-json-logger raises."""
    value: dict[str, object] = {}
    value["again"] = value
    with pytest.raises(ValueError, match="Circular"):
        JsonFormatter().format(record_of(value=value))
    assert json.loads(AuditJsonFormatter().format(record_of(value=value)))["value"] == {"again": "[CYCLE]"}


@pytest.mark.parametrize(
    "value", [Colour.RED, Point(), uuid.UUID(int=1), datetime.timedelta(1), 1j, range(3)]
)
def test_other_values_neither_raise_nor_make_lines(value: object) -> None:
    """However they are written, the members around them are."""
    ours = json.loads(AuditJsonFormatter().format(record_of(value=value, after=1)))
    assert ours.keys() == {"message", "taskName", "value", "after"} - ({"taskName"} - ours.keys())


@pytest.mark.parametrize(
    "options", [{"style": "?"}, {"fmt": "%(message", "style": "%"}, {"no_such_option": 1}]
)
def test_mistakes_are_refused_alike(options: dict[str, Any]) -> None:
    """With the same kind of error, when the formatter is made."""
    with pytest.raises(Exception) as theirs:  # noqa: PT011 - whichever it is
        JsonFormatter(**options)
    with pytest.raises(theirs.type):
        AuditJsonFormatter(**options)


def test_what_a_subclass_overrides_is_asked() -> None:
    """python-json-logger's documented places: add_fields, process_log_record, jsonify_log_record."""

    class Mine:
        def add_fields(self, log_data: dict[str, Any], record: Any, message_dict: Any) -> None:
            super().add_fields(log_data, record, message_dict)  # type: ignore[misc]
            log_data["added"] = record.levelname.lower()

        def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
            return {"wrapped": log_data}

    theirs = type("Theirs", (Mine, JsonFormatter), {})().format(record_of())
    ours = type("Ours", (Mine, AuditJsonFormatter), {})().format(record_of())
    assert json.loads(ours) == json.loads(theirs)
    assert json.loads(ours)["wrapped"]["added"] == "warning"


def test_on_a_stream_handler_it_is_as_theirs_line_by_line() -> None:
    """Through a logger, with what logging itself makes of the call."""
    streams = []
    logger = logging.getLogger("test.conformance.formatter")
    logger.propagate = False
    for formatter in (JsonFormatter, AuditJsonFormatter):
        handler = logging.StreamHandler(io.StringIO())
        handler.setFormatter(formatter("%(levelname)s %(lineno)d %(message)s", static_fields={"s": 1}))
        logger.addHandler(handler)
        streams.append(handler)
    try:
        logger.warning("order %d", 17, extra={"job": "nightly"})
        logger.error({"order": 17}, stack_info=True)
        try:
            raise KeyError("k")
        except KeyError:
            logger.exception("failed")
    finally:
        for handler in streams:
            logger.removeHandler(handler)
    theirs, ours = (handler.stream.getvalue().splitlines() for handler in streams)
    assert len(ours) == 3
    assert [json.loads(line) for line in ours] == [json.loads(line) for line in theirs]


def test_the_record_and_the_callers_dict_stay_as_they_are() -> None:
    """Apart from what logging's formatters leave on it: message, asctime."""
    message = {"order": {"items": [1]}}
    record = record_of(msg=message, args=None, exc_info=EXC_INFO)
    before = dict(record.__dict__)
    AuditJsonFormatter("%(message)s", rename_fields={"order": "o"}).format(record)
    assert message == {"order": {"items": [1]}}
    after = {key: value for key, value in record.__dict__.items() if key not in ("message", "asctime")}
    assert after == before
