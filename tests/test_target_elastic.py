"""The target elastic against a data stream's bulk API (fake_elastic.py). The real thing: integration/."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fake_elastic import FakeElastic
from log_builder import DAY, LogBuilder

from or_audit_logging.errors import ConfigError, DeliveryError
from or_audit_logging.projections import ecs, encoder, kinds
from or_audit_logging.ship import Shipper
from or_audit_logging.ship.target import Answer, Item, RefusedError, Target, TargetOptions, TooLargeError
from or_audit_logging.ship.targets import open_target

EXAMPLES = Path(__file__).parent.parent / "examples" / "shipping" / "elasticsearch"
VECTORS = Path(__file__).parent / "vectors" / "formats" / "ecs.jsonl"
MADE = datetime(2026, 11, 21, 10, 30, 45, 123_456, tzinfo=UTC)


def item(seq: int) -> Item:
    """Return an item that says who it is."""
    line = b'{"timestamp":"2026-11-21T10:30:45.123456Z","secret":"personal","seq":%d}' % seq
    return Item(seq=seq, id=f"id-{seq}", time=MADE, line=line, body=encoder("ecs")(line))


@pytest.fixture
def elastic(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeElastic]:
    with FakeElastic() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def target(elastic: FakeElastic) -> Iterator[Target]:
    target = open_target(elastic.text, TargetOptions(timeout=5.0))
    yield target
    target.close()


def test_what_is_there_already_is_delivered(elastic: FakeElastic, target: Target) -> None:
    """409: the record's id is the document's. But each backing index of a data stream knows its own alone."""
    items = [item(1), item(2)]
    assert target.send(items) == Answer()
    assert target.send([*items, item(3)]) == Answer()
    assert elastic.ids() == ["id-1", "id-2", "id-3"]
    elastic.roll_over()
    target.send(items)
    assert elastic.ids() == ["id-1", "id-2", "id-3", "id-1", "id-2"]


def test_each_item_has_its_result(elastic: FakeElastic, target: Target) -> None:
    """Inside a 200: one refused for good, one to be tried again, one taken."""
    elastic.refuse("id-1")
    elastic.busy = {"id-2"}
    items = [item(1), item(2), item(3)]
    answer = target.send(items)
    assert answer == Answer(refused={0: "document_parsing_exception in labels.team (400)"}, again=(1,))
    assert target.send([items[1]]) == Answer()
    assert elastic.ids() == ["id-3", "id-2"]


def test_a_refusal_does_not_quote_the_line(elastic: FakeElastic, target: Target) -> None:
    """Elasticsearch does; what is said here may stand in somebody's journal."""
    elastic.refuse("id-1")
    (reason,) = target.send([item(1)]).refused.values()
    assert "personal" not in reason


def test_a_blocked_index_ends_it(elastic: FakeElastic, target: Target) -> None:
    """It is so for every line; waiting does not mend it."""
    elastic.is_blocked = True
    with pytest.raises(DeliveryError, match=r"cluster_block_exception \(403\)") as caught:
        target.send([item(1)])
    assert type(caught.value) is DeliveryError


def test_a_stub_gets_the_time_of_its_delivery(elastic: FakeElastic, tmp_path: Path) -> None:
    """A data stream takes nothing without a time; of records the time is their own."""
    builder = LogBuilder(day=None)
    builder.clock = datetime.now(UTC) - timedelta(hours=1)
    builder.open(DAY)
    builder.user(2)
    builder.redact(3)
    builder.save(tmp_path / "log")
    before = datetime.now(UTC)
    with Shipper(tmp_path / "log", elastic.text) as shipper:
        assert shipper.run().exit_code == 0
    (stub,) = [document for _name, document in elastic.documents if "or_audit.leaf" in document]
    assert stub["event.sequence"] == 3
    assert before <= datetime.fromisoformat(stub["@timestamp"]) <= datetime.now(UTC)
    records = [document for _name, document in elastic.documents if "or_audit.leaf" not in document]
    assert all(datetime.fromisoformat(document["@timestamp"]) < before for document in records)


def test_native_lines_stay_as_they_are(elastic: FakeElastic, target: Target) -> None:
    """So a data stream refuses them, and says why; an index may have them."""
    line = item(1).line
    answer = target.send([Item(seq=1, id="id-1", time=None, line=line, body=line)])
    assert answer.refused == {0: "document_parsing_exception in @timestamp (400)"}


