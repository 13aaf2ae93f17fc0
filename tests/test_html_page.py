"""The page of a report: its structure, its numbers, names that want to be more than names."""

from __future__ import annotations

import ast
import base64
import hashlib
import itertools
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from html_reading import Node, read_page, rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_samples import HOSTILE, START, empty_report, hostile_report, sample_report
from test_architecture import IO_MODULES, imports

from or_audit_logging.evidence import html
from or_audit_logging.evidence.html import page
from or_audit_logging.evidence.html.markup import visible
from or_audit_logging.evidence.html.quantities import count, day, exact, money, percent, seconds
from or_audit_logging.evidence.reporting.figures import Report
from or_audit_logging.evidence.reporting.values import (
    Count,
    Group,
    Integrity,
    Period,
    Problem,
)

REPORTS = {
    "a month": sample_report(),
    "a day": sample_report(1),
    "a year and more": sample_report(400),
    "nothing": empty_report(),
    "nothing on one day": empty_report(1),
    "two models": sample_report(3, models=("openai/gpt-4o", None)),
    "hostile names": hostile_report(),
}


@pytest.fixture(params=REPORTS)
def report(request: pytest.FixtureRequest) -> Report:
    """Each of the sample reports."""
    return REPORTS[request.param]


@pytest.fixture
def tree(report: Report) -> Node:
    """The page of each."""
    return read_page(page(report))


def amount(text: str) -> Decimal | None:
    """Return the amount that a cell says."""
    return None if text == "unknown" else Decimal(text.replace("$", "").replace(",", ""))


def check_harmless(tree: Node) -> None:
    """Hold a page against what it must not have, whatever it shows."""
    names = {node.name for node in tree.walk()}
    assert not names & set(
        "script img image iframe object embed link base form input use foreignobject a:href".split()
    )
    for node in tree.walk():
        for name, value in node.attributes.items():
            assert not name.startswith("on"), name
            assert name not in ("src", "srcset", "style", "action", "background", "ping", "xlink:href"), name
            assert name != "href" or value.startswith("#")
            assert "\n" not in name
    assert len(tree.all("style")) == 1
    assert len(tree.all("meta")) == 5


def test_tags_nest_and_nothing_runs_or_loads(tree: Node) -> None:
    """Every tag is closed by its own, and none is there that runs, loads or leads away."""
    check_harmless(tree)


