"""An instance with many far ends: one that does not answer takes its share of the places, and stops no other."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.unit.channel.conftest import UNREACHABLE, ScriptedConfig, ScriptedProvider

from tocsin.channel import Answer, FarEnds
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Lane
from tocsin.runtime import Clock
from tocsin.testing.until import until

if TYPE_CHECKING:
    from tests.unit.channel.conftest import LaneBench


class Hosts(ScriptedProvider):
    """Calls the host that stands in a job's category; the host `dead` does not answer while `answers_again` is not set."""

    def __init__(self, config: ScriptedConfig, clock: Clock) -> None:
        super().__init__(config, clock)
        self.answers_again = asyncio.Event()
        self.calls: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    def far_end(self, job: Job) -> str | None:
        return None if job.category == "itself" else job.category

    async def send(self, job: Job) -> Answer:
        host = job.category
        self.calls[host] += 1
        self.most[host] = max(self.most[host], self.calls[host])
        try:
            if host == "dead":
                await self.answers_again.wait()
            return await super().send(job)
        finally:
            self.calls[host] -= 1


@pytest.fixture
def hosts(bench: "LaneBench") -> list[Hosts]:
    """The providers that the bench makes."""
    made: list[Hosts] = []

    def create(config: ScriptedConfig, clock: Clock) -> ScriptedProvider:
        made.append(Hosts(config, clock))
        bench.made.append(made[-1])
        return made[-1]

    bench._create = create  # type: ignore[method-assign]
    return made


def to(host: str, numbers: range, bench: "LaneBench") -> list[Job]:
    return [bench.job(number, category=host) for number in numbers]


def sent(bench: "LaneBench") -> set[int]:
    return {int((status.delivery_id or "")[1:]) for status in bench.statuses if status.status == "sent"}


def test_a_provider_names_its_far_ends_or_has_none() -> None:
    config = ScriptedConfig(name="a", kind="scripted")
    assert isinstance(Hosts(config, Clock), FarEnds)  # type: ignore[arg-type]
    assert not isinstance(ScriptedProvider(config, Clock), FarEnds)  # type: ignore[arg-type]


async def test_one_dead_far_end_does_not_stop_the_others(bench: "LaneBench", hosts: list[Hosts]) -> None:
    bench.configure("first", places=16)
    await bench.open(lanes=[Lane.TRANSACTIONAL])
    shard, _ = bench.start()
    shard.put(*to("dead", range(60), bench), *to("alive", range(60, 160), bench))
    await until(lambda: sent(bench) == set(range(60, 160)))
    assert hosts[0].calls["dead"] == 2
    hosts[0].answers_again.set()
    await until(lambda: sent(bench) == set(range(160)))
    assert hosts[0].most["dead"] == 2


async def test_every_lane_shares_a_far_ends_places(bench: "LaneBench", hosts: list[Hosts]) -> None:
    bench.configure("first", places=16)
    await bench.open()
    bulk, _ = bench.start(bench.context(Lane.BULK))
    critical, _ = bench.start(bench.context(Lane.CRITICAL))
    bulk.put(*to("dead", range(10), bench))
    await until(lambda: hosts[0].calls["dead"] == 2)
    critical.put(*to("dead", range(10, 20), bench), *to("alive", range(20, 40), bench))
    await until(lambda: sent(bench) == set(range(20, 40)))
    assert hosts[0].most["dead"] == 2
    hosts[0].answers_again.set()
    await until(lambda: sent(bench) == set(range(40)))


async def test_what_goes_to_the_instance_itself_has_all_places(
    bench: "LaneBench", hosts: list[Hosts]
) -> None:
    bench.configure("first", places=16)
    await bench.open(lanes=[Lane.TRANSACTIONAL])
    shard, _ = bench.start()
    hosts[0].let_go.clear()
    shard.put(*to("itself", range(40), bench))
    await until(lambda: hosts[0].calls["itself"] == 16)
    hosts[0].let_go.set()
    await until(lambda: len(sent(bench)) == 40)


async def test_far_ends_take_turns_and_each_keeps_its_order(bench: "LaneBench", hosts: list[Hosts]) -> None:
    bench.configure("first", places=1)
    await bench.open(lanes=[Lane.TRANSACTIONAL])
    shard, _ = bench.start()
    hosts[0].let_go.clear()
    shard.put(*to("a", range(1), bench), *to("a", range(100, 110), bench), *to("b", range(200, 210), bench))
    await until(lambda: hosts[0].got == ["0"] and shard.took_all())
    hosts[0].let_go.set()
    await until(lambda: len(sent(bench)) == 21)
    rest = hosts[0].got[1:]
    assert {body[0] for body in rest[:2]} == {"1", "2"}
    assert [body for body in rest if body[0] == "1"] == [str(number) for number in range(100, 110)]
    assert [body for body in rest if body[0] == "2"] == [str(number) for number in range(200, 210)]


async def test_a_retry_waits_for_its_far_end_too(bench: "LaneBench", hosts: list[Hosts]) -> None:
    bench.configure("first", places=8)
    await bench.open(lanes=[Lane.TRANSACTIONAL])
    shard, _ = bench.start()
    hosts[0].answers = {str(number): [UNREACHABLE] for number in range(4)}
    shard.put(*to("flaky", range(4), bench), *to("alive", range(4, 8), bench))
    await until(lambda: sent(bench) == set(range(8)))
    assert hosts[0].most == Counter(flaky=1, alive=1)


async def test_a_replaced_instance_leaves_its_calls_in_the_far_ends_places(
    bench: "LaneBench", hosts: list[Hosts]
) -> None:
    bench.configure("first", places=8, note="old")
    await bench.open(lanes=[Lane.TRANSACTIONAL])
    shard, _ = bench.start()
    shard.put(*to("dead", range(5), bench))
    await until(lambda: hosts[0].calls["dead"] == 1 and shard.took_all())
    bench.configure("first", places=8, note="new")
    await bench.pool.reload()
    shard.put(*to("alive", range(5, 10), bench))
    await until(lambda: sent(bench) == set(range(5, 10)))
    assert hosts[1].calls["dead"] == 0
    for provider in hosts:
        provider.answers_again.set()
    await until(lambda: sent(bench) == set(range(10)))


async def test_a_revoked_shard_takes_along_what_waits_for_a_dead_far_end(
    bench: "LaneBench", hosts: list[Hosts]
) -> None:
    bench.configure("first", places=8)
    await bench.open(lanes=[Lane.TRANSACTIONAL])
    shard, work = bench.start()
    shard.put(*to("dead", range(5), bench))
    await until(lambda: hosts[0].calls["dead"] == 1 and shard.took_all())
    leaving = asyncio.create_task(shard.revoke())
    line = bench.pool._instances["first"]._queues[Lane.TRANSACTIONAL]._new
    await until(lambda: not list(line))
    hosts[0].answers_again.set()
    await leaving
    await work
    assert len(bench.statuses) == 1
