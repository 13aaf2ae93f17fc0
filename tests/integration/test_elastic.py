"""A whole log goes to osmem, a server of OpenSearch's kind, and real clients read it (see README.md here)."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("osmem_server", reason="needs tests/integration/requirements-elastic.txt")
pytest.importorskip("opensearchpy", reason="needs tests/integration/requirements-elastic.txt")
pytest.importorskip("elasticsearch", reason="needs tests/integration/requirements-elastic.txt")

import opensearchpy
from elastic_transport import HttpHeaders, Urllib3HttpNode
from elasticsearch import Elasticsearch
from fakes import eventually
from log_builder import DAY, NEXT_DAY, LogBuilder
from osmem_server import resolve_binary

from or_audit_logging.cli.main import main
from or_audit_logging.errors import DeliveryError
from or_audit_logging.ship.target import Answer, Item
from or_audit_logging.ship.targets import open_target

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "shipping" / "elasticsearch"
INDEX = "or-audit"
COSTS = [*["0.25"] * 4, "0.00008410050", "1234567.89"]


@pytest.fixture(scope="module")
def osmem_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the server listens."""
    said = tmp_path_factory.mktemp("osmem") / "stdout"
    command = [resolve_binary(), "-addr", "127.0.0.1:0", "-no-stdin-watch"]
    with said.open("wb") as stream, subprocess.Popen(command, stdout=stream) as server:
        try:
            address = re.compile(r"http://127\.0\.0\.1:[1-9]\d*")
            eventually(lambda: bool(address.search(said.read_text())) or server.poll() is not None)
            found = address.search(said.read_text())
            assert found is not None, said.read_text()
            yield found[0]
        finally:
            server.terminate()


