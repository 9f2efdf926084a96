"""Every service is replaced under load as Deployments of Kubernetes replace their Pods.

A new Pod starts, is asked every few seconds whether it is ready, and counts as available once it has been ready for `minReadySeconds`. Then one
of the old ones gets no more requests, and SIGTERM. `surge` is how many more than usual may be there (`maxSurge`); none is ever missing
(`maxUnavailable: 0`).
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from checker import CRITICAL, percentile
from former_release import former_release, unpack
from ground import Ground, Instance
from reached import REACHED, SERVICES
from rebalances import generations, rebalances
from scenario import RECOVERY, Run, scenario
from tocsin.contracts.vocabulary import Lane
from tocsin.dev.commands import run_command
from tocsin.dev.installation import topics_apply
from tocsin.dev.services import StackSettings
from waits import waits_of

REPLICAS = 2
OBJECTIVE = 10.0
"""Seconds within which 99 of 100 critical messages are handed over, whatever goes on."""
STARTS_WITHIN = 3.0
"""Seconds between the starts of Pods that were made together: they are placed on nodes, and images are fetched."""
ASKED_EVERY = 1.0
"""A readiness probe's `periodSeconds`; each Pod's begin at a moment of their own."""
MIN_READY = 5.0
PRE_STOP = 5.0
"""A `preStop` of what answers callers, so that requests which still come are answered."""
CRITICAL_RATE, TRANSACTIONAL_RATE = 24.0, 8.0
SHORT = 0.25
"""So much of these rates where other tests run beside."""
SHARDS = {f"{name}_SHARDS": "4" for name in ("ROUTER", "SCHEDULER", *(f"DISPATCH_{channel.upper()}" for channel in REACHED))}  # fmt: skip
"""As the manifests have it: two Pods for four shards, so that newcomers get a share."""
WAVES = {"WAVE_SECONDS": "4"}


class RolloutGround(Ground):
    """Old and new instances side by side: the first are those that run when a scenario begins."""

    pods = REPLICAS
    """Of each Deployment."""
    most = 2 * REPLICAS

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._starting: set[Instance] = set()

    def urls(self, name: str) -> list[str]:
        """Where the instances that are ready listen, as a Service has it."""
        ready = [instance for instance in self.of(name) if instance.wanted and instance not in self._starting]
        return [instance.service.url for instance in ready if instance.service.url]

    async def add(self, new: Instance) -> None:
        """Returns when it is ready."""
        self._starting.add(new)
        self.start(new)
        await self.ready(new)
        self._starting.discard(new)

    def pairs(self, name: str) -> list[tuple[Instance, Instance]]:
        """An old instance, and the new one in its place."""
        instances = self.of(name)
        return list(zip(instances[: self.pods], instances[self.pods :], strict=True))


class UpgradeGround(RolloutGround):
    """The old instances run the former release, which has also made topics, tables and tenants."""

    def _make_instances(self, settings: StackSettings) -> None:
        super()._make_instances(settings)
        self.release = former_release()
        sources = unpack(self.release, self.folder / "former")
        for (_, number), instance in self.instances.items():
            if number <= self.pods:
                env = {**instance.service.env, "PYTHONPATH": sources}
                instance.service = replace(instance.service, env=env)

    async def upgrade(self) -> None:
        """Topics and tables of this release, before its services come."""
        env = self.instances["router", self.most].service.env
        for words in (topics_apply(), *((f"tocsin.{service}", "migrate") for service in ("router", "ledger", "scheduler"))):  # fmt: skip
            await run_command(words, env=env, log=self.folder / "commands.log")


class SmallUpgradeGround(UpgradeGround):
    """The same with one Pod of each Deployment, so that half as many processes start."""

    pods = 1
    most = 2


async def _roll_out(
    run: Run, ground: RolloutGround, pairs: Sequence[tuple[Instance, Instance]], *, surge: int
) -> list[float]:
    """One Deployment; returns when all the old ones have ended. The seconds in which the new ones became ready."""
    took: list[float] = []
    surplus, chance = asyncio.Semaphore(surge), random.Random(pairs[0][0].name)

    async def start(new: Instance, old: Instance) -> None:
        async with surplus:
            await asyncio.sleep(chance.uniform(0, STARTS_WITHIN))
            await ground.add(new)
            took.append(run.now() - new.launched)
            await asyncio.sleep(chance.uniform(0, ASKED_EVERY) + MIN_READY)
            old.wanted = False
        # A Pod that is told to end counts no more, so the next new one may start meanwhile.
        endings.create_task(_end(run, old))

    async with asyncio.TaskGroup() as endings, asyncio.TaskGroup() as starts:
        for old, new in pairs:
            starts.create_task(start(new, old))
    return took


async def _end(run: Run, old: Instance) -> None:
    if old.service.port:
        await asyncio.sleep(PRE_STOP)
    run.fault()
    code = await run.ground.stop(old)
    run.expect(code == 0, f"{old.name} ended with exit code {code} when it was told to stop.")


@asynccontextmanager
async def _load(run: Run, share: float = 1.0) -> AsyncIterator[None]:
    """An open load, or a share of it, and afterwards what it had to wait, and how often groups gave their shards out anew."""
    logs = [instance.log for instance in run.ground.instances.values()]
    before, repeats = generations(logs), run.load.repeats
    async with (
        run.load.flowing(CRITICAL_RATE * share, lanes=[Lane.CRITICAL], catches_up=True),
        run.load.flowing(TRANSACTIONAL_RATE * share, lanes=[Lane.TRANSACTIONAL], catches_up=True),
    ):
        await asyncio.sleep(2)
        yield
        await asyncio.sleep(2)
    await _note_waits(run)
    counts = rebalances(before, generations(logs))
    if counts:
        run.notes.append("rebalances: " + ", ".join(f"{group} {count}" for group, count in counts.items()))
    more = [group for group, count in counts.items() if count > 2 * REPLICAS]
    run.expect_in_time(not more, f"More than one rebalance for each that came or went: {', '.join(more)}.")
    # Ingest also answers 503 where a busy machine lets Kafka's acknowledgement come too late.
    more_requests = run.load.repeats - repeats
    run.expect_in_time(not more_requests, f"{more_requests} requests had to be repeated.")


async def _note_waits(run: Run) -> None:
    """From when a message was due to its first hand-over. The longest is what the longest pause of a lane has cost."""
    waits = await waits_of(run, run.sent)
    for lane in (Lane.CRITICAL, Lane.TRANSACTIONAL):
        of_lane = [wait + sent.at - sent.due for sent, wait in zip(run.sent, waits, strict=True) if sent.way.lane == lane]  # fmt: skip
        p50, p99, longest = (percentile(of_lane, share) for share in (0.5, 0.99, 1.0))
        run.notes.append(f"{lane}: p50 {p50:.2f} s, p99 {p99:.2f} s, longest {longest:.2f} s")
        if lane == CRITICAL:
            run.expect_in_time(p99 <= OBJECTIVE, f"p99 of critical was {p99:.1f} s; {OBJECTIVE:g} s are promised.")  # fmt: skip


async def _roll_out_all(run: Run, *, surge: int) -> None:
    ground = run.ground
    assert isinstance(ground, RolloutGround)
    async with _load(run):
        took = [
            seconds
            for name in SERVICES
            for seconds in await _roll_out(run, ground, ground.pairs(name), surge=surge)
        ]
    run.notes.append(f"a new process was ready after {min(took):.1f} to {max(took):.1f} s")


@scenario(
    two=SERVICES, recovery=RECOVERY, settings=SHARDS, ground=RolloutGround, nightly=True, own_ground=True
)
async def rolling_update_one_by_one(run: Run) -> None:
    """Every Deployment is rolled with `maxSurge: 1`: a new Pod, an old one less, and so on."""
    await _roll_out_all(run, surge=1)


@scenario(
    two=SERVICES,
    recovery=RECOVERY,
    settings=SHARDS | WAVES,
    ground=RolloutGround,
    nightly=True,
    own_ground=True,
)
async def rolling_update_in_waves(run: Run) -> None:
    """The same as the manifests have it, with `maxSurge: 100%` and WAVE_SECONDS: who comes or goes at about the same time does it in one moment."""
    await _roll_out_all(run, surge=REPLICAS)


@scenario(
    two=SERVICES, recovery=RECOVERY, settings=SHARDS, ground=UpgradeGround, nightly=True, own_ground=True
)
async def upgrade_from_the_former_release(run: Run) -> None:
    """Topics and tables are brought to this release, then one of two instances of every service, then the other: both releases side by side."""
    ground = run.ground
    assert isinstance(ground, UpgradeGround)
    run.notes.append(f"from {ground.release}")
    async with _load(run):
        await ground.upgrade()
        for turn in range(REPLICAS):
            for name in SERVICES:
                await _roll_out(run, ground, ground.pairs(name)[turn : turn + 1], surge=1)
            await asyncio.sleep(5)


@scenario(settings=SHARDS, ground=SmallUpgradeGround, own_ground=True)
async def upgrade_in_short(run: Run) -> None:
    """The former release runs alone, then both side by side, then this one alone: one instance of every service, replaced at the same time."""
    ground = run.ground
    assert isinstance(ground, UpgradeGround)
    run.notes.append(f"from {ground.release}")
    async with _load(run, SHORT):
        await ground.upgrade()
        async with asyncio.TaskGroup() as deployments:
            for name in SERVICES:
                deployments.create_task(_roll_out(run, ground, ground.pairs(name), surge=1))
