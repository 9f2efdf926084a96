"""A re-drive on a real broker and database: killed at each place of its page loop, doubled, paused, and beside others."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.integration.ledger.redrive_ground import LANE, DieAt, Died, Ground, failed_mail, mail_of
from tests.integration.ledger.redrive_ground import ground as ground  # noqa: PLC0414 - a fixture
from tests.unit.router_worker.conftest import Worker
from tests.unit.router_worker.conftest import make_worker as make_worker  # noqa: PLC0414 - a fixture

from tocsin.contracts.codec import decode_intent
from tocsin.contracts.vocabulary import Channel
from tocsin.kafka import ConsumerRecord, KafkaFault
from tocsin.ledger import redrive_runner
from tocsin.router.policy import StoredRecipient
from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

PEOPLE = [f"p{number}" for number in range(30)]


class FaultAt:
    """Kafka fails the first time that a place is reached."""

    def __init__(self, name: str) -> None:
        self._name: str | None = name

    async def reach(self, name: str) -> None:
        if name == self._name:
            self._name = None
            raise KafkaFault("no answer")


@pytest.mark.parametrize(
    "place", ["redrive_after_page_stored", "redrive_after_page_written", "redrive_after_page_counted"]
)
async def test_killed_and_begun_again_each_is_sent_once(ground: Ground, make_worker: Any, place: str) -> None:
    await ground.fail(*PEOPLE)
    redrive = await ground.begin(rate=10)
    with pytest.raises(Died):
        await ground.runner(DieAt(place, 2)).run(asyncio.Event())
    async with ground.working():
        (stands,) = await ground.finished(redrive)
    assert (stands.written, stands.not_possible, stands.page) == (30, 0, 3)
    records = await ground.records()
    subjects = Counter(decode_intent(record.value or b"").subject for record in records)
    assert set(subjects) == {mail_of(who) for who in PEOPLE}
    assert len(records) == (40 if place == "redrive_after_page_written" else 30)
    assert await sent_by(make_worker(), records) == Counter({mail_of(who): 1 for who in PEOPLE})


async def sent_by(worker: Worker, records: Sequence[ConsumerRecord]) -> Counter[str]:
    """How often the router lets each delivery go out."""
    for who in PEOPLE:
        worker.recipients.stored["acme", who] = StoredRecipient(known=True, email=f"{who}@example.test")
    moved = [
        ConsumerRecord(
            worker.topics.intents(LANE),
            record.partition,
            record.offset,
            record.timestamp_ms,
            record.key,
            record.value,
        )
        for record in records
    ]
    worker.clock.advance((datetime.now(UTC) - worker.clock.now()).total_seconds())
    return Counter(job.delivery_id for job in (await worker.route(*moved)).jobs(Channel.EMAIL))


async def test_two_that_overlap_and_three_ledgers_send_once(ground: Ground) -> None:
    await ground.fail(*PEOPLE, provider="main")
    first, second = await ground.begin(), await ground.begin(provider="main")
    async with ground.working(ledgers=3):
        ended_both = await ground.finished(first, second)
    assert sum(each.written for each in ended_both) == 30
    assert Counter(record.subject for record in await ground.written()) == Counter(
        {mail_of(who): 1 for who in PEOPLE}
    )


async def test_one_whose_page_fails_holds_up_no_other(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redrive_runner, "AFTER_FAULT", 3600.0)
    await ground.fail("ann")
    await ground.fail("ann", tenant="other")
    first, second = await ground.begin(), await ground.begin(tenant="other")
    async with ground.working(failpoints=FaultAt("redrive_after_page_stored")):
        await ground.finished(second)
    assert (await ground.state(first)).state == "running"
    assert {record.event.tenant for record in await ground.written()} == {"other"}


async def test_what_failed_again_may_be_sent_again_and_what_is_under_way_may_not(ground: Ground) -> None:
    origin = await ground.fail("ann")
    first, repeated = await ground.begin(), await ground.begin()
    async with ground.working():
        await ground.finished(first, repeated)
        assert len(await ground.written()) == 1
        await ground.store(failed_mail("ann", "e1", "acme", origin, cause="jobs/again")[1])
        await ground.finished(await ground.begin())
    assert len(await ground.written()) == 2


async def test_two_tenants_do_not_see_each_other(ground: Ground) -> None:
    await ground.fail("ann")
    await ground.fail("ann", tenant="other")
    mine = await ground.begin()
    async with ground.working():
        await ground.finished(mine)
        assert [record.event.tenant for record in await ground.written()] == ["acme"]
        await ground.finished(await ground.begin(tenant="other"))
    assert {record.event.tenant for record in await ground.written()} == {"acme", "other"}


async def test_a_paused_one_waits_and_a_stopped_one_has_ended(ground: Ground) -> None:
    await ground.fail(*PEOPLE)
    redrive = await ground.begin(rate=5)
    now = datetime.now(UTC)

    async def begun() -> bool:
        return (await ground.state(redrive)).written > 0

    async with ground.working():
        await until(begun)
        await ground.redrives.steer("acme", redrive.id, "paused", now=now)
        other = await ground.begin(recipient="p29")
        await ground.finished(other)
        held = await ground.state(redrive)
        assert (held.state, held.pending) == ("paused", False)
        assert held.written < 30
        await ground.redrives.steer("acme", redrive.id, "stopped", now=now)
        await ground.finished(await ground.begin())
    assert (await ground.state(redrive)).written == held.written
    assert len(await ground.written()) == 30