@pytest.fixture
def client(osmem_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """OpenSearch's own client, of a server with nothing in it; the target sends no credentials there."""
    for name in ("API_KEY", "USER", "PASSWORD"):
        monkeypatch.delenv(f"OR_AUDIT_ELASTIC_{name}", raising=False)
    with opensearchpy.OpenSearch(hosts=[osmem_url]) as client:
        yield client
        client.indices.delete(index=f"{INDEX}*", ignore_unavailable=True)
        client.indices.delete_index_template(name=INDEX, ignore=404)


@pytest.fixture
def log(tmp_path: Path) -> tuple[Path, list[dict[str, Any]]]:
    """The folder of a log with costs, labels and a redacted record; and its lines."""
    builder = LogBuilder(day=None)
    builder.clock = datetime.now(UTC) - timedelta(hours=1)
    builder.open(DAY)
    builder.user(30)
    builder.redact(5)
    builder.checkpoint()
    builder.open(NEXT_DAY)
    for cost in COSTS:
        record_id, made = builder._record_id(), builder._tick()
        record = f'"id":"{record_id}","timestamp":"{made}","total_cost":{cost},"metadata":{{"team":"red"}}'
        builder.seal(f'{{"event_type":"chat_completion","v":1,{record}}}'.encode())
    builder.save(tmp_path / "log")
    lines = b"".join(builder.segments.values()).splitlines()
    return tmp_path / "log", [json.loads(line) for line in lines]


def put_template(client: Any, *, file: str = "opensearch-index-template.json") -> None:
    """Put the example's template, for an index: osmem has no data streams."""
    template = json.loads((EXAMPLES / file).read_text("ascii"))
    del template["data_stream"]
    client.indices.put_index_template(name=INDEX, body=template)


def found(client: Any) -> list[dict[str, Any]]:
    """Return all documents in the log's order, as they are kept."""
    client.indices.refresh(index=INDEX)
    answer = client.search(index=INDEX, body={"size": 1_000, "sort": ["event.sequence"]})
    return [hit["_source"] | {"_id": hit["_id"]} for hit in answer["hits"]["hits"]]


def test_a_log_goes_there_and_is_found(
    client: Any, osmem_url: str, log: tuple[Path, list[dict[str, Any]]]
) -> None:
    """Each line once, under its id, however often it is shipped; the stub with the time of its delivery."""
    put_template(client)
    folder, lines = log
    command = ["ship", str(folder), "--to", f"elastic:{osmem_url}/{INDEX}"]
    assert main(command) == 0
    documents = found(client)
    assert [document["event.sequence"] for document in documents] == [line["seq"] for line in lines]
    assert [document["_id"] for document in documents] == [
        line.get("id", f"{line['log']}-{line['seq']}") for line in lines
    ]
    assert [document.get("event.hash") for document in documents] == [line.get("mac") for line in lines]
    assert main([*command, "--state", str(folder.parent / "forgotten")]) == 0
    assert found(client) == documents
    assert "@timestamp" in documents[5]
    assert "or_audit.leaf" in documents[5]


def test_money_adds_up(client: Any, osmem_url: str, log: tuple[Path, list[dict[str, Any]]]) -> None:
    """As a double, to the last digit that one holds; labels and hashes are found by what they are."""
    put_template(client)
    assert main(["ship", str(log[0]), "--to", f"elastic:{osmem_url}/{INDEX}"]) == 0
    client.indices.refresh(index=INDEX)
    total = {"total": {"sum": {"field": "or_audit.total_cost"}}}
    answer = client.search(index=INDEX, body={"size": 0, "aggs": total})
    assert answer["aggregations"]["total"]["value"] == float(sum(map(Decimal, COSTS)))
    assert client.count(index=INDEX, body={"query": {"term": {"labels.team": "red"}}})["count"] == len(COSTS)
    mac = log[1][-1]["mac"]
    assert client.count(index=INDEX, body={"query": {"term": {"event.hash": mac}}})["count"] == 1
    mapping = client.indices.get_mapping(index=INDEX)[INDEX]["mappings"]["properties"]
    assert mapping["or_audit"]["properties"]["total_cost"] == {"type": "double"}


@pytest.mark.parametrize("first", ["0", "0.0", "12"])
def test_the_first_value_is_never_whole(client: Any, osmem_url: str, tmp_path: Path, first: str) -> None:
    """Without a template the first value decides: a whole one would make 4 x 0.25 add up to 0."""
    builder = LogBuilder(day=None)
    builder.clock = datetime.now(UTC)
    builder.open(DAY)
    for cost in (first, *["0.25"] * 4):
        builder.seal(f'{{"event_type":"chat_completion","v":1,"total_cost":{cost}}}'.encode())
    builder.save(tmp_path / "log")
    assert main(["ship", str(tmp_path / "log"), "--to", f"elastic:{osmem_url}/{INDEX}"]) == 0
    client.indices.refresh(index=INDEX)
    total = {"total": {"sum": {"field": "or_audit.total_cost"}}}
    answer = client.search(index=INDEX, body={"size": 0, "aggs": total})
    assert answer["aggregations"]["total"]["value"] == float(first) + 1.0


def test_a_conflict_is_a_dead_letter(
    client: Any, osmem_url: str, log: tuple[Path, list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    """A line that the mapping has no place for stands aside, with the field; the others arrive."""
    folder, lines = log
    client.indices.create(
        index=INDEX, body={"mappings": {"properties": {"labels": {"properties": {"team": {"type": "long"}}}}}}
    )
    assert main(["ship", str(folder), "--to", f"elastic:{osmem_url}/{INDEX}"]) == 1
    assert len(found(client)) == len(lines) - len(COSTS)
    (letters,) = (folder / "ship").glob("*.dead.jsonl")
    reasons = {json.loads(letter)["reason"] for letter in letters.read_text("ascii").splitlines()}
    assert reasons == {"mapper_parsing_exception in labels.team (400)"}
    assert "red" not in capsys.readouterr().err


def test_a_blocked_index_ends_it(client: Any, osmem_url: str) -> None:
    """403 on an item is no matter of the item."""
    client.indices.create(index=INDEX)
    client.indices.put_settings(index=INDEX, body={"index.blocks.write": True})
    target = open_target(f"elastic:{osmem_url}/{INDEX}")
    item = Item(seq=1, id="id-1", time=datetime.now(UTC), line=b"{}", body=b'{"event.sequence":1}')
    with pytest.raises(DeliveryError, match="cluster_block_exception"):
        target.send([item])
    client.indices.put_settings(index=INDEX, body={"index.blocks.write": None})
    assert target.send([item]) == Answer() == target.send([item])
    target.close()


def test_elastics_client_reads_the_same(
    client: Any, osmem_url: str, log: tuple[Path, list[dict[str, Any]]]
) -> None:
    """Elasticsearch's own client, which asks for its own media types and for its own server's name."""

    class Node(Urllib3HttpNode):
        """On the way to a server of OpenSearch's kind: its media type, and the name that is asked for."""

        def perform_request(self, *arguments: Any, headers: Any = None, **options: Any) -> Any:
            plain = {name: "application/json" for name in ("accept", "content-type") if name in headers}
            answer = super().perform_request(*arguments, headers={**headers, **plain}, **options)
            named = HttpHeaders({**answer.meta.headers, "x-elastic-product": "Elasticsearch"})
            return answer._replace(meta=dataclasses.replace(answer.meta, headers=named))

    put_template(client)
    assert main(["ship", str(log[0]), "--to", f"elastic:{osmem_url}/{INDEX}"]) == 0
    documents = found(client)
    with Elasticsearch(osmem_url, node_class=Node) as reader:
        answer = reader.search(index=INDEX, size=1_000, sort=["event.sequence"])
    assert [hit["_source"] | {"_id": hit["_id"]} for hit in answer["hits"]["hits"]] == documents
