"""The copy of `cancels`: what it knows, what it forgets, and what it takes."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from tocsin.contracts.cancellations import Cancellation
from tocsin.contracts.codec import encode
from tocsin.contracts.intents import Intent
from tocsin.contracts.vocabulary import Channel
from tocsin.kafka import Cancellations, ConsumerRecord, ConsumptionStopped
from tocsin.testing.jobs import job_for

START = datetime(2026, 5, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def intent(key: str, stored: datetime = START) -> Intent:
    return msgspec.structs.replace(job_for(Channel.EMAIL).intent, cancel_key=key, event_time=stored)


def record(key: str, at: datetime, *, appended: datetime | None = None, **fields: Any) -> ConsumerRecord:
    cancellation = Cancellation(tenant="acme", key=key, requested_at=at, origin="e/0/0", **fields)
    timestamp = round((appended or at).timestamp() * 1000)
    return ConsumerRecord("cancels", 0, 0, timestamp, cancellation.record_key, encode(cancellation))


@pytest.fixture
def copy() -> Cancellations:
    return Cancellations(service="test")


def test_it_says_when_a_message_was_cancelled(copy: Cancellations) -> None:
    assert copy.of(intent("a")) is None
    copy.apply(record("a", START + SECOND))
    assert copy.of(intent("a")) == START + SECOND
    assert copy.of(intent("b")) is None
    assert copy.of(intent("a", START + SECOND)) is None


def test_the_latest_request_counts_in_whatever_order_they_come(copy: Cancellations) -> None:
    copy.apply(record("a", START + 3 * SECOND))
    copy.apply(record("a", START + SECOND, appended=START + 4 * SECOND))
    assert copy.of(intent("a", START + 2 * SECOND)) == START + 3 * SECOND
    copy.apply(record("a", START + 5 * SECOND))
    assert copy.of(intent("a", START + 4 * SECOND)) == START + 5 * SECOND
    assert len(copy) == 1


def test_it_forgets_after_eight_days_what_was_not_cancelled_again(copy: Cancellations) -> None:
    copy.apply(record("old", START + SECOND))
    copy.apply(record("again", START + SECOND))
    copy.apply(record("again", START + timedelta(days=5)))
    copy.apply(record("x", START + timedelta(days=8)))
    assert len(copy) == 3
    assert copy.of(intent("old")) is not None, "the topic may still be read so far back"
    copy.apply(record("x", START + timedelta(days=8, hours=2)))
    assert copy.of(intent("old")) is None
    assert copy.of(intent("again")) == START + timedelta(days=5)
    assert len(copy) == 2
    copy.apply(record("x", START + timedelta(days=20)))
    assert len(copy) == 1


def test_it_knows_all_of_many_and_nothing_else(copy: Cancellations) -> None:
    random, known = Random(7), dict[str, datetime]()
    for number in range(6_000):
        key, at = f"k{random.randrange(4_000)}", START + number * SECOND
        copy.apply(record(key, at))
        known[key] = at
    assert len(copy) == len(known)
    for number in range(4_500):
        key = f"k{number}"
        assert copy.of(intent(key)) == known.get(key), key


def test_a_record_that_cannot_be_read_is_passed_over_and_many_stop_it(copy: Cancellations) -> None:
    broken = ConsumerRecord("cancels", 0, 0, 0, b"acme/cancel/a", b"{")
    before = REGISTRY.get_sample_value("tocsin_cancellations_unreadable_total", {"component": "test"}) or 0
    copy.apply(broken)
    copy.apply(record("a", START + SECOND))
    assert copy.of(intent("a")) is not None
    after = REGISTRY.get_sample_value("tocsin_cancellations_unreadable_total", {"component": "test"})
    assert after == before + 1
    for _ in range(8):
        copy.apply(broken)
    with pytest.raises(ConsumptionStopped):
        copy.apply(broken)
