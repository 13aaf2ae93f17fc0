"""Whatever a target answers, each item arrives or is refused as it said: none lost, none both."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shipping import MemoryTarget

from or_audit_logging.errors import DeliveryError
from or_audit_logging.ship import Answer, Item, Limits
from or_audit_logging.ship.batches import Batch, outdated, unfit
from or_audit_logging.ship.delivery import LONGEST_RETRY_AFTER, Delivery, StoppedError
from or_audit_logging.ship.items import time_of
from or_audit_logging.ship.target import RefusedError, TooLargeError, TryLaterError

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


def items(count: int, *, size: int = 10) -> list[Item]:
    """Return items with seq from 0."""
    return [Item(seq, f"id-{seq}", None, b"x" * size, b"x" * size) for seq in range(count)]


class Clock:
    """A clock that waiting sets forward; `pauses` has what was waited."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.pauses: list[float] = []

    def wait(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def delivery(target: Any, clock: Clock, **options: Any) -> Delivery:
    """Return a delivery under *clock*, without chance."""
    return Delivery(
        target, **({"wait": clock.wait, "clock": lambda: clock.now, "chance": lambda: 1.0} | options)
    )


def raising(*errors: Exception) -> Callable[[Sequence[Item]], Answer]:
    """Return what raises each of *errors* in turn, and takes everything then."""
    left = list(errors)

    def answer(_items: Sequence[Item]) -> Answer:
        if left:
            raise left.pop(0)
        return Answer()

    return answer


# splitting


@pytest.mark.parametrize("most", [1, 2, 3, 7, 10, 16])
def test_what_is_too_large_is_split(most: int) -> None:
    """Down to single items where need be; in their order, each once."""

    def answer(sent: Sequence[Item]) -> Answer:
        if len(sent) > most:
            raise TooLargeError("413")
        return Answer()

    target = MemoryTarget(answer)
    assert delivery(target, Clock()).deliver(items(16)) == {}
    assert [item.seq for item in target.items] == list(range(16))
    assert max(map(len, target.batches)) <= most


def test_a_single_item_that_is_too_large_is_refused() -> None:
    """The others arrive."""

    def answer(sent: Sequence[Item]) -> Answer:
        if any(item.seq == 5 for item in sent):
            raise TooLargeError("answered 413")
        return Answer()

    target = MemoryTarget(answer)
    assert delivery(target, Clock()).deliver(items(16)) == {5: "answered 413"}
    assert [item.seq for item in target.items] == [seq for seq in range(16) if seq != 5]


@given(st.sets(st.integers(0, 63)), st.integers(1, 64))
def test_refusals_are_narrowed_down_to_exactly_those_items(bad: set[int], count: int) -> None:
    """A target that says only that something is wrong: halves find what it is."""
    calls = 0

    def answer(sent: Sequence[Item]) -> Answer:
        nonlocal calls
        calls += 1
        if any(item.seq in bad for item in sent):
            raise RefusedError("answered 422")
        return Answer()

    target = MemoryTarget(answer)
    clock = Clock()
    refused = delivery(target, clock).deliver(items(count))
    assert set(refused) == {seq for seq in bad if seq < count}
    assert [item.seq for item in target.items] == [seq for seq in range(count) if seq not in bad]
    assert clock.pauses == []
    assert calls <= 1 + 2 * len(refused) * (1 + math.ceil(math.log2(count)))


# one after the other


def test_items_are_refused_and_tried_again_one_by_one() -> None:
    """By their index in what was sent, which shrinks."""
    answers = [
        Answer(refused={1: "one"}, again=[0, 3, 5], retry_after=2.0),
        Answer(refused={2: "five"}, again=[1]),
        Answer(),
    ]
    target = MemoryTarget(lambda sent: answers.pop(0))
    clock = Clock()
    assert delivery(target, clock).deliver(items(6)) == {1: "one", 5: "five"}
    assert [[item.seq for item in batch] for batch in target.batches] == [[2, 4], [0], [3]]
    assert clock.pauses == [2.0, 1.0]


def test_what_is_both_refused_and_to_be_tried_again_is_refused() -> None:
    """A target that says both does not have it twice."""
    answers = [Answer(refused={0: "no"}, again=[0, 1, 1])]
    target = MemoryTarget(lambda sent: answers.pop(0) if answers else Answer())
    assert delivery(target, Clock()).deliver(items(2)) == {0: "no"}
    assert [item.seq for item in target.items] == [1]


class Scripted:
    """Answers as the *script* says, item by item; and keeps what it said itself."""

    name = "scripted"
    format = "native"
    limits = Limits(items=100, bytes=1 << 20, item_bytes=1 << 20)

    def __init__(self, script: list[Any]) -> None:
        self._script = script
        self.confirmed: list[int] = []
        self.refused: list[int] = []

    def send(self, sent: Sequence[Item], /) -> Answer:
        step = self._script.pop(0) if self._script else "take"
        if step == "later":
            raise TryLaterError("503", retry_after=0.5)
        if step == "lost answer":
            self.confirmed += [item.seq for item in sent]
            raise TryLaterError("cut")
        if step in ("large", "refused"):
            if len(sent) == 1:
                self.refused.append(sent[0].seq)
            raise TooLargeError("413") if step == "large" else RefusedError("422")
        if step == "take":
            self.confirmed += [item.seq for item in sent]
            return Answer()
        refused, again = {}, []
        for index, item in enumerate(sent):
            fate = step[index % len(step)]
            if fate == "refused":
                refused[index] = f"{item.seq} is refused"
                self.refused.append(item.seq)
            elif fate == "again":
                again.append(index)
            else:
                self.confirmed.append(item.seq)
        return Answer(refused=refused, again=again)

    def close(self) -> None:
        """Nothing is open."""


_STEPS = st.one_of(
    st.sampled_from(["take", "later", "lost answer", "large", "refused"]),
    st.lists(st.sampled_from(["take", "refused", "again"]), min_size=1, max_size=5),
)


@given(st.lists(_STEPS, max_size=12), st.integers(1, 12))
def test_every_item_ends_as_the_target_said(script: list[Any], count: int) -> None:
    """Confirmed or refused, not both but where an answer was lost; twice only then."""
    target = Scripted(list(script))
    refused = delivery(target, Clock()).deliver(items(count))
    assert set(refused) == set(target.refused)
    assert len(target.refused) == len(refused)
    assert set(target.confirmed) | set(refused) == set(range(count))
    if "lost answer" not in script:
        assert sorted(target.confirmed + target.refused) == list(range(count))


@given(st.lists(st.sampled_from(["take", "later", "lost answer", "large"]), max_size=12))
def test_order_is_kept(script: list[Any]) -> None:
    """Repetitions taken away, items arrive in the order in which they were given."""
    target = Scripted(list(script))
    refused = delivery(target, Clock()).deliver(items(9))
    assert list(dict.fromkeys(target.confirmed)) == [seq for seq in range(9) if seq in target.confirmed]
    assert set(target.confirmed) | set(refused) == set(range(9))


# waiting


def test_pauses_grow_and_begin_anew_after_a_success() -> None:
    """Seconds: 1, 2, 4, up to a minute; what was asked for, where that is longer."""
    target = MemoryTarget(raising(*(TryLaterError("503") for _ in range(8))))
    clock = Clock()
    brought = delivery(target, clock)
    brought.deliver(items(1))
    assert clock.pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    target._answer = raising(TryLaterError("429", retry_after=7.5), TryLaterError("429", retry_after=0.1))
    brought.deliver(items(1))
    assert clock.pauses[8:] == [7.5, 2.0]


@pytest.mark.parametrize("asked", [86_400.0, 1e12, math.inf])
def test_no_target_has_us_wait_for_a_day(asked: float) -> None:
    """It is asked again each hour; and where patience ends before that, at once given up."""
    clock = Clock()
    target = MemoryTarget(raising(TryLaterError("429", retry_after=asked)))
    delivery(target, clock).deliver(items(1))
    assert clock.pauses == [LONGEST_RETRY_AFTER]
    target = MemoryTarget(raising(TryLaterError("429", retry_after=asked)))
    with pytest.raises(DeliveryError, match="429; given up after 0 s and 1 tries"):
        delivery(target, clock, patience=300.0).deliver(items(1))
    assert len(clock.pauses) == 1


@pytest.mark.parametrize("asked", [-1.0, 0.0, math.nan, None])
def test_what_asks_for_no_time_gets_the_usual_pause(asked: float | None) -> None:
    """A negative number or none at all does not let requests go out in a loop."""
    clock = Clock()
    delivery(MemoryTarget(raising(TryLaterError("429", retry_after=asked))), clock).deliver(items(1))
    assert clock.pauses == [1.0]


def test_patience_is_for_failures_in_a_row() -> None:
    """What gets on, however slowly, is not given up."""
    left = [0] * 40

    def answer(sent: Sequence[Item]) -> Answer:
        first = sent[0].seq
        left[first] += 1
        if left[first] < 4:
            raise TryLaterError("503")
        return Answer(again=range(1, len(sent)))

    target = MemoryTarget(answer)
    clock = Clock()
    assert delivery(target, clock, patience=20.0).deliver(items(40)) == {}
    assert len(target.items) == 40
    assert sum(clock.pauses) > 200


def test_refusals_in_between_are_no_failures_in_a_row() -> None:
    """The target answers: it is there."""
    script: list[Exception] = []
    for _ in range(20):
        script += [TryLaterError("503"), TryLaterError("503"), RefusedError("422")]
    target = MemoryTarget(raising(*script))
    clock = Clock()
    refused = delivery(target, clock, patience=10.0).deliver(items(8))
    assert len(refused) + len(target.items) == 8


def test_patience_ends() -> None:
    """With the reason, and how long and how often it was tried."""
    told: list[str] = []
    clock = Clock()
    target = MemoryTarget(raising(*(TryLaterError("answered 503") for _ in range(50))))
    with pytest.raises(DeliveryError, match=r"answered 503; given up after 15 s and 5 tries"):
        delivery(target, clock, patience=20.0, told=told.append).deliver(items(3))
    assert told == ["answered 503; trying again in 1 s"]
    assert target.items == []


def test_an_outage_is_said_now_and_then() -> None:
    """When it begins, once an hour, and when it is over."""
    told: list[str] = []
    clock = Clock()
    target = MemoryTarget(raising(*(TryLaterError("answered 503") for _ in range(200))))
    brought = delivery(target, clock, told=told.append)
    brought.deliver(items(3))
    assert 3 * 3600 < sum(clock.pauses) < 4 * 3600
    assert told[0] == "answered 503; trying again in 1 s"
    assert told[1:4] == ["answered 503; trying again in 60 s"] * 3
    assert told[4:] == ["memory: delivered again after 3 hours"]
    brought.deliver(items(3))
    assert len(told) == 5


def test_a_limit_on_requests_is_not_said_each_time() -> None:
    """Failures that come again within a minute are one trouble; a new outage is said once it is one."""
    told: list[str] = []
    clock = Clock()
    target = MemoryTarget()
    brought = delivery(target, clock, told=told.append)
    for _ in range(20):
        target._answer = raising(TryLaterError("429", retry_after=5.0))
        brought.deliver(items(1))
    assert told == ["429; trying again in 5 s", "memory: delivered again after 5 s"]
    target._answer = raising(*(TryLaterError("503") for _ in range(9)))
    brought.deliver(items(1))
    assert told[2:] == ["503; trying again in 60 s", "memory: delivered again after 4 minutes"]
    clock.now += 600
    target._answer = raising(TryLaterError("500"))
    brought.deliver(items(1))
    assert told[4:] == ["500; trying again in 1 s", "memory: delivered again after 1 s"]


@pytest.mark.parametrize("error", [RefusedError("422"), TooLargeError("413")])
def test_what_answers_is_there(error: Exception) -> None:
    """Also with a refusal: the trouble is over."""
    told: list[str] = []
    target = MemoryTarget(raising(TryLaterError("503"), error))
    delivery(target, Clock(), told=told.append).deliver(items(1))
    assert told == ["503; trying again in 1 s", "memory: delivered again after 1 s"]


def test_for_good_is_for_good() -> None:
    """No later try will do: it is not tried."""
    clock = Clock()
    with pytest.raises(DeliveryError, match="401"):
        delivery(MemoryTarget(raising(DeliveryError("401"))), clock).deliver(items(3))
    assert clock.pauses == []


def test_a_stop_ends_waiting() -> None:
    """What was not confirmed is not said to be."""
    target = MemoryTarget(raising(TryLaterError("503")))
    with pytest.raises(StoppedError):
        delivery(target, Clock(), wait=lambda seconds: True).deliver(items(3))


@pytest.mark.parametrize("by", ["item", "batch"])
def test_so_many_refused_in_a_row_are_the_targets_fault(by: str) -> None:
    """Counted over batches; one that is taken begins anew."""
    refuse = True

    def answer(sent: Sequence[Item]) -> Answer:
        if not refuse:
            return Answer()
        if by == "item":
            return Answer(refused={index: f"no {item.seq}" for index, item in enumerate(sent)})
        raise RefusedError("answered 422")

    brought = delivery(MemoryTarget(answer), Clock(), most_refused=10)
    assert len(brought.deliver(items(6))) == 6
    refuse = False
    brought.deliver(items(1))
    refuse = True
    assert len(brought.deliver(items(9))) == 9
    with pytest.raises(DeliveryError, match=r"refused 1[0-5] lines one after the other, and taken none"):
        brought.deliver(items(6))


# what goes out together


@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.none() | st.integers(-100, 100)),
        max_size=40,
    ),
    st.integers(1, 5),
    st.integers(61, 200),
    st.none() | st.integers(0, 50),
)
def test_batches_stay_within_the_limits(
    made: list[tuple[int, int | None]], count: int, size: int, span: int | None
) -> None:
    """Number, bytes and span; and no batch is closed while there is room."""
    limits = Limits(
        items=count,
        bytes=size,
        item_bytes=size,
        overhead=1,
        span=timedelta(seconds=span) if span is not None else None,
    )
    batches = [Batch(limits)]
    for seq, (length, at) in enumerate(made):
        when = NOW + timedelta(seconds=at) if at is not None else None
        item = Item(seq, str(seq), when, b"", b"x" * length)
        if not batches[-1].has_room_for(item):
            batches.append(Batch(limits))
        batches[-1].add(item)
    for batch in batches:
        times = [item.time for item in batch.items if item.time is not None]
        assert len(batch.items) <= count
        assert sum(len(item.body) + 1 for item in batch.items) <= size
        assert limits.span is None or not times or max(times) - min(times) <= limits.span
    assert [item.seq for batch in batches for item in batch.items] == list(range(len(made)))


