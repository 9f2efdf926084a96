"""Processes of ours are killed."""

import asyncio
import random

from ground import Instance
from reached import REACHED, SERVICES
from scenario import RECOVERY, Run, scenario

RATE = 30.0
SEED = 9
DISPATCHERS = tuple(channel.dispatcher for channel in REACHED)


async def kill(run: Run, victim: Instance) -> None:
    """What it had begun and not recorded may be handed over again, if it is a dispatcher."""
    if victim.service.name in DISPATCHERS:
        run.crash_of_a_dispatcher()
    run.fault()
    await run.ground.kill(victim)


async def kill_often(run: Run, name: str, times: int) -> None:
    """One of the two, at random, under load."""
    chance = random.Random(SEED)
    async with run.load.flowing(RATE):
        for _ in range(times):
            await asyncio.sleep(chance.uniform(0.5, 2.0))
            alive = [instance for instance in run.ground.of(name) if instance.alive]
            await kill(run, chance.choice(alive or run.ground.of(name)))
        await asyncio.sleep(3)


async def kill_twice(run: Run, name: str) -> None:
    """The only one. It is ready again before it dies again."""
    (victim,) = [instance for instance in run.ground.of(name) if instance.wanted]
    async with run.load.flowing(RATE):
        for _ in range(2):
            await asyncio.sleep(2)
            await kill(run, victim)
            await asyncio.sleep(1)
            await run.ground.ready(victim)
        await asyncio.sleep(3)


@scenario()
async def nothing_happens(run: Run) -> None:
    """Load alone: the measure for all others."""
    async with run.load.flowing(RATE):
        await asyncio.sleep(8)


@scenario(two=SERVICES)
async def anybody_is_killed(run: Run) -> None:
    """Any service is killed at random, twenty times."""
    chance = random.Random(SEED)
    victims = [instance for instance in run.ground.instances.values() if instance.wanted]
    async with run.load.flowing(RATE):
        for _ in range(20):
            await asyncio.sleep(1.5)
            await kill(run, chance.choice([instance for instance in victims if instance.alive]))
        await asyncio.sleep(3)


@scenario(two=("router",))
async def router_is_killed(run: Run) -> None:
    """One of two routers is killed, ten times."""
    await kill_often(run, "router", 10)


@scenario(recovery=RECOVERY)
async def only_router_is_killed(run: Run) -> None:
    """The only router is killed, twice."""
    await kill_twice(run, "router")


@scenario(two=("dispatch-email",))
async def dispatcher_is_killed(run: Run) -> None:
    """One of two dispatchers of mail is killed, ten times."""
    await kill_often(run, "dispatch-email", 10)


@scenario(recovery=RECOVERY)
async def only_dispatcher_is_killed(run: Run) -> None:
    """The only dispatcher of mail is killed, twice."""
    await kill_twice(run, "dispatch-email")


@scenario(two=("dispatch-email",))
async def dispatcher_is_killed_in_a_backlog(run: Run) -> None:
    """One of two dispatchers of mail is killed ten times while 2,000 mails wait."""
    dispatchers = run.ground.of("dispatch-email")
    async with run.ground.frozen(dispatchers[0]), run.ground.frozen(dispatchers[1]):
        run.crash_of_a_dispatcher()  # they may have been frozen for longer than their sessions
        run.crash_of_a_dispatcher()
        await run.load.backlog(2_000, channel="email", lane="transactional")
    for number in range(10):
        await kill(run, dispatchers[number % 2])
        await asyncio.sleep(1)


@scenario(two=("dispatch-sms",))
async def sms_dispatcher_is_killed(run: Run) -> None:
    """One of two dispatchers of SMS is killed, five times."""
    await kill_often(run, "dispatch-sms", 5)


@scenario(two=("dispatch-push",))
async def push_dispatcher_is_killed(run: Run) -> None:
    """One of two dispatchers of push messages is killed, five times."""
    await kill_often(run, "dispatch-push", 5)


@scenario(two=("ledger",))
async def ledger_is_killed(run: Run) -> None:
    """One of two ledgers is killed, five times."""
    await kill_often(run, "ledger", 5)


@scenario(two=("ingest",))
async def ingest_is_killed(run: Run) -> None:
    """One of two ingests is killed five times; clients repeat under their keys."""
    await kill_often(run, "ingest", 5)
    run.notes.append(f"{run.load.repeats} requests were repeated")


@scenario(two=("router", "dispatch-email"), recovery=2 * RECOVERY)
async def router_and_dispatcher_are_killed_together(run: Run) -> None:
    """A router and a dispatcher of mail die in the same moment, three times."""
    async with run.load.flowing(RATE):
        for number in range(3):
            await asyncio.sleep(4)
            victims = run.ground.of("router")[number % 2], run.ground.of("dispatch-email")[number % 2]
            await asyncio.gather(*(kill(run, victim) for victim in victims))
        await asyncio.sleep(4)
