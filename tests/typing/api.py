"""What users may rely on, as mypy --strict sees it. Read by mypy, not run; see tests/test_typing.py."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from decimal import Decimal
from logging import StreamHandler
from pathlib import Path
from typing import assert_type

from or_audit_logging import (
    AuditedOpenRouter,
    AuditFileHandler,
    AuditJsonFormatter,
    AuditRecord,
    RedactingHandler,
    RedactionFilter,
    Redactor,
    SQLiteAuditHandler,
    VerificationReport,
    audit_call,
    audited,
    audited_completion,
    bind,
    carry_context,
    configure,
    emit,
    query,
    report,
    verify,
)
from or_audit_logging.errors import AuditWriteError, ConfigError
from or_audit_logging.evidence.html import page
from or_audit_logging.evidence.reconcile import reconcile
from or_audit_logging.evidence.reporting.figures import Report
from or_audit_logging.evidence.settle import settle
from or_audit_logging.formats import (
    DatadogFormatter,
    EcsFormatter,
    GoogleFormatter,
    Settings,
    encoder,
    project,
)
from or_audit_logging.handlers.redacting import redact_loggers
from or_audit_logging.openrouter import ActivityRow, OpenRouterAPI
from or_audit_logging.redaction import Finding
from or_audit_logging.retention import (
    PROFILES,
    Applied,
    Hold,
    Retained,
    RetentionPolicy,
    add_hold,
    apply,
    holds_of,
    plan,
    release_hold,
    retain,
    segments_of,
)
from or_audit_logging.testing import FakeOpenRouter, capture_audit


class Answer:
    text: str


@audited
def ask(question: str, *, model: str = "m", user_id: str | None = None) -> Answer:
    return Answer()


@audited(event_type="embeddings", user_id="service", metadata={"team": "a"}, hash="sha256")
def embed(texts: list[str]) -> list[float]:
    return []


@audited
async def ask_later(question: str) -> Answer:
    return Answer()


assert_type(ask("q", model="m", user_id="u"), Answer)
assert_type(embed(["a"]), list[float])
later: Callable[[str], Awaitable[Answer]] = ask_later

ask(1)  # type: ignore[arg-type]
ask("q", nothing=1)  # type: ignore[call-arg]
embed("text")  # type: ignore[arg-type]

handler = configure(
    "audit_logs", key=["env:A", lambda: b"x" * 32], on_failure="raise", redaction={"allow": ["a"]}
)
assert_type(handler, AuditFileHandler)
assert_type(handler.stats(), dict[str, int])
configure("audit_logs", on_failure="ignore")  # type: ignore[arg-type]
configure("audit_logs", database=Path("audit.db"))
store = SQLiteAuditHandler("audit.db", key="env:A", durability="fsync", lock_timeout=1)
assert_type(store.stats(), dict[str, int])
other = AuditFileHandler(
    Path("audit_logs/audit.jsonl"), key="file:audit.key", durability="fsync", max_line_bytes=4096
)
other.addFilter(RedactionFilter(allow=["support@example.com"]))
other.setFormatter(AuditJsonFormatter(static_fields={"service": "s"}))

with bind(user_id="u", session_id="s", feature="f"):
    ask("q")

with audit_call(model="m", messages=[{"role": "user", "content": "q"}], content="redacted") as call:
    assert_type(call.response(Answer()), Answer)
    call.set(user_id="u", feature="f")
    call.error(ValueError())
assert_type(call.record, AuditRecord | None)
audit_call(content="raw")  # type: ignore[arg-type]


async def ask_by_hand() -> None:
    async with audit_call(prompt="q", write_ahead=True, hash="sha256") as call:
        assert_type(call.response("a text"), str)


carried = carry_context(ask)
assert_type(carried("q", user_id="u"), Answer)
carried(1)  # type: ignore[arg-type]

client = AuditedOpenRouter("key", app_title="desk", model="m", timeout=30.0)
assert_type(client.chat("q", user_id=None, metadata={"a": 1}, temperature=0.5), str)
client.chat([{"role": "user", "content": "q"}], user_id="u", model="m")
client.chat("q")  # type: ignore[call-arg]
completion, logged = audited_completion([{"role": "user", "content": "q"}], model="m")
assert_type(logged, AuditRecord)
assert_type(completion.choices[0].message.content, str | None)

built = AuditRecord.build(model="m", prompt="q", response="a", error=ValueError(), latency_ms=1.5)
assert_type(built, AuditRecord)
emit(built, logger="openrouter.audit")
emit({})  # type: ignore[arg-type]

record = AuditRecord(event_type="chat_completion", id="1", timestamp="2026-11-21T10:30:45.000000Z")
assert_type(record.total_cost, Decimal | None)
assert_type(record.to_dict(), dict[str, object])
record.status = "error"  # type: ignore[misc]

for one in query("audit_logs", user="u-42", since=date(2026, 11, 1), min_cost="0.01", limit=20):
    cost: Decimal | None = one.total_cost
skipped: dict[str, int] = query("audit_logs").skipped.bad
found = verify("audit_logs", key="env:A", anchors=["elsewhere"], log_id=None, max_age=timedelta(hours=1))
found = verify("audit_logs", public_key=["audit.pub"], anchors="elsewhere", jobs=2)
assert_type(found, VerificationReport)
assert_type(found.exit_code, int)
places: list[tuple[str | None, int | None]] = [(finding.segment, finding.line) for finding in found.findings]
month = report("audit_logs", since=date(2026, 11, 1), until="2026-11-30", engine="sqlite", verify=True)
assert_type(month, Report)
assert_type(month.summary.cost, Decimal)
slowest: list[float | None] = [one.latency.p99 for one in month.by_model if one.latency]
verdict: str | None = month.integrity.verdict if month.integrity else None
html: str = page(month)


def masked(finding: Finding, text: str) -> str:
    return f"<{finding.type} of {finding.vendor or len(text)}>"


def names(text: str) -> list[Finding]:
    return [Finding("PERSON", "contact", 0, len(text))]


redactor = Redactor(
    packs=("gb", "mac"),
    actions={"CARD": "mask", "contact": "keep", "API_KEY": masked},
    allow=["a", "@example.org", "10.0.0.0/8"],
    deny_keys=["pin"],
    safe_keys={"ticket_no"},
    recognizers=[names, {"type": "STAFF_NUMBER", "pattern": "EMP-[0-9]{6}", "context": ["staff"]}],
    known_secrets=["12345678"],
)
assert_type(redactor.redact("text").text, str)
assert_type(redactor.redact("text").findings, tuple[Finding, ...])
assert_type(redactor.redact_value({"a": 1}), tuple[object, dict[str, int]])
assert_type(redactor.digest, str)
Redactor(actions={"CARD": 1})  # type: ignore[dict-item]
RedactionFilter(redactor=redactor)
assert_type(RedactingHandler(StreamHandler(), redactor=redactor).redactor.digest, str)
RedactingHandler({"class": "logging.StreamHandler"}, packs=["de"], actions={"EMAIL": "drop"})
assert_type(redact_loggers("httpx", allow=["a"]), RedactingHandler)

StreamHandler().setFormatter(EcsFormatter(service="checkout"))
StreamHandler().setFormatter(GoogleFormatter(project_id="my-project", environment="prod"))
StreamHandler().setFormatter(DatadogFormatter(tags="team:billing"))
assert_type(encoder("datadog", original=True, settings=Settings(tags="a:b", service="c"))(b"{}"), bytes)
assert_type(project("ecs", {"event_type": "log"}), dict[str, object])

with FakeOpenRouter() as server, capture_audit() as records:
    assert_type(server.base_url, str)
    assert_type(records, list[AuditRecord])

error: ValueError = ConfigError("wrong")
response: object = AuditWriteError("not written", response=Answer()).response

with OpenRouterAPI("env:OPENROUTER_API_KEY", rate=5, retries=2) as api:
    assert_type(api.generation("gen-1").total_cost, Decimal | None)
    assert_type(api.key().usage_daily, Decimal | None)
    assert_type(api.activity(date(2026, 11, 20)), tuple[ActivityRow, ...])
    assert_type(settle("log", api=api, give_up=timedelta(days=7), dry_run=True).cost, Decimal)
    assert_type(reconcile(Path("log"), since=date(2026, 11, 20), api=api).exit_code, int)

policy = RetentionPolicy(archive_after_days=30, delete_after_days=90, name="ours")
retained = retain("audit_logs", [policy, "hipaa", Path("ours.json")], key="env:A", actor="cron", dry_run=True)
assert_type(retained, Retained)
assert_type(retained["deleted"], list[str])
actions = plan(segments_of("audit_logs"), PROFILES["hipaa"], date(2026, 11, 21), holds_of("audit_logs"))
assert_type(apply(actions, key="env:A", reason="schedule"), Applied)
assert_type(add_hold("audit_logs", "case-7", since=date(2026, 10, 1), reason="litigation"), Hold)
assert_type(release_hold("audit_logs", "case-7"), Hold)
