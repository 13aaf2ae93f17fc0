"""The top of the page: what it is on, the outcome in a sentence, whether the log holds, the main figures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from or_audit_logging.evidence.html.bars import sparkline
from or_audit_logging.evidence.html.buckets import buckets
from or_audit_logging.evidence.html.markup import Child, Element, tag
from or_audit_logging.evidence.html.plot import Number
from or_audit_logging.evidence.html.quantities import (
    count,
    count_short,
    counted,
    days,
    moment,
    money,
    percent,
    seconds,
)
from or_audit_logging.evidence.html.table import name
from or_audit_logging.evidence.reporting.figures import Report
from or_audit_logging.evidence.reporting.values import Group, Integrity

_VERDICTS = {
    "verified": ("good", "Integrity: verified"),
    "tampered": ("bad", "Integrity: changed after it was written"),
    "unanchored": ("warn", "Integrity: intact as it stands, its end not vouched for"),
    "cannot verify": ("warn", "Integrity: could not be verified"),
}
_MEANING = {
    "verified": "The log agrees with a checkpoint that was kept elsewhere.",
    "tampered": "The log shows signs of a change. The figures below are taken from it as it is.",
    "unanchored": (
        "What is there agrees with itself. No recent checkpoint kept elsewhere bounds the end of the log, "
        "so lines cut from its end would not be missed."
    ),
    "cannot verify": "The log could not be checked. The figures below are taken from it as it is.",
}


def header(report: Report) -> Element:
    """Return the top of the page."""
    return tag(
        "header",
        tag("p", "Audit log ", name(report.path), " · days in UTC", class_="kicker"),
        tag("h1", f"LLM calls and their cost, {title(report)}"),
        tag("p", *_lead(report), class_="lead"),
        _integrity(report.integrity),
        _incomplete(report),
        tag("dl", *_tiles(report), class_="tiles") if report.summary.total_requests else None,
    )


def title(report: Report) -> str:
    """Return the period in words."""
    return days(report.period.first_day, report.period.last_day)


def _lead(report: Report) -> list[Child]:
    summary = report.summary
    if not summary.total_requests:
        return ["The log has no calls in this period."]
    said: list[Child] = [f"{counted(summary.total_requests, 'call')} in {counted(report.period.days, 'day')}"]
    if summary.unpriced < summary.total_requests:
        said.append(f" cost {money(summary.cost)}")
    said.append(f"; {percent(summary.success_rate)} of them succeeded.")
    dearest = _dearest(report)
    if dearest:
        share = percent(float(dearest.cost / summary.cost))
        said += [" ", name(dearest.name, 64), f" took {share} of the cost, more than any other model."]
    return said


def _dearest(report: Report) -> Group | None:
    """Return the model that cost more than each other one; None if none does, or not all are listed."""
    ranked = sorted(report.by_model, key=lambda one: one.cost, reverse=True)
    listed = report.counts.get("by_model", len(ranked)) <= len(ranked)
    return (
        ranked[0] if listed and len(ranked) > 1 and ranked[0].cost > max(Decimal(0), ranked[1].cost) else None
    )


def _integrity(found: Integrity | None) -> Element:
    if found is None:
        return tag(
            "section",
            tag("h2", "Integrity: not checked for this report"),
            tag(
                "p",
                "Whether the log is as it was written is not known here. Made with ",
                tag("code", "or-audit report --verify"),
                " and the log\u2019s key or a checkpoint kept elsewhere, this page says so; ",
                tag("code", "or-audit verify"),
                " does by itself.",
            ),
            class_="integrity",
        )
    style, words = _VERDICTS.get(found.verdict, ("warn", f"Integrity: {found.verdict}"))
    findings = f"{counted(found.findings, 'finding')}. " if found.findings else ""
    said = "\n".join(line for line in found.summary.split("\n") if line.strip())
    return tag(
        "section",
        tag("h2", words),
        tag("p", f"{findings}{_MEANING.get(found.verdict, '')} {_checked(found)}".lstrip()),
        tag("p", _range(found)) if _range(found) else None,
        tag(
            "details",
            tag("summary", "As or-audit verify says it"),
            *(tag("p", line) for line in said.split("\n")),
        )
        if said
        else None,
        class_=f"integrity {style}",
    )


def _checked(found: Integrity) -> str:
    """Return what the log was held against, in words."""
    if found.key_checked:
        return "Checked with the key: the chain of lines and the seal of each."
    if found.signed_to is not None:
        return (
            "Checked without the key: the signatures of checkpoints in the log, up to line "
            f"{count(found.signed_to)}; not the seals of single lines."
        )
    if found.anchored_to is not None:
        return "Checked without the key: only the lines that the checkpoint kept elsewhere covers."
    return "No key was given: the seals were not checked."


def _range(found: Integrity) -> str | None:
    """Return which lines a checkpoint from outside covers, in words."""
    if found.last_seq is None:
        return None
    lines = f"The log has lines {count(found.first_seq or 0)} to {count(found.last_seq)}"
    if found.anchored_to is None:
        return f"{lines}; no checkpoint kept elsewhere covers any of them."
    kept = f", kept on {moment(found.anchored_at)}" if found.anchored_at else ", kept at an unknown time"
    after = found.last_seq - found.anchored_to
    rest = f"; it does not cover the {counted(after, 'line')} after that" if after > 0 else ""
    return (
        f"{lines}. A checkpoint kept elsewhere covers them up to line {count(found.anchored_to)}{kept}{rest}."
    )


def _incomplete(report: Report) -> Element | None:
    said = []
    if report.problems:
        where = counted(len(report.problems), "segment")
        said.append(
            f"{where} could not be read in full ({counted(report.bad_lines, 'line')} that are no record)."
        )
    if report.records_lost:
        said.append(f"The log says that {counted(report.records_lost, 'record')} could not be written.")
    if not said:
        return None
    more = tag("a", "The details.", href="#record")
    return tag(
        "section",
        tag("h2", "The figures are incomplete"),
        tag("p", " ".join(said), " ", more),
        class_="integrity warn",
    )


def _tiles(report: Report) -> list[Element]:
    summary = report.summary
    when = buckets(report.period)
    dated = [(date.fromisoformat(one.name), one) for one in report.by_day if one.name]
    cost = when.add_up((day, one.cost) for day, one in dated)
    calls = when.add_up((day, one.requests) for day, one in dated)
    failed = when.add_up((day, one.failed) for day, one in dated)
    tokens = when.add_up((day, one.total_tokens) for day, one in dated)

    times = [one.latency.p50 if one.latency else None for _, one in dated] if when.step == 1 else []

    def spark(key: str, words: str, values: Sequence[Number | None], colour: int = 0) -> Element | None:
        if len(values) < 2:
            return None
        title = f"{words} per {when.words}"
        return sparkline(f"spark-{key}", title, f"{len(values)} columns.", values, colour=colour)

    return [
        _tile(
            "Cost",
            money(None if summary.unpriced >= summary.total_requests else summary.cost),
            _cost_words(report),
            spark("cost", "Cost", cost),
        ),
        _tile(
            "Calls",
            _total(summary.total_requests),
            f"{count(summary.successful)} succeeded, {count(summary.failed)} failed",
            spark("calls", "Calls", calls),
        ),
        _tile(
            "Success rate",
            percent(summary.success_rate),
            f"failed calls per {when.words}:" if len(failed) > 1 else counted(summary.failed, "failed call"),
            spark("failed", "Failed calls", failed, 1),
        ),
        _tile(
            "Tokens",
            count_short(summary.total_tokens),
            f"{count_short(summary.prompt_tokens)} in, {count_short(summary.completion_tokens)} out"
            + (f"; {counted(summary.uncounted, 'call')} without a count" if summary.uncounted else ""),
            spark("tokens", "Tokens", tokens),
        ),
        _tile(
            "Response time",
            seconds(report.latency.p50),
            _within(report) if report.latency.count else "no call says how long it took",
            spark("time", "Median time", times),
        ),
    ]


def _within(report: Report) -> str:
    days = "; the median per day:" if report.period.days > 1 and buckets(report.period).step == 1 else ""
    return f"median; 95% within {seconds(report.latency.p95)}, 99% within {seconds(report.latency.p99)}{days}"


def _total(number: int) -> str:
    return count(number) if number < 10**6 else count_short(number)


def _cost_words(report: Report) -> str:
    summary = report.summary
    words = []
    if summary.unpriced:
        words.append(f"{counted(summary.unpriced, 'unpriced call')} not in it")
    else:
        words.append("every call has a price")
    if summary.byok:
        words.append(f"{money(summary.byok_cost)} of it on your own provider keys")
    return "; ".join(words)


def _tile(title: str, value: str, more: str, spark: Element | None) -> Element:
    return tag(
        "div",
        tag("dt", title),
        tag("dd", value, class_="value"),
        tag("dd", more, class_="more"),
        tag("dd", spark) if spark else None,
        class_="tile",
    )
