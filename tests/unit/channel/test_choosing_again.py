"""When a provider stops working, or works again, what waits there chooses anew: each message once, however many wait."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.channel.conftest import LaneBench, ScriptedConfig, ScriptedProvider

from tocsin.channel import NotSent
from tocsin.channel.breaker import BreakerPolicy
from tocsin.channel.delivery import Delivery
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Reason
from tocsin.runtime import Clock
from tocsin.testing.until import until

REFUSED = NotSent(reason=Reason.CREDENTIALS_REFUSED)


class LookedAt(Delivery):
    """A delivery that counts how often anything of it is looked at, all of them together."""

    looks = 0

    def __getattribute__(self, name: str) -> Any:
        LookedAt.looks += 1
        return super().__getattribute__(name)

    def __hash__(self) -> int:
        LookedAt.looks += 1
        return object.__hash__(self)


class Hosts(ScriptedProvider):
    """Each message goes to a host of its own: its category."""

    def far_end(self, job: Job) -> str:
        return job.category


@pytest.fixture(params=[ScriptedProvider, Hosts], ids=["one far end", "many far ends"])
async def bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[LaneBench]:
    """The breaker opens once, and its probe is not taken within the test."""
    monkeypatch.setattr("tocsin.channel.shard_delivery.Delivery", LookedAt)
    monkeypatch.setattr("tocsin.channel.provider_pool.POLICY", BreakerPolicy(first_pause=3600))
    bench = LaneBench(tmp_path)

    def create(config: ScriptedConfig, clock: Clock) -> ScriptedProvider:
        bench.made.append(request.param(config, clock))
        return bench.made[-1]

    bench._create = create  # type: ignore[method-assign]
    bench.configure("first", places=1)
    yield bench
    await bench.close()


async def looks_of_a_move(bench: LaneBench, waiting: int) -> int:
    """How often the messages that wait are looked at when the provider of all of them stops working."""
    await bench.open()
    provider = bench.provider()
    provider.let_go.clear()
    provider.answers = {"0": [REFUSED]}
    shard, _ = bench.start()
    shard.put(*(bench.job(number, category=f"host{number}") for number in range(waiting + 1)))
    instance = bench.pool._instances["first"]
    await until(lambda: provider.got == ["0"] and sum(1 for _ in instance.waiting()) == waiting)
    turns = instance._breakers
    before = LookedAt.looks
    turns.end("host0" if isinstance(provider, Hosts) else None, turns.begin(None), REFUSED)
    await until(lambda: bench.pool._choosing_again is None)
    assert [int(delivery.job.delivery_id[1:]) for delivery in instance.waiting()] == list(
        range(1, waiting + 1)
    )
    return LookedAt.looks - before


@pytest.mark.parametrize("waiting", [400, 3200])
async def test_each_message_is_looked_at_a_few_times_however_many_wait(
    bench: LaneBench, waiting: int
) -> None:
    assert await looks_of_a_move(bench, waiting) <= 30 * waiting