def test_too_much_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """By whatever the server, or what stands before it, takes."""
    with FakeElastic(most_bytes=100) as elastic:
        for name, value in elastic.environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(TooLargeError):
            open_target(elastic.text).send([item(1)])


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"items":[]}',
        b'{"items":null}',
        b'{"items":[1]}',
        b'{"items":[{"create":3}]}',
        b'{"items":[{}]}',
        b"[" * 100_000,
    ],
)
def test_an_answer_that_is_none(
    elastic: FakeElastic, target: Target, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    """A 200 that does not speak of each item confirms none."""
    monkeypatch.setattr(elastic, "answer", lambda path, headers, body: (200, said))
    with pytest.raises(DeliveryError, match="each line"):
        target.send([item(1)])


@pytest.mark.parametrize(
    "result", [{}, {"status": "201"}, {"status": None}, {"status": 503}, {"status": 408}, {"status": 429}]
)
def test_a_result_that_says_nothing_is_asked_for_again(
    elastic: FakeElastic, target: Target, monkeypatch: pytest.MonkeyPatch, result: dict[str, object]
) -> None:
    """Only a status that says so is a delivery."""
    said = json.dumps({"items": [{"create": result}]}).encode()
    monkeypatch.setattr(elastic, "answer", lambda path, headers, body: (200, said))
    assert target.send([item(1)]) == Answer(again=(0,))


def test_a_whole_request_may_be_refused(elastic: FakeElastic, target: Target) -> None:
    """400: one of them is meant."""
    elastic.fail("400")
    with pytest.raises(RefusedError):
        target.send([item(1)])


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://h:9200",
        "https://h:9200/",
        "https://h:9200/Audit",
        "https://h:9200/_bulk",
        "https://h:9200/a?pipeline=x",
        "https://u:p@h:9200/a",
        "http://h:9200/a",
        "h:9200/a",
        "https://[h/a",
        "https://h/a*",
    ],
)
def test_an_address_is_checked(elastic: FakeElastic, address: str) -> None:
    """What names no stream is said before anything is sent."""
    with pytest.raises(ConfigError):
        open_target(f"elastic:{address}")


def test_credentials(elastic: FakeElastic, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key, or a user with a password; half of that is a slip."""
    monkeypatch.delenv("OR_AUDIT_ELASTIC_API_KEY")
    monkeypatch.setenv("OR_AUDIT_ELASTIC_USER", "writer")
    with pytest.raises(ConfigError, match="OR_AUDIT_ELASTIC_PASSWORD"):
        open_target(elastic.text)
    monkeypatch.setenv("OR_AUDIT_ELASTIC_PASSWORD", "pass:word")
    with pytest.raises(DeliveryError, match="401"):
        open_target(elastic.text).send([item(1)])
    assert elastic.requests[0]["authorization"] == "Basic d3JpdGVyOnBhc3M6d29yZA=="
    monkeypatch.delenv("OR_AUDIT_ELASTIC_USER")
    monkeypatch.delenv("OR_AUDIT_ELASTIC_PASSWORD")
    with pytest.raises(DeliveryError, match="401"):
        open_target(elastic.text).send([item(1)])
    assert "authorization" not in elastic.requests[1]


TYPES = {
    kinds.whole: "long",
    kinds.nanoseconds: "long",
    kinds.money: "double",
    kinds.number: "double",
    kinds.flag: "boolean",
    kinds.time: "date",
}
UNSEARCHED = {"type": "keyword", "index": False, "doc_values": False}


@pytest.mark.parametrize(
    ("file", "labels", "text"),
    [
        ("index-template.json", "flattened", "match_only_text"),
        ("opensearch-index-template.json", "flat_object", "text"),
    ],
)
def test_the_template_maps_every_field(file: str, labels: str, text: str) -> None:
    """Each by the kind of its values; money as a double, the sealed line as it is."""
    template = json.loads((EXAMPLES / file).read_text("ascii"))
    assert "or-audit" in template["index_patterns"]
    mapped = template["template"]["mappings"]["properties"]
    for fields in (ecs._FIELDS, ecs._CONTROL_FIELDS, ecs._STUB_FIELDS):
        for name, kind in fields.values():
            if mapped[name] not in ({"type": text}, UNSEARCHED):
                assert mapped[name]["type"] == TYPES.get(kind, "keyword"), name
    for name in ("or_audit.total_cost", "or_audit.upstream_cost"):
        assert mapped[name] == {"type": "double"}
    assert mapped["event.hash"]["type"] == "keyword"
    assert mapped["event.original"] == UNSEARCHED
    assert mapped["labels"] == {"type": labels}
    for line in VECTORS.read_text("ascii").splitlines():
        assert json.loads(line).keys() <= mapped.keys()


def test_the_policies_keep_as_long() -> None:
    """Both of them: what is deleted is deleted after as many days."""
    ilm = json.loads((EXAMPLES / "ilm-policy.json").read_text("ascii"))["policy"]["phases"]
    ism = json.loads((EXAMPLES / "opensearch-ism-policy.json").read_text("ascii"))["policy"]
    hot, delete = ism["states"]
    assert ilm["delete"]["min_age"] == hot["transitions"][0]["conditions"]["min_rollover_age"] == "400d"
    assert hot["transitions"][0]["state_name"] == delete["name"]
    assert ism["default_state"] == hot["name"]
    template = json.loads((EXAMPLES / "index-template.json").read_text("ascii"))
    assert template["template"]["settings"]["index.lifecycle.name"] == "or-audit"
    assert ism["ism_template"][0]["index_patterns"] == template["index_patterns"]
