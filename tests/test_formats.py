"""Formatters for other people's handlers, and docs/formats.md: its configuration, its code, its table."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import re
import sys
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import lines_of
from samples import ANSWER, MESSAGES, REPOSITORY, audit_record
from test_projections import FOLDER, LOG, ROWS, VECTORS, seen
from test_readme import blocks, commands

from or_audit_logging import AuditFileHandler, AuditStreamHandler, RedactionFilter, audit_call
from or_audit_logging.errors import ConfigError
from or_audit_logging.formats import DatadogFormatter, EcsFormatter, GoogleFormatter, encoder
from or_audit_logging.projections import datadog, ecs, google

PAGE = (REPOSITORY / "docs" / "formats.md").read_text("utf-8")
FORMATTERS: dict[str, Any] = {"ecs": EcsFormatter, "google": GoogleFormatter, "datadog": DatadogFormatter}
each_formatter = pytest.mark.parametrize("name", FORMATTERS)


class NoSense:
    """A value that fails whatever it is asked."""

    def __repr__(self) -> str:
        raise RuntimeError

    __str__ = __repr__


def log_record(message: object = "order %s", args: Any = (17,), **attributes: object) -> logging.LogRecord:
    record = logging.LogRecord("app.orders", logging.WARNING, "/srv/app.py", 7, message, args, None, "work")
    record.created = 1795257049.0
    record.__dict__.update(attributes)
    return record


@each_formatter
def test_a_plain_record_is_that_of_the_golden_files(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The formatter and `or-audit ship` say the same of it."""
    members = VECTORS["PLAIN"]
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(members["id"]))
    record = log_record(
        created=1795257049.0,
        exc_text=members["exception"],
        order=17,
        region="eu",
        severity="DEBUG",
        total_cost="not an amount",
        mac="no seal",
    )
    golden = (FOLDER / f"{name}.jsonl").read_text("ascii").splitlines()
    assert FORMATTERS[name]().format(record) == golden[list(ROWS).index("plain log record, not sealed")]


@each_formatter
def test_an_audit_record_is_what_ship_sends_but_for_the_seal(name: str) -> None:
    """The same fields with the same values."""
    audit = audit_record(total_cost=Decimal("0.10"), user_id="u-42", metadata={"feature": "faq"})
    out = FORMATTERS[name]().format(log_record(audit=audit)).encode()
    assert [seen(name, out, m) for m in ("id", "user_id", "seq", "mac")] == [audit.id, "u-42", None, None]
    assert seen(name, out, "total_cost") == Decimal("0.10")
    assert b'total_cost":0.10' in out


@each_formatter
def test_service_and_environment_where_the_record_has_none(name: str) -> None:
    """Given once, said in each record; a record's own comes first."""
    formatter = FORMATTERS[name](service="checkout", environment="prod")
    out = formatter.format(log_record(audit=audit_record(environment="test"))).encode()
    assert seen(name, out, "service") == "checkout"
    assert b"test" in out
    assert b"prod" not in out


@each_formatter
def test_no_value_makes_a_formatter_fail(name: str) -> None:
    """Arguments that do not fit, halves of pairs, cycles, numbers that are none."""
    cycle: list[object] = []
    cycle.append(cycle)
    records = [
        log_record("%d %d", ("x",)),
        log_record({"a": Decimal("1E-7")}, None),
        log_record("\ud800", None, cycle=cycle, nan=float("nan"), big=10**5000, sense=NoSense(), b=b"\xff"),
        log_record(NoSense(), None),
        log_record(stack_info="Stack", **{"": 1, "\udfff": 2}),
    ]
    for record in records:
        out = FORMATTERS[name]().format(record)
        assert out.isascii()
        assert "\n" not in out
        assert json.loads(out)


@each_formatter
def test_an_exception_comes_with_its_traceback(name: str) -> None:
    """Where each system looks for it."""
    try:
        raise ValueError("it failed")
    except ValueError:
        out = FORMATTERS[name]().format(log_record(exc_info=sys.exc_info())).encode()
    assert "ValueError: it failed" in seen(name, out, "exception")


@each_formatter
def test_a_checkpoint_that_passes_by_is_a_sealed_line(name: str) -> None:
    """With seq, mac and the line itself; what else is logged there is a plain record."""
    line = ROWS["checkpoint"]
    record = log_record(line, None, name="or_audit_logging.checkpoint")
    out = FORMATTERS[name]().format(record).encode()
    assert out == encoder(name)(line.encode())
    assert (seen(name, out, "seq"), seen(name, out, "log")) == (6, LOG)
    other = json.loads(FORMATTERS[name]().format(log_record("no JSON", None, name=record.name)))
    assert other["message"] == "no JSON"


