"""What a former owner recorded is read back: after a death only calls that were under way are made again, on a real broker."""

import asyncio

import pytest
from tests.integration.channel.conftest import Bench, Phone, job

from tocsin.testing.until import until

pytestmark = pytest.mark.kafka

JOBS = 500


async def killed(bench: Bench, phone: Phone, *, after_statuses: int) -> None:
    """A dispatcher that delivers until so many statuses stand, while one call hangs, and dies then. Nothing of it goes on."""
    async with bench.dispatcher(phone) as running:
        await until(lambda: set(phone.got) >= phone.hangs)
        await bench.until_statuses(after_statuses)
        running.cancel()
        await asyncio.wait([running])


async def test_a_job_that_hangs_has_nothing_behind_it_sent_again_however_often_its_owner_dies(bench: Bench):
    """Job 1 hangs, 2 to 500 are done; killed, killed again during the replay, and again once new jobs have come."""
    await bench.put(*(job(number, recipient=f"r{number}") for number in range(1, JOBS + 1)))
    phones = [Phone(hangs={"1"}) for _ in range(3)]
    await killed(bench, phones[0], after_statuses=JOBS - 1)
    await killed(bench, phones[1], after_statuses=JOBS - 1)
    assert phones[1].got == ["1"]
    await bench.put(*(job(number, recipient=f"r{number}") for number in range(JOBS + 1, JOBS + 11)))
    await killed(bench, phones[2], after_statuses=JOBS + 9)
    assert sorted(map(int, phones[2].got)) == [1, *range(JOBS + 1, JOBS + 11)]
    last = Phone()
    async with bench.dispatcher(last):
        statuses = await bench.until_statuses(JOBS + 10)
    assert last.got == ["1"]
    assert len(statuses) == JOBS + 10, "no outcome stands twice"
