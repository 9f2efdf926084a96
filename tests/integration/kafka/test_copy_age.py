"""A copy is as of the moment at which the end that it has passed was asked for."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from tocsin.kafka import CopyAge, Offsets, ProducerRecord, Replica
from tocsin.runtime.health import Health
from tocsin.testing import ManualClock

pytestmark = pytest.mark.kafka

PATIENTLY = 20.0


@pytest.fixture
async def copied(stage) -> AsyncIterator[Any]:
    """A copy of a topic of two partitions that is being followed, and its age by a clock that stands still."""
    await stage.topics("directory", partitions=2, compact=True)
    topic, clock, state = stage.topic("directory"), ManualClock(), set[bytes | None]()
    replica = Replica(
        settings=stage.settings,
        topic=topic,
        apply=lambda record: state.add(record.value),
        health=Health(service="test"),
    )
    age = CopyAge(settings=stage.settings, copy=replica, clock=clock)
    assert age.seconds() == float("inf")
    await replica.open()
    await age.open()
    stop = asyncio.Event()
    following = asyncio.create_task(replica.run(stop))
    yield SimpleNamespace(topic=topic, clock=clock, state=state, age=age, stop=stop, following=following)
    stop.set()
    await following
    await age.close()
    await replica.close()


@pytest.fixture
async def transactions(stage) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=stage.settings.bootstrap_servers,
        transactional_id=f"{stage.settings.topic_prefix}foreign",
    )
    await producer.start()
    yield producer
    await producer.stop()


async def test_after_catching_up_it_holds_what_was_published_before(stage, copied):
    for number in range(20):
        value = b"%d" % number
        await stage.publish(ProducerRecord(copied.topic, value, value))
        assert await copied.age.catch_up(seconds=PATIENTLY)
        assert value in copied.state


@pytest.mark.parametrize("commit", [True, False])
async def test_an_open_transaction_is_waited_for(stage, copied, transactions, commit):
    await transactions.begin_transaction()
    await transactions.send_and_wait(copied.topic, b"inside", b"k", partition=0)
    assert not await copied.age.catch_up(seconds=0.3)
    waiting = asyncio.create_task(copied.age.catch_up(seconds=PATIENTLY))
    await (transactions.commit_transaction() if commit else transactions.abort_transaction())
    assert await waiting
    assert (b"inside" in copied.state) is commit


async def test_the_age_grows_until_an_end_that_was_asked_for_later_is_passed(copied, transactions, until):
    assert copied.age.seconds() == 0
    copied.clock.advance(3)
    assert copied.age.seconds() == 3
    assert await copied.age.ask()
    assert copied.age.seconds() == 0, "nothing was published, so the copy is as of now"
    await transactions.begin_transaction()
    await transactions.send_and_wait(copied.topic, b"inside", b"k", partition=0)
    copied.clock.advance(2)
    assert await copied.age.ask()
    copied.clock.advance(1)
    assert copied.age.seconds() == 3, "the copy has not passed the newer end"
    await transactions.commit_transaction()
    await until(lambda: copied.age.seconds() == 1)


async def test_a_copy_that_stands_still_grows_old(stage, copied):
    copied.stop.set()
    await copied.following
    await stage.publish(ProducerRecord(copied.topic, b"k", b"v"))
    for _ in range(100):
        copied.clock.advance(1)
        assert await copied.age.ask()
    assert not await copied.age.catch_up(seconds=0.1)
    assert copied.age.seconds() == 100


async def test_all_who_ask_at_once_share_a_request_that_began_after_they_came(stage, copied, monkeypatch):
    asked = 0
    ends = Offsets.ends

    async def counted(self: Offsets, partitions: Any) -> Any:
        nonlocal asked
        asked += 1
        return await ends(self, partitions)

    monkeypatch.setattr(Offsets, "ends", counted)
    first = asyncio.create_task(copied.age.catch_up(seconds=PATIENTLY))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert asked == 1, "the first request is under way"
    assert all(await asyncio.gather(*(copied.age.catch_up(seconds=PATIENTLY) for _ in range(500))))
    assert await first
    assert asked == 2


async def test_requests_keep_their_distance(stage, copied):
    slow = CopyAge(settings=stage.settings, copy=copied.age._copy, spacing=3600)
    await slow.open()
    assert not await slow.catch_up(seconds=0.1), "the next request begins in an hour"
    await slow.close()


async def test_without_an_answer_nothing_is_held_up_for_long(stage, copied, monkeypatch):
    async def never(_self: Offsets, _partitions: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr("tocsin.kafka.tables.copy_age.ANSWER_SECONDS", 0.05)
    with monkeypatch.context() as frozen:
        frozen.setattr(Offsets, "ends", never)
        copied.clock.advance(5)
        assert not await copied.age.catch_up(seconds=PATIENTLY)
        assert not await copied.age.ask()
        assert copied.age.seconds() == 5
    monkeypatch.undo()
    assert await copied.age.catch_up(seconds=PATIENTLY)
    assert copied.age.seconds() == 0