@each_formatter
def test_audit_handlers_refuse_them(name: str, tmp_path: Path, audit_key: bytes) -> None:
    """A sealed log keeps the schema's names; `dictConfig` says so too."""
    for handler in (AuditFileHandler(tmp_path / "audit.jsonl"), AuditStreamHandler(io.StringIO())):
        with pytest.raises(ConfigError, match="or-audit ship"):
            handler.setFormatter(FORMATTERS[name]())
        handler.close()
    configuration = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"f": {"class": f"or_audit_logging.formats.{FORMATTERS[name].__name__}"}},
        "handlers": {
            "h": {
                "class": "or_audit_logging.AuditFileHandler",
                "filename": str(tmp_path / "audit.jsonl"),
                "formatter": "f",
            }
        },
    }
    with pytest.raises(ValueError, match="Unable to configure handler 'h'") as caught:
        logging.config.dictConfig(configuration)
    assert isinstance(caught.value.__cause__, ConfigError)


@pytest.mark.parametrize(
    ("formatter", "options"),
    [
        (EcsFormatter, {"fmt": "%(message)s"}),
        (EcsFormatter, {"datefmt": "%Y"}),
        (EcsFormatter, {"service": 7}),
        (GoogleFormatter, {"project_id": ""}),
        (DatadogFormatter, {"tags": ["a"]}),
    ],
)
def test_mistakes_surface_at_construction(formatter: Any, options: dict[str, Any]) -> None:
    """As ConfigError."""
    with pytest.raises(ConfigError):
        formatter(**options)


def test_redaction_stands_in_front() -> None:
    """A filter on the handler; the formatter sees what it leaves."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactionFilter())
    handler.setFormatter(EcsFormatter())
    handler.handle(log_record("mail to %s", ("ann@example.com",), order={"to": "ann@example.com"}))
    assert "ann@example.com" not in stream.getvalue()
    assert json.loads(stream.getvalue())["message"] == "mail to [EMAIL]"


def test_the_page_s_configuration_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit_key: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it stands: three formats of a call and of a plain record, and the way back to the sealed line."""
    monkeypatch.chdir(tmp_path)
    (text,) = blocks(PAGE, "yaml")
    logging.config.dictConfig(yaml.safe_load(text))
    with audit_call(model="fake/model", messages=MESSAGES, user_id="u-42") as call:
        call.response(ANSWER)
    logging.getLogger("app").warning("mail to %s", "ann@example.com")
    outputs = {
        "google": capsys.readouterr().out,
        "ecs": Path("app-ecs.jsonl").read_text("ascii"),
        "datadog": Path("app-datadog.jsonl").read_text("ascii"),
    }
    for name, output in outputs.items():
        lines = [line.encode() for line in output.splitlines()]
        (of_call,) = [line for line in lines if b"chat_completion success" in line]
        (of_log,) = [line for line in lines if b"mail to" in line]
        assert json.loads(of_log)["message"] == "mail to [EMAIL]"
        (line,) = [
            one
            for one in lines_of(tmp_path / "audit_logs")
            if f'"id":"{seen(name, of_call, "id")}"'.encode() in one
        ]
        shipped = encoder(name)(line)
        for member in ("id", "user_id", "total_cost", "timestamp"):
            assert seen(name, shipped, member) == seen(name, of_call, member) is not None
        assert line.endswith(f',"mac":"{seen(name, shipped, "mac")}"}}'.encode())
        assert re.search(rb'"seq":%d,"kid"' % seen(name, shipped, "seq"), line)
    assert json.loads(outputs["datadog"].splitlines()[-1])["ddtags"] == "env:prod,team:billing"


def test_the_page_s_code_runs() -> None:
    """Its assertion holds."""
    for block in blocks(PAGE, "python"):
        exec(compile(block, "formats.md", "exec"), {})
    assert len(commands(PAGE)) == 4


def test_the_page_s_table_lists_every_field() -> None:
    """Under the names that the formats use."""
    rows = re.findall(r"^\| (\w+) \| `([^`]+)` \| `([^`]+)` \| `([^`]+)` \|$", PAGE, re.MULTILINE)
    told = {member: names for member, *names in rows}
    chain = {member: f"or_audit.{member}" for member in (*google.CHAIN, "leaf")}
    wanted = {
        member: [
            (ecs.NAMES | ecs.STUB_NAMES)[member],
            (google.NAMES | chain)[member],
            (datadog.NAMES | datadog.STUB_NAMES | {"environment": "ddtags"})[member],
        ]
        for member in (*ecs.NAMES, "leaf")
    }
    assert {member: told.get(member) for member in wanted} == wanted
    controls = set(ecs.CONTROL_NAMES) - set(ecs.NAMES)
    assert all(f"`{member}`" in PAGE for member in controls)
    assert set(datadog.CONTROL_NAMES) == set(google.CONTROL_NAMES) - {"leaf"} == set(ecs.CONTROL_NAMES)