def test_the_policy_lets_in_the_style_sheet_and_nothing_else(tree: Node) -> None:
    """The first thing after the encoding is a policy that names the style sheet by its hash."""
    encoding, policy = tree.all("meta")[:2]
    assert encoding.attributes == {"charset": "utf-8"}
    assert policy.attributes["http-equiv"] == "Content-Security-Policy"
    digest = base64.b64encode(hashlib.sha256(tree.all("style")[0].text.encode()).digest()).decode()
    assert policy.attributes["content"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_ids_are_there_once_and_references_lead_somewhere(tree: Node) -> None:
    """What labels a part, or a link leads to, exists."""
    ids = [node.attributes["id"] for node in tree.walk() if "id" in node.attributes]
    assert len(set(ids)) == len(ids)
    for node in tree.walk():
        for name in node.attributes.get("aria-labelledby", "").split():
            assert name in ids
        if "href" in node.attributes:
            assert node.attributes["href"].removeprefix("#") in ids


def test_every_picture_is_read_out(tree: Node) -> None:
    """An svg has role, title and description, or is part of one that has."""
    pictures = [svg for svg in tree.all("svg") if svg.attributes.get("aria-hidden") != "true"]
    for svg in pictures:
        assert svg.attributes["role"] == "img"
        heading, words = svg.own("title")[0], svg.own("desc")[0]
        assert heading.text
        assert words.text
        assert svg.attributes["aria-labelledby"] == f"{heading.attributes['id']} {words.attributes['id']}"


def test_every_chart_has_its_numbers(tree: Node) -> None:
    """A figure with a picture has one table, with a caption, in a closed fold that a keyboard can scroll."""
    for figure in tree.all("figure"):
        assert isinstance(figure.held[0], Node)
        assert figure.held[0].name == "figcaption"
        tables = figure.all("table")
        assert len(tables) <= 1
        if figure.all("svg"):
            assert len(tables) == len(figure.own("details")) == 1
            assert "open" not in figure.own("details")[0].attributes
    for table in tree.all("table"):
        assert table.own("caption")[0].text
        columns = len(table.all("thead")[0].all("th"))
        for row in table.all("tr"):
            assert len(row.all("th") + row.all("td")) == columns
            assert all(cell.attributes["scope"] in ("row", "col") for cell in row.own("th"))
    for region in tree.all("div"):
        if region.attributes.get("role") == "region":
            assert region.attributes["tabindex"] == "0"
            assert region.attributes["aria-label"]


def test_headings_go_down_one_by_one(tree: Node) -> None:
    """There is one h1, and no level is skipped."""
    levels = [int(node.name[1]) for node in tree.walk() if node.name in ("h1", "h2", "h3")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_the_same_report_gives_the_same_page(report: Report) -> None:
    """Nothing on the page comes from a clock or from chance."""
    assert page(report) == page(replace(report))


def test_a_page_is_made_of_values() -> None:
    """No module of the page imports anything that reaches outside: files, clocks, sockets, processes."""
    folder = Path(html.__file__).parent
    for path in sorted(folder.glob("*.py")):
        named = {name.split(".")[0] for _, name in imports(ast.parse(path.read_text("utf-8")))}
        assert not named & IO_MODULES, path.name
    assert len(list(folder.glob("*.py"))) > 10


def test_size() -> None:
    """A month of ten models takes about 120 KB, a year of them little more than the days in one table."""
    assert len(page(REPORTS["a month"]).encode()) < 125_000
    assert len(page(REPORTS["a year and more"]).encode()) < 250_000


def figure(tree: Node, title: str) -> Node:
    """Return the figure with a title."""
    return next(one for one in tree.all("figure") if one.all("h3")[0].text == title)


def tips(figure: Node) -> list[list[str]]:
    """Return the tooltips of a chart, line by line."""
    return [group.own("title")[0].text.split("\n") for group in figure.all("g")]


def test_cost_per_day_is_exact_and_the_chart_agrees() -> None:
    """Table and report agree to the last digit; a tooltip is the table's row, rounded."""
    report = REPORTS["a month"]
    chart = figure(read_page(page(report)), "Cost per day by model")
    heads = [cell.text for cell in chart.all("thead")[0].all("th")]
    table = rows(chart.all("table")[0])
    assert [row[0] for row in table] == [day((START + timedelta(n)).date()) for n in range(30)]
    assert [amount(row[1]) for row in table] == [one.cost for one in report.by_day]
    assert [int(row[-1]) for row in table] == [one.unpriced for one in report.by_day]
    for row, tip in zip(table, tips(chart), strict=True):
        amounts = [amount(cell) for cell in row[2:-1]]
        assert sum(one for one in amounts if one) == amount(row[1])
        expected = [row[0], f"total: {money(amount(row[1]))}"]
        shown = zip(reversed(heads[2:-1]), reversed(amounts), strict=True)
        expected += [f"{model}: {money(cost)}" for model, cost in shown if cost]
        expected += [f"unpriced calls: {row[-1]}"] if row[-1] != "0" else []
        assert tip == expected
    foot = [cell.text for cell in chart.all("tfoot")[0].walk() if cell.name in ("th", "td")]
    assert amount(foot[1]) == report.summary.cost
    for head, total in zip(heads[2:-2], foot[2:-2], strict=True):
        assert amount(total) == next(one.cost for one in report.by_model if one.name == head)


def test_calls_per_day_agree() -> None:
    """Table, tooltips and report have the same counts."""
    report = REPORTS["a month"]
    tree = read_page(page(report))
    chart = figure(tree, "Calls per day")
    table = rows(chart.all("table")[0])
    assert [[int(cell) for cell in row[1:4]] for row in table] == [
        [one.requests, one.successful, one.failed] for one in report.by_day
    ]
    assert [row[4] for row in table] == [percent(one.success_rate) for one in report.by_day]
    for row, tip in zip(table, tips(chart), strict=True):
        parts = [f"failed: {row[3]}"] * (row[3] != "0") + [f"succeeded: {row[2]}"]
        assert tip == [row[0], f"total: {row[1]}", *parts]
    failed = figure(tree, "Failed calls per day")
    assert [int(row[1]) for row in rows(failed.all("table")[0])] == [one.failed for one in report.by_day]


def test_bars_agree_with_their_tables() -> None:
    """What a bar says is what the table says, rounded, in the same order."""
    report = REPORTS["a month"]
    tree = read_page(page(report))
    for title in ("Who spent most", "Cost by model", "Cost by provider", "Cost by feature"):
        chart = figure(tree, title)
        table = rows(chart.all("table")[0])
        said = [(tip[0], tip[1]) for tip in tips(chart)]
        assert said == [(row[0], money(amount(row[1]))) for row in table[: len(said)]]
    spenders = rows(figure(tree, "Who spent most").all("table")[0])
    assert [(row[0], amount(row[1])) for row in spenders] == [
        (one.user_id, one.cost) for one in report.top_spenders
    ]
    models = rows(figure(tree, "Cost by model").all("table")[0])
    assert {row[0]: amount(row[1]) for row in models} == {one.name: one.cost for one in report.by_model}
    ended = figure(tree, "How calls ended")
    assert [tip[:2] for tip in tips(ended)] == [row[:2] for row in rows(ended.all("table")[0])]


def test_times_agree() -> None:
    """Percentiles of all calls, of days and of models are those of the report."""
    report = REPORTS["a month"]
    tree = read_page(page(report))
    for title, groups in (
        ("95% of answers within, per day", report.by_day),
        ("95% of answers within, by model", report.by_model),
    ):
        chart = figure(tree, title)
        times = [one.latency for one in groups if one.latency]
        assert len(times) == len(groups)
        assert [row[1:] for row in rows(chart.all("table")[0])] == [
            [
                *(f"{ms:,} ms" for ms in (one.p50, one.p95, one.p99, one.longest, one.average)),
                f"{one.count:,}",
            ]
            for one in times
        ]
        assert [tip[1] for tip in tips(chart)] == [seconds(one.p95) for one in times][: len(tips(chart))]
    percentiles = rows(figure(tree, "How long answers took").all("table")[0])
    assert percentiles[1] == ["95% within (p95)", "4,210.9 ms", "980.0 ms"]


def test_weeks_add_up() -> None:
    """Over a long period a column is a week, and the weeks add up to the same sum."""
    report = REPORTS["a year and more"]
    table = rows(figure(read_page(page(report)), "Cost per week by model").all("table")[0])
    assert table[0][0] == "1 to 7 Nov 2026"
    assert sum(amount(row[1]) or 0 for row in table) == report.summary.cost


def test_days_beyond_the_list_count_as_other() -> None:
    """Where the report lists fewer days by model than there are, the sums stay right and the page says so."""
    report = sample_report(30)
    report = replace(report, daily_cost=report.daily_cost[:50], counts={"daily_cost": len(report.daily_cost)})
    chart = figure(read_page(page(report)), "Cost per day by model")
    assert "count as other" in chart.text
    table = rows(chart.all("table")[0])
    assert [sum(amount(cell) or 0 for cell in row[2:-1]) for row in table] == [
        one.cost for one in report.by_day
    ]


def test_unknown_costs_are_not_zero() -> None:
    """A day, a model, a period without any known price is unknown, not free."""
    dear = Group(name="openai/gpt-4o", requests=2, successful=2, unpriced=2)
    report = empty_report(1)
    report = replace(
        report,
        summary=replace(report.summary, total_requests=2, successful=2, unpriced=2, success_rate=1.0),
        by_day=(replace(dear, name="2026-11-01"),),
        by_model=(dear,),
        by_status=(replace(dear, name="success"),),
    )
    tree = read_page(page(report))
    assert rows(figure(tree, "Cost per day by model").all("table")[0])[0][1] == "unknown"
    assert rows(figure(tree, "Cost by model").all("table")[0])[0][:2] == ["openai/gpt-4o", "unknown"]
    assert tree.all("dl")[0].all("dd")[0].text == "unknown"
    assert "cost $" not in tree.all("header")[0].text


def test_unpriced_calls_stand_beside_the_cost() -> None:
    """The sum says how many calls are not in it."""
    report = REPORTS["a month"]
    text = read_page(page(report)).text
    assert f"{report.summary.unpriced} unpriced calls not in it" in text
    assert exact(report.summary.cost) in text
    one = replace(report, summary=replace(report.summary, unpriced=1))
    assert "1 call has no known price and is in no sum" in read_page(page(one)).text


@pytest.mark.parametrize(
    ("verdict", "says"),
    [
        ("verified", "Integrity: verified"),
        ("tampered", "Integrity: changed after it was written"),
        ("unanchored", "Integrity: intact as it stands, its end not vouched for"),
        ("cannot verify", "Integrity: could not be verified"),
    ],
)
def test_the_verdict_is_said_in_words(verdict: str, says: str) -> None:
    """The top of the page says what verification found, and how far a checkpoint reaches."""
    found = Integrity(verdict=verdict, summary="", findings=3, first_seq=0, last_seq=99, anchored_to=89)
    header = read_page(page(replace(REPORTS["a month"], integrity=found))).all("header")[0]
    assert says in header.text
    assert (
        "covers them up to line 89, kept at an unknown time; it does not cover the 10 lines after that"
        in header.text
    )
    unbounded = replace(found, anchored_to=None)
    assert "no checkpoint kept elsewhere covers any" in page(replace(REPORTS["a month"], integrity=unbounded))


def test_an_unchecked_log_says_so() -> None:
    """Without anything to verify with, the page does not keep silent."""
    assert "not checked for this report" in page(replace(REPORTS["a month"], integrity=None))


def test_what_is_missing_is_said_on_top() -> None:
    """Lost records and unreadable segments are named before any figure."""
    problem = Problem("audit_2026-11-03.jsonl.gz", 0, "CRC check failed")
    report = replace(REPORTS["a month"], problems=(problem,), lost=(Count("disk full", 7),))
    tree = read_page(page(report))
    assert "1 segment could not be read in full" in tree.all("header")[0].text
    assert "7 records could not be written" in tree.all("header")[0].text
    assert rows(figure(tree, "Segments that could not be read in full").all("table")[0]) == [
        ["audit_2026-11-03.jsonl.gz", "0", "CRC check failed"]
    ]


def test_the_dearest_model_is_named_only_where_there_is_one() -> None:
    """Two models that cost the same, or a list that is not whole: no claim."""
    report = REPORTS["a month"]
    assert "more than any other model" in page(report)
    even = replace(report, by_model=tuple(replace(one, cost=Decimal(1)) for one in report.by_model))
    assert "more than any other model" not in page(even)
    cut = replace(report, counts={"by_model": len(report.by_model) + 1})
    assert "more than any other model" not in page(cut)


def test_a_period_without_calls() -> None:
    """Nothing is drawn where there is nothing."""
    tree = read_page(page(REPORTS["nothing"]))
    assert "no calls in this period" in tree.text
    assert tree.all("svg") == []


def test_hostile_names_stay_names() -> None:
    """Each name is on the page as the text that it is."""
    tree = read_page(page(REPORTS["hostile names"]))
    cells = {node.text for node in tree.walk() if node.name == "bdi"}
    for name in HOSTILE:
        if name and len(name) < 100:
            assert visible(name) in cells
    assert "(empty)" in tree.text


def test_a_name_does_not_add_lines_to_a_tooltip() -> None:
    """What follows a newline in a name is still the name, not a figure."""
    chart = figure(read_page(page(sample_report(1, users=("u-1\n$0.00",)))), "Who spent most")
    assert [len(tip) for tip in tips(chart)] == [3]
    assert tips(chart)[0][0] == "u-1[U+000A]$0.00"


NAMES = st.lists(
    st.none()
    | st.text(max_size=40)
    | st.text(st.characters(codec=None), max_size=40)
    | st.text(st.sampled_from("<>\"'&/=!-[]{};:()scriptonload \n\r\t\x00\u202e\u2028\ud800"), max_size=40),
    min_size=1,
    max_size=12,
    unique=True,
)


@given(NAMES)
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
def test_no_name_breaks_the_page(names: list[str | None]) -> None:
    """Whatever names a log has: the page nests, runs nothing, loads nothing, and can be written."""
    markup = page(hostile_report(names, days=2))
    assert markup.encode()
    assert markup.replace("\n", "").isprintable()
    check_harmless(read_page(markup))


@given(st.integers(1, 4000), st.integers(0, 3))
@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
def test_any_period_is_drawn(days: int, models: int) -> None:
    """Periods of any length, and models that cost nothing, make a page with at most 100 columns."""
    report = sample_report(1, models=("a/b", "c/d", None)[:models] or ("x",))
    report = replace(report, period=Period(START, START + timedelta(days), days))
    tree = read_page(page(report))
    chart = next(svg for svg in tree.all("svg") if "cost-by-day" in svg.attributes["aria-labelledby"])
    assert len(chart.own("g")) <= 100


def test_everything_is_zero() -> None:
    """Calls that cost nothing and took no time divide by nothing."""
    still = Group(name="free/model", requests=3, failed=3)
    report = empty_report(2)
    report = replace(
        report,
        summary=replace(report.summary, total_requests=3, failed=3, success_rate=0.0),
        by_day=(replace(still, name="2026-11-01"), Group(name="2026-11-02")),
        by_model=(still,),
        by_user=(still,),
        by_provider=(still,),
    )
    tree = read_page(page(report))
    assert count(3) in tree.text
    assert re.search(r"\b(nan|inf)\b", tree.text, re.IGNORECASE) is None


def test_repeats_are_those_of_the_period() -> None:
    """The page says so beside them, and nowhere else."""
    said = "In a folder, calls before the period are not looked at."
    assert said in page(sample_report())
    assert said not in page(empty_report())
