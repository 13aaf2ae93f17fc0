"""`or-audit demo`: the whole trail in a few seconds, on this machine alone.

A server on loopback that speaks OpenRouter's API stands in for OpenRouter; everything else is real: the
openai SDK, the decorator, the sealed log, the anchor, the verifier.
"""

from __future__ import annotations

import argparse
import json
import logging
import secrets
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from or_audit_logging.capture.decorator import audited
from or_audit_logging.cli.output import paint, table
from or_audit_logging.cli.verdicts import verdict_text
from or_audit_logging.context import bind
from or_audit_logging.errors import MissingExtraError
from or_audit_logging.evidence.verify import verify
from or_audit_logging.handlers.configure import AUDIT_LOGGER
from or_audit_logging.handlers.file import AuditFileHandler
from or_audit_logging.handlers.filters import RedactionFilter
from or_audit_logging.log.handing_over import CHECKPOINT_LOGGER
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.testing import FakeOpenRouter

HELP = "make a few dozen calls to a stand-in for OpenRouter, seal, verify and tamper"

API_KEY = "sk-or-v1-fake-key-of-the-demo"

QUESTIONS = (
    ("ann.smith@example.com", "openai/gpt-4o-mini", "faq", "What is an audit trail?"),
    ("u-17", "anthropic/claude-sonnet-4.5", "summary", "Summarise the minutes of Monday's meeting."),
    ("u-42", "google/gemini-2.5-flash", "translate", "Translate 'good morning' into Estonian."),
    ("u-42", "openai/gpt-4o-mini", "faq", "How long are records kept?"),
    ("u-99", "mistralai/mistral-small", "triage", "Is this message urgent? 'The printer smokes.'"),
)
FAILURES = (
    ("u-17", "demo/e429", "summary", "One question too many."),
    ("u-42", "demo/e402", "translate", "A question without credit."),
    ("u-99", "demo/e403", "triage", "A question that moderation stops."),
    ("u-99", "demo/choiceerr", "triage", "A question whose answer breaks off in an error."),
)


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "demo",
        help=HELP,
        description="Show the whole trail: calls through the real openai SDK to a stand-in for OpenRouter on "
        "this machine, sealed records, an anchor, a verification, and one changed byte. Needs no network "
        "and no key, and leaves nothing behind unless --keep is given.",
        epilog="example: or-audit demo --keep demo_logs. "
        "Exit codes: 0 all came as it should, 1 a verdict was not the one expected, 2 could not.",
    )
    parser.add_argument("--keep", metavar="DIR", help="keep the log, its key and its anchor in DIR (new)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the demonstration; 0 if every step came out as it should."""
    if options.keep:
        place = Path(options.keep)
        place.mkdir(mode=0o700, parents=True)
        return _demonstrate(place, kept=True)
    with tempfile.TemporaryDirectory(prefix="or-audit-demo-") as folder:
        return _demonstrate(Path(folder), kept=False)


def _demonstrate(place: Path, *, kept: bool) -> int:
    log, anchor, key_file = place / "audit_logs", place / "audit.anchors", place / "audit.key"
    key_file.touch(mode=0o600)
    key_file.write_text(secrets.token_urlsafe(48) + "\n", encoding="ascii")
    key = f"file:{key_file}"

    _step(1, "Calls", "a decorated function, the real openai SDK, a stand-in for OpenRouter on loopback")
    _make_calls(log, anchor, key)
    records = [record for record in _records(log) if not record["event_type"].startswith("log.")]
    _show(records)

    _step(2, "Cost", "the provider's own figures, added up exactly")
    _show_costs(records)

    _step(3, "Verify", f"key and anchor: or-audit verify {log.name} --anchor {anchor.name}")
    honest = verify(log, key=key, anchors=[anchor])
    print(verdict_text(honest))

    _step(4, "Tamper", "one byte of one record, changed in a copy")
    forged = place / "forged_logs"
    line = _change_one_byte(log, forged)
    report = verify(forged, key=key, anchors=[anchor])
    print(verdict_text(report))
    print(paint(f"The changed byte is in line {line}.", "dim"))

    if kept:
        print(f"\nKept in {place}. Try: or-audit verify {log} --key file:{key_file} --anchor {anchor}")
    return 0 if honest.verdict == "verified" and report.verdict == "tampered" else 1


def _make_calls(log: Path, anchor: Path, key: str) -> None:
    try:
        import openai
    except ImportError:
        raise MissingExtraError(extra="demo", needed_for="or-audit demo") from None
    handler = AuditFileHandler(log / "audit.jsonl", key=key)
    handler.addFilter(RedactionFilter())
    logger = logging.getLogger(AUDIT_LOGGER)
    logger.addHandler(handler)
    logger.propagate = False
    keeper = logging.FileHandler(anchor, encoding="ascii")
    logging.getLogger(CHECKPOINT_LOGGER).addHandler(keeper)
    try:
        with FakeOpenRouter() as server:
            client = openai.OpenAI(base_url=server.base_url, api_key=API_KEY, max_retries=0)

            @audited
            def ask(messages: Any, *, model: str, user_id: str) -> Any:
                return client.chat.completions.create(model=model, messages=messages)

            for round_ in range(6):
                for user, model, feature, question in QUESTIONS:
                    with bind(feature=feature, round=round_):
                        ask([{"role": "user", "content": question}], model=model, user_id=user)
            for user, model, feature, question in FAILURES:
                with bind(feature=feature):
                    try:
                        ask([{"role": "user", "content": question}], model=model, user_id=user)
                    except openai.APIStatusError as error:
                        print(f"  the caller got {type(error).__name__} {error.status_code}, as without us")
            client.close()
        handler.finish()
    finally:
        logger.removeHandler(handler)
        logging.getLogger(CHECKPOINT_LOGGER).removeHandler(keeper)
        keeper.close()


def _records(log: Path) -> Iterator[dict[str, Any]]:
    layout = LogLayout.discover(log)
    for _, segment in layout.segments() if layout else ():
        with segment.open() as file:
            for line in file:
                yield json.loads(line, parse_float=Decimal)


def _show(records: list[dict[str, Any]]) -> None:
    rows = [["seq", "user", "model asked", "model served", "status", "tokens", "cost USD"]]
    rows += [_row(record) for record in [*records[:5], *records[-len(FAILURES) :]]]
    print(table(rows, right=(0, 5, 6)))
    print(paint(f"{len(records)} records, {len({r['user_id'] for r in records})} users.", "dim"))
    print(
        paint(
            "No prompt and no answer is in the log, only keyed hashes; the e-mail address that was used",
            "dim",
        )
    )
    print(paint("as a user id became a keyed pseudonym:", "dim"), records[0]["user_id"])


def _row(record: dict[str, Any]) -> list[str]:
    status = (
        record["status"] if record["error_code"] is None else f"{record['status']} {record['error_code']}"
    )
    return [
        str(record["seq"]),
        _short(record["user_id"]),
        _short(record["model_requested"]),
        _short(record["model_used"]),
        status,
        _short(record["total_tokens"]),
        _short(record["total_cost"]),
    ]


def _short(value: object) -> str:
    if value is None:
        return "-"
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    return text if len(text) <= 30 else text[:27] + "..."


def _show_costs(records: list[dict[str, Any]]) -> None:
    cost: defaultdict[str, Decimal] = defaultdict(Decimal)
    calls: defaultdict[str, int] = defaultdict(int)
    unpriced = 0
    for record in records:
        model = record["model_used"] or record["model_requested"]
        calls[model] += 1
        if record["total_cost"] is None:
            unpriced += 1
        else:
            cost[model] += Decimal(record["total_cost"])
    rows = [["model", "calls", "cost USD"]]
    rows += [
        [model, str(calls[model]), format(cost[model], "f") if model in cost else "-"]
        for model in sorted(calls)
    ]
    rows.append(["total", str(len(records)), format(sum(cost.values(), Decimal()), "f")])
    print(table(rows, right=(1, 2)))
    print(paint(f"{unpriced} calls have no cost from the provider: unknown, not zero.", "dim"))


def _change_one_byte(log: Path, forged: Path) -> int:
    """Copy *log* to *forged* with one digit of a token count changed; return the line's number."""
    shutil.copytree(log, forged)
    layout = LogLayout.discover(forged)
    path = layout.segments()[-1][1].path if layout else forged
    lines = path.read_bytes().splitlines(keepends=True)
    number = next(n for n, line in enumerate(lines) if b'"total_tokens":' in line and n > len(lines) // 2)
    at = lines[number].index(b'"total_tokens":') + len(b'"total_tokens":')
    digit = lines[number][at : at + 1]
    lines[number] = lines[number][:at] + (b"1" if digit != b"1" else b"2") + lines[number][at + 1 :]
    path.write_bytes(b"".join(lines))
    return number + 1


def _step(number: int, title: str, text: str) -> None:
    print(f"\n{paint(f'{number}. {title}', 'bold')}  {text}")
