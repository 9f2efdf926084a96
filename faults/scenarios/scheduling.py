"""The scheduler is killed, frozen and doubled while messages wait in it: a mail server is away, and what it refused waits in timers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scenario import Run, scenario
from scenarios.deaths import RATE, kill
from sinks import behaviour as far
from sinks.behaviour import Step
from tocsin.contracts.vocabulary import Channel
from tocsin.dev.postgres import run_sql

_NAME = "scheduler"
_FROZEN = 20.0  # seconds: longer than a session
_WITHOUT = 15.0
_HELD = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'tocsin' AND pid <> pg_backend_pid()"


@asynccontextmanager
async def _away(run: Run) -> AsyncIterator[None]:
    """Load, and meanwhile a mail server that takes nothing; it works again before the load ends."""
    sinks = run.ground.sinks
    async with run.load.flowing(RATE):
        await asyncio.sleep(2)
        run.fault()
        await sinks.behave(far.refuse(421, step=Step.MAIL), channel=Channel.EMAIL)
        await asyncio.sleep(3)
        yield
        await sinks.behave(far.GOOD, channel=Channel.EMAIL)
        await asyncio.sleep(5)


@scenario(two=(_NAME,))
async def scheduler_is_killed(run: Run) -> None:
    """One of two schedulers is killed ten times while messages wait: each is sent once."""
    async with _away(run):
        for number in range(10):
            await kill(run, run.ground.of(_NAME)[number % 2])
            await asyncio.sleep(1.5)


@scenario()
async def only_scheduler_is_killed(run: Run) -> None:
    """The only scheduler is killed, twice."""
    (victim,) = [instance for instance in run.ground.of(_NAME) if instance.wanted]
    async with _away(run):
        for _ in range(2):
            await kill(run, victim)
            await run.ground.ready(victim)
            await asyncio.sleep(2)


@scenario(two=(_NAME,))
async def scheduler_is_frozen(run: Run) -> None:
    """One of two is frozen for 20 s, and wakes when the other has its shards."""
    async with _away(run), run.ground.frozen(run.ground.of(_NAME)[0]):
        await asyncio.sleep(_FROZEN)


@scenario(two=(_NAME,))
async def schedulers_database_is_cut_off(run: Run) -> None:
    """All connections to PostgreSQL are cut, five times, while messages wait."""
    async with _away(run):
        for _ in range(5):
            await asyncio.to_thread(run_sql, run.ground.postgres.url, _HELD)
            await asyncio.sleep(2)


@scenario(two=(_NAME,))
async def schedulers_database_is_away(run: Run) -> None:
    """PostgreSQL is away for 15 s while messages wait in timers."""
    postgres = run.ground.postgres
    async with _away(run):
        await asyncio.to_thread(postgres.kill)
        await asyncio.sleep(_WITHOUT)
        postgres.launch()
        await asyncio.to_thread(postgres.wait_ready)
