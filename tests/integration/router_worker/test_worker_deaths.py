"""Workers that die or freeze wherever it hurts: each job visible once, none lost, ids the same."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tocsin.contracts.ids import delivery_id, notification_id
from tocsin.contracts.vocabulary import Channel

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

WORKER = Path(__file__).with_name("worker_process.py")
PEOPLE = [f"p{number}" for number in range(20)]


@pytest.fixture
async def start_worker(site) -> AsyncIterator[Callable[[str], Awaitable[asyncio.subprocess.Process]]]:
    started: list[asyncio.subprocess.Process] = []

    async def start(failpoints: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(WORKER), site.kafka.bootstrap_servers, site.kafka.topic_prefix, site.url,
            stderr=asyncio.subprocess.PIPE, env=os.environ | {"FAILPOINTS": failpoints},
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def reached(process: asyncio.subprocess.Process) -> None:
    await said(process, b"failpoint goes off")


async def said(process: asyncio.subprocess.Process, sentence: bytes) -> None:
    assert process.stderr is not None
    lines: list[bytes] = []
    async with asyncio.timeout(90):
        while not lines or sentence not in lines[-1]:
            lines.append(await process.stderr.readline())
            assert lines[-1], f"it ended without {sentence!r}; its last lines: {lines[-20:]}"


def deliveries(ids: list[str], people: list[str] = PEOPLE) -> set[str]:
    """The ids that must come, by the published rule alone."""
    return {
        delivery_id(
            notification=notification_id(
                tenant="acme", source="/shop", event_id=event, recipient=person, workflow="shipped"
            ),
            channel=channel,
            step="1",
            address_key={Channel.EMAIL: "email", Channel.SMS: "phone", Channel.PUSH: f"{person}-d"}[channel],
        )
        for event, person in zip(ids, people, strict=True)
        for channel in (Channel.EMAIL, Channel.SMS, Channel.PUSH)
    }


async def visible(site) -> Counter[str]:
    return Counter(
        [
            job.delivery_id
            for channel in (Channel.EMAIL, Channel.SMS, Channel.PUSH)
            for job in await site.jobs(channel)
        ]
    )


async def complete(site, expected: set[str]) -> bool:
    seen = await visible(site)
    assert not seen - Counter(expected), "a job is visible twice, or under another id"
    return seen.keys() == expected


async def send(site, prefix: str) -> list[str]:
    ids = [f"{prefix}{number}" for number in range(len(PEOPLE))]
    await site.publish(
        *(site.event(event_id, person=person) for event_id, person in zip(ids, PEOPLE, strict=True))
    )
    return ids


async def check_statuses(site, expected: set[str]) -> None:
    statuses = await site.statuses()
    routed = [target.delivery_id for target in await site.targets() if target.outcome == "routed"]
    assert Counter(routed) == Counter(expected)
    assert max(Counter(status.status_id for status in statuses).values()) == 1
    assert not [decision for decision in await site.decisions() if decision.outcome == "duplicate"], (
        "a re-run took itself for a duplicate"
    )


@pytest.mark.parametrize(
    "place", ["after_claim", "after_produce", "after_offsets", "before_commit", "after_commit"]
)
async def test_a_killed_worker_loses_and_doubles_nothing(site, start_worker, until, place):
    expected = deliveries(await send(site, "e"))
    first = await start_worker(f"{place}=kill")
    await reached(first)
    second = await site.worker()
    await until(lambda: complete(site, expected))
    await second.leave()
    await check_statuses(site, expected)


async def test_a_worker_killed_while_giving_back_loses_and_doubles_nothing(site, start_worker, until):
    expected = deliveries(await send(site, "e"))
    first = await start_worker("in_revoke=kill")
    await until(lambda: complete(site, expected))
    second = asyncio.create_task(site.worker())
    await reached(first)
    more = expected | deliveries(await send(site, "f"))
    await until(lambda: complete(site, more))
    await (await second).leave()
    await check_statuses(site, more)


@pytest.mark.parametrize("place", ["after_claim", "before_commit"])
async def test_a_frozen_worker_is_fenced_when_it_thaws_and_joins_anew(site, start_worker, until, place):
    expected = deliveries(await send(site, "e"))
    first = await start_worker(f"{place}=freeze")
    await reached(first)
    second = await site.worker()
    await until(lambda: complete(site, expected))
    first.send_signal(signal.SIGCONT)
    await said(first, b"ownership lost, joining anew")
    more = expected | deliveries(await send(site, "f"))
    await until(lambda: complete(site, more))
    await second.leave()
    await check_statuses(site, more)
    last = more | deliveries(await send(site, "g"))  # there is only the thawed one now
    await until(lambda: complete(site, last))
    await check_statuses(site, last)
