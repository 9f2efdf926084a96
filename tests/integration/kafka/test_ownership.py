"""Frozen, killed and replaced owners: every record takes effect once, whoever is in charge."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tocsin.kafka import Batch, ProducerRecord

pytestmark = pytest.mark.kafka

OWNER = Path(__file__).with_name("owner_process.py")
KEYS = [f"k{number}".encode() for number in range(20)]


@pytest.fixture
async def start_owner(stage) -> AsyncIterator[Callable[[str], Awaitable[asyncio.subprocess.Process]]]:
    started: list[asyncio.subprocess.Process] = []

    async def start(failpoints: str) -> asyncio.subprocess.Process:
        settings = stage.settings
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(OWNER), settings.bootstrap_servers, settings.topic_prefix,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=os.environ | {"FAILPOINTS": failpoints},
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def reached(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None
    async with asyncio.timeout(30):
        async for line in process.stderr:
            if b"failpoint goes off" in line:
                return
    raise AssertionError(
        f"the owner ended before its failpoint went off, with exit code {await process.wait()}"
    )


def second(stage: Any) -> Any:
    async def process(batch: Batch) -> Sequence[ProducerRecord]:
        return [ProducerRecord(stage.topic("out"), record.key, b"second") for record in batch.records]

    return stage.exactly_once(process)


async def prepare(stage) -> None:
    await stage.topics("in", "out", groups=["copier"])
    await stage.publish(*(ProducerRecord(stage.topic("in"), key, key) for key in KEYS))


async def visible(stage) -> Counter[bytes]:
    return Counter(record.key for record in await stage.read("out"))


async def test_a_frozen_owner_is_fenced_and_its_records_are_visible_once(stage, start_owner, until):
    await prepare(stage)
    first = await start_owner("before_commit=freeze")
    await reached(first)

    member = await second(stage).start()
    await until(lambda: everything_visible(stage))

    first.send_signal(signal.SIGCONT)
    output, _ = await asyncio.wait_for(first.communicate(), 30)
    assert first.returncode == 3
    assert b"fenced" in output or b"expelled" in output
    records = await stage.read("out")
    assert Counter(record.key for record in records) == Counter(KEYS)
    assert member.task is not None
    assert not member.task.done()
    await member.leave()


@pytest.mark.parametrize(
    "place", ["after_fence", "after_produce", "after_offsets", "before_commit", "after_commit"]
)
async def test_a_killed_owner_loses_and_doubles_nothing(stage, start_owner, until, place):
    await prepare(stage)
    first = await start_owner(f"{place}=kill")
    await reached(first)
    member = await second(stage).start()
    await until(lambda: everything_visible(stage))
    await member.leave()
    assert await visible(stage) == Counter(KEYS)


async def test_an_owner_killed_while_giving_back_loses_and_doubles_nothing(stage, start_owner, until):
    await prepare(stage)
    first = await start_owner("in_revoke=kill")
    await until(lambda: everything_visible(stage))
    member = await second(stage).start()
    await reached(first)
    more = await publish_more(stage)
    await until(lambda: everything_visible(stage, KEYS + more))
    await member.leave()
    assert await visible(stage) == Counter(KEYS + more)


async def test_an_owner_killed_while_giving_back_to_two_newcomers_loses_and_doubles_nothing(
    stage, start_owner, until
):
    await prepare(stage)
    first = await start_owner("in_revoke=kill")
    await until(lambda: everything_visible(stage))
    newcomers = await asyncio.gather(second(stage).start(), second(stage).start())
    await reached(first)
    more = await publish_more(stage)
    await until(lambda: everything_visible(stage, KEYS + more))
    await until(lambda: all(len(member.component.held) == 1 for member in newcomers))
    for member in newcomers:
        await member.leave()
    assert await visible(stage) == Counter(KEYS + more)


@pytest.mark.parametrize("place", ["before_fence", "after_fence"])
async def test_a_newcomer_killed_while_it_takes_over_loses_and_doubles_nothing(
    stage, start_owner, until, place
):
    """What it was given goes back to the members that are left, which have given everything back for it."""
    await prepare(stage)
    member = await second(stage).start()
    await until(lambda: everything_visible(stage))
    newcomer = await start_owner(f"{place}=kill")
    await reached(newcomer)
    more = await publish_more(stage)
    await until(lambda: everything_visible(stage, KEYS + more))
    await until(lambda: len(member.component.held) == 2)
    await member.leave()
    assert await visible(stage) == Counter(KEYS + more)


async def publish_more(stage) -> list[bytes]:
    keys = [f"m{number}".encode() for number in range(20)]
    await stage.publish(*(ProducerRecord(stage.topic("in"), key, key) for key in keys))
    return keys


async def everything_visible(stage, keys: Sequence[bytes] = KEYS) -> bool:
    seen = await visible(stage)
    assert not seen - Counter(keys), "a record took effect twice"
    return seen == Counter(keys)
