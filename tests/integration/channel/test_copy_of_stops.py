"""A dispatcher beside its own copy of `stops` on a real broker: what flows while nobody publishes, and while the copy stands still."""

from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY
from tests.integration.channel.conftest import CHANNEL, LANE, Bench, Phone, job

from tocsin.channel import copy_watch
from tocsin.channel.copy_watch import CopyWatch
from tocsin.contracts.stops import RecipientVersion, encode_stop
from tocsin.kafka import Admin, CopyAge, ProducerRecord, Replica, TopicSpec
from tocsin.runtime import FunctionComponent, Health, SystemClock
from tocsin.testing.running import running
from tocsin.testing.until import until

pytestmark = pytest.mark.kafka

BOUND = 1.5
"""Seconds; as short as a busy machine allows."""


@pytest.fixture(autouse=True)
def short_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy_watch, "MAX_AGE", BOUND)
    monkeypatch.setattr(copy_watch, "LOOK", 0.1)


@pytest.fixture
async def replica(bench: Bench) -> AsyncIterator[Replica]:
    """The bench's copy of `stops`, followed and watched."""
    admin = Admin(settings=bench.settings)
    await admin.open()
    topic = TopicSpec(name=bench.topics.stops, partitions=1, cleanup="compact")
    await admin.apply(await admin.plan([topic]))
    await admin.close()
    health = Health(service="test")
    replica = Replica(settings=bench.settings, topic=topic.name, apply=bench.stops.apply, health=health)
    age = CopyAge(settings=bench.settings, copy=replica)
    bench.copy = CopyWatch(ages={"stops": age}, health=health, clock=SystemClock())
    async with running(replica), running(age), running(FunctionComponent(name="watch", run=bench.copy.run)):
        yield replica


def sent_on_stale_copy() -> float:
    labels = {"component": CHANNEL.dispatcher, "lane": LANE}
    return REGISTRY.get_sample_value("tocsin_sent_on_stale_copy_total", labels) or 0.0


async def publish_stop(bench: Bench, recipient: str, version: int) -> None:
    value = encode_stop(RecipientVersion(version, raised_at=1_790_000_000))
    record = ProducerRecord(bench.topics.stops, f"acme/{recipient}".encode(), value)
    await bench.publisher.publish([record], timeout=20)


async def test_while_nobody_publishes_the_copy_stays_young_and_everything_flows(
    bench: Bench, replica: Replica
) -> None:
    """The relay is gone, or PostgreSQL is: nothing can be changed, so nothing stops."""
    await publish_stop(bench, "ada", 5)
    await until(lambda: len(bench.stops) == 1)
    clock, phone = SystemClock(), Phone()
    began, before = clock.monotonic(), sent_on_stale_copy()
    await until(lambda: clock.monotonic() > began + 2 * BOUND)
    await bench.put(*(job(number, recipient=f"r{number}") for number in range(20)))
    await bench.put(job(20, recipient="ada", version=4))
    async with bench.dispatcher(phone):
        statuses = {status.delivery_id: status.status for status in await bench.until_statuses(21)}
    assert sorted(map(int, phone.got)) == list(range(20))
    assert statuses["d20"] == "deferred", "what was answered before still holds"
    assert sent_on_stale_copy() == before


async def test_while_the_copy_stands_still_optional_messages_wait_and_what_was_changed_holds(
    bench: Bench, replica: Replica
) -> None:
    consumer, before = replica._reader._open, sent_on_stale_copy()  # type: ignore[union-attr]
    consumer.pause(*consumer.assignment())
    await publish_stop(bench, "ada", 5)
    await until(lambda: not bench.copy.fresh)
    phone = Phone()
    optional = [job(number, recipient=f"r{number}") for number in range(10)]
    required = [job(number, recipient=f"r{number}", required=True) for number in range(10, 20)]
    await bench.put(*optional, job(20, recipient="ada", version=4), *required)
    async with bench.dispatcher(phone):
        await bench.until_statuses(10)
        assert sorted(map(int, phone.got)) == list(range(10, 20))
        assert sent_on_stale_copy() == before + 10
        consumer.resume(*consumer.assignment())
        statuses = {status.delivery_id: status for status in await bench.until_statuses(21)}
    assert sorted(map(int, phone.got)) == list(range(20))
    assert (statuses["d20"].status, statuses["d20"].reason) == ("deferred", "recheck")
