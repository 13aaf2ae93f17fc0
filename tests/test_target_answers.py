"""Whatever a target's other end answers: an answer for each item, or an error that shipping knows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_audit_logging.errors import DeliveryError
from or_audit_logging.ship.http import Response
from or_audit_logging.ship.target import Item, Target
from or_audit_logging.ship.targets.elastic import ElasticTarget
from or_audit_logging.ship.targets.splunk import SplunkTarget

ITEMS = [Item(seq=seq, id=f"id-{seq}", time=None, line=b"{}", body=b'{"a":1}') for seq in range(3)]

LEAVES = st.none() | st.booleans() | st.integers(-1, 600) | st.floats() | st.text(max_size=5)
NAMES = st.sampled_from(
    [
        "code",
        "text",
        "ackId",
        "acks",
        "invalid-event-number",
        "items",
        "create",
        "status",
        "error",
        "type",
        "reason",
        "0",
    ]
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=20,
)
RESULTS = st.lists(st.fixed_dictionaries({"create": ANYTHING}), min_size=2, max_size=4)
SHAPED = st.fixed_dictionaries({"items": RESULTS}) | st.fixed_dictionaries({"code": LEAVES, "ackId": LEAVES})
BODIES = st.binary(max_size=40) | (ANYTHING | SHAPED).map(lambda value: json.dumps(value).encode())


class Said:
    """Answers as it was told, over and over."""

    name = "https://target.example"

    def __init__(self, status: int, body: bytes) -> None:
        self._response = Response(status, body)

    def post(self, body: bytes, **options: Any) -> Response:
        return self._response

    def without_secrets(self, text: str) -> str:
        return text

    def close(self) -> None:
        pass


def splunk(said: Any) -> Target:
    """A target that does not wait."""
    return SplunkTarget(said, metadata={}, channel="c", timeout=0.0, wait=lambda pause: None)


@pytest.mark.parametrize("made", [splunk, ElasticTarget])
@given(status=st.sampled_from([200, 400]), body=BODIES)
def test_an_answer_is_understood_or_refused(made: Callable[[Any], Target], status: int, body: bytes) -> None:
    """Nothing else is raised, and no index is one of no item."""
    target = made(Said(status, body))
    for _ in range(2):
        try:
            answer = target.send(ITEMS)
        except DeliveryError:
            continue
        places = [*answer.refused, *answer.again]
        assert len(places) == len(set(places))
        assert set(places) <= set(range(len(ITEMS)))
        assert all(answer.refused.values())


@given(st.integers() | LEAVES)
def test_only_a_status_that_says_so_is_a_delivery(status: object) -> None:
    """Created, or there already."""
    said = {"items": [{"create": {"status": status}}]}
    try:
        answer = ElasticTarget(Said(200, json.dumps(said).encode())).send(ITEMS[:1])  # type: ignore[arg-type]
    except DeliveryError:
        return
    is_taken = not answer.refused and not answer.again
    assert is_taken == (type(status) is int and (200 <= status < 300 or status == 409))
