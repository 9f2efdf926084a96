"""Intents that go through the steps together are decided as each would be alone."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import Throttle
from tocsin.contracts.events import NOTIFICATION_REQUESTED
from tocsin.contracts.recipients import Device
from tocsin.contracts.vocabulary import Channel
from tocsin.kafka import Batch, ConsumerRecord, ProducerRecord
from tocsin.router.policy import Preference, StoredRecipient

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LINE = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029"), max_size=20)
DEVICES = st.lists(st.sampled_from(["d1", "d2", "d3"]), unique=True)
LOCALES = st.sampled_from([None, "en", "de-AT", "zh-TW"])
PREFERENCES = st.builds(
    Preference,
    channel=st.sampled_from(["*", *Channel]),
    category=st.sampled_from(["*", "orders", "news"]),
    workflow=st.sampled_from(["*", "shipped"]),
    enabled=st.booleans(),
    source=st.just("api"),
    changed_at=st.just(NOW - timedelta(days=9)),
)
STORED = st.builds(
    StoredRecipient,
    known=st.sampled_from([True, True, True, False]),
    version=st.integers(0, 3),
    email=st.sampled_from(["ann@example.test", None]),
    phone=st.sampled_from([None, "+4915112345678"]),
    locale=LOCALES,
    devices=DEVICES.map(lambda ids: tuple(Device(id=each, token=f"token-{each}") for each in ids)),
    preferences=st.lists(PREFERENCES, max_size=3).map(tuple),
)
INLINE = st.fixed_dictionaries(
    {"id": st.sampled_from(["ann", "bob"])},
    optional={
        "email": st.just("inline@example.test"),
        "locale": LOCALES,
        "devices": DEVICES.map(lambda ids: [{"id": each, "token": f"inline-{each}"} for each in ids]),
        "attributes": st.dictionaries(LINE, LINE, max_size=2),
    },
)
RECIPIENTS = st.lists(st.sampled_from(["ann", "bob", "nobody"]) | INLINE, min_size=1, max_size=2)
DATA = st.fixed_dictionaries({"name": LINE}) | st.dictionaries(
    st.sampled_from(["name", "other"]), st.integers()
)
REQUESTS = st.fixed_dictionaries(
    {"workflow": st.sampled_from([*["shipped"] * 9, "unknown"]), "recipients": RECIPIENTS, "data": DATA},
    optional={
        "actor": st.sampled_from(["ann", "nobody"]),
        "link": st.just("https://shop.example.test/a"),
        "cancel_key": LINE.filter(bool),
    },
)
TIMES = st.fixed_dictionaries(
    {"expires_at": st.integers(-5, 5).map(lambda days: NOW + timedelta(days=days))}
) | (st.fixed_dictionaries({"delay": st.integers(0, 90_000)}))
EVENTS = st.fixed_dictionaries(
    {
        "id": st.integers(0, 60).map(str),
        "data": REQUESTS | st.tuples(REQUESTS, TIMES).map(lambda both: both[0] | both[1]),
    },
    optional={
        "test": st.booleans(),
        "traceparent": st.just("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"),
    },
)
BATCHES = st.lists(EVENTS, min_size=1, max_size=40)
PEOPLE = st.fixed_dictionaries({"ann": STORED, "bob": STORED})
LIMIT = st.none() | st.builds(Throttle, limit=st.integers(1, 3), seconds=st.just(60))


def event_of(worker: Any, fields: dict[str, Any]) -> ConsumerRecord:
    """The event in the partition of its first recipient, so that an event for one is decided at once."""
    first = fields["data"]["recipients"][0]
    key = f"acme/{first if isinstance(first, str) else first['id']}".encode()
    event: ConsumerRecord = worker.event(
        **fields | {"type": NOTIFICATION_REQUESTED, "subject": None, "key": key, "data": msgspec.Raw(encode(fields["data"]))}
    )  # fmt: skip
    return event


async def whole(worker: Any, records: list[ConsumerRecord]) -> list[ProducerRecord]:
    part = await worker.router.process(Batch(records=records, partition_count=4))
    assert part.records == len(records)
    return list(part.outgoing)


async def written(make: Callable[[], Any], events: list[dict[str, Any]], group: int) -> list[ProducerRecord]:
    """What follows from the events, and then from the intents among that, with so many intents going through the steps together."""
    worker = make()
    with patch("tocsin.router.worker.pipeline.GROUP", group):
        first = await whole(worker, [event_of(worker, fields) for fields in events])
        topic = worker.topics.intents(worker.lane)
        intents = worker.as_read([record for record in first if record.topic == topic])
        return first + (await whole(worker, intents) if intents else [])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(events=BATCHES, people=PEOPLE, limit=LIMIT)
def test_what_is_decided_together_is_what_each_decides_alone(
    make_worker, workflow, events, people, limit
) -> None:
    def make() -> Any:
        worker = make_worker()
        worker.publish(workflow(revision=2, throttle=limit))
        worker.recipients.stored |= {("acme", who): stored for who, stored in people.items()}
        return worker

    alone, together = (asyncio.run(written(make, events, group)) for group in (1, 16))
    assert together == alone