def test_what_goes_out_at_all() -> None:
    """Too long, too old, too far ahead; in words that say by what."""
    limits = Limits(
        items=9,
        bytes=999,
        item_bytes=100,
        overhead=26,
        oldest=timedelta(days=14),
        newest=timedelta(hours=2),
    )

    def said(size: int = 1, age: timedelta | None = timedelta(0)) -> str | None:
        when = NOW - age if age is not None else None
        item = Item(0, "a", when, b"", b"x" * size)
        return unfit(item, limits) or outdated(item, limits, now=NOW)

    assert said() is said(74) is said(age=None) is None
    assert said(75) == "101 bytes, and the target takes 100 at most"
    assert said(age=timedelta(days=14)) is None
    assert said(age=timedelta(days=14, seconds=1)) == "older than 14 days, which the target does not keep"
    assert said(age=timedelta(hours=-26)) is None
    assert said(age=timedelta(hours=-26.1)) == "dated more than 26 hours ahead"


def test_a_stop_may_come_in_the_middle_of_a_wait() -> None:
    """A signal handler runs in the thread that waits, and takes no lock that this may hold."""
    import signal
    import threading

    from or_audit_logging.ship.stopping import Stop

    if not hasattr(signal, "setitimer"):
        pytest.skip("needs setitimer")
    assert threading.current_thread() is threading.main_thread()
    stop: Stop
    before = signal.signal(signal.SIGALRM, lambda number, frame: stop.set())
    chance = random.Random(1)
    try:
        for _ in range(200):
            stop = Stop()
            signal.setitimer(signal.ITIMER_REAL, 1e-6 + chance.random() * 2e-4)
            while not stop.wait(1e-5):
                pass
            assert stop.is_set()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_time_in_somebodys_metadata_is_not_the_lines() -> None:
    """Only where our records have theirs counts; one with an offset does, too."""
    said = "2026-11-21T12:00:00.5+02:00"
    head = b'{"event_type":"chat_completion","v":1,"id":"r-1","timestamp":"2026-11-21T12:00:00.5+02:00",'
    assert time_of(head + b'"metadata":{"timestamp":"2035-01-01T00:00:00.000000Z"}}') == said
    assert time_of(b'{"level":"INFO","metadata":{"timestamp":"2035-01-01T00:00:00.000000Z"}}') is None
