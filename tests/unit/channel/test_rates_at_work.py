"""A provider's messages a second, with runners, lanes and shards."""

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tocsin.channel import InstanceConfig, SenderConfig
from tocsin.channel.far_ends import FarEndPlaces
from tocsin.channel.priority_limiter import FAIR
from tocsin.channel.rates import Rates, SenderRates
from tocsin.channel.sender_turns import SenderTurns
from tocsin.contracts.jobs import SenderIdentity
from tocsin.contracts.vocabulary import Lane
from tocsin.testing import ManualClock
from tocsin.testing.until import until

if TYPE_CHECKING:
    from tests.unit.channel.conftest import LaneBench

ALMOST_NONE = 0.0001
"""Messages a second: one in three hours."""


@pytest.fixture
def limited(bench: "LaneBench", monkeypatch: pytest.MonkeyPatch) -> "LaneBench":
    """What a test sets as `rates` holds for every instance of the bench."""
    monkeypatch.setattr(InstanceConfig, "rates", lambda _config, _processes: bench.rates, raising=True)
    bench.configure("first", places=8)
    return bench


async def turns() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_no_more_go_out_than_the_rate_allows_and_all_of_them_do(limited: "LaneBench"):
    limited.rates = Rates(rate=100, burst=1)
    await limited.open()
    shard, _ = limited.start()
    began = time.monotonic()
    shard.put(*(limited.job(number) for number in range(21)))
    await until(lambda: len(limited.statuses) == 21)
    assert time.monotonic() - began >= 20 / 100 * 0.99


async def test_all_lanes_share_the_rate_and_the_critical_one_has_a_reserve(limited: "LaneBench"):
    limited.rates = Rates(rate=ALMOST_NONE, burst=8)
    await limited.open()
    provider = limited.provider()
    bulk, _ = limited.start(limited.context(Lane.BULK))
    other, _ = limited.start(limited.context(Lane.TRANSACTIONAL))
    critical, _ = limited.start(limited.context(Lane.CRITICAL))
    bulk.put(*(limited.job(number) for number in range(20)))
    other.put(*(limited.job(number) for number in range(20, 40)))
    await until(lambda: len(provider.got) == 6 and bulk.took_all() and other.took_all())
    await turns()
    assert len(provider.got) == 6
    critical.put(*(limited.job(number) for number in range(40, 60)))
    await until(lambda: len(provider.got) == 8 and critical.took_all())
    await turns()
    assert provider.got[6:] == ["40", "41"]


async def test_a_sender_that_has_sent_enough_holds_up_no_other(limited: "LaneBench"):
    limited.rates = Rates(rate_per_sender=ALMOST_NONE)
    await limited.open()
    provider = limited.provider()
    shard, _ = limited.start()
    busy, quiet = SenderIdentity(address="+4915100000001"), SenderIdentity(address="+4915100000002")
    shard.put(*(limited.job(number, sender=busy) for number in range(20)))
    shard.put(limited.job(20, sender=quiet), limited.job(21, sender=None))
    await until(lambda: len(provider.got) == 3 and shard.took_all())
    await turns()
    assert sorted(provider.got, key=int) == ["0", "20", "21"]


async def test_a_senders_next_message_goes_out_when_its_rate_allows_it(limited: "LaneBench"):
    limited.rates = Rates(rate_per_sender=50)
    await limited.open()
    shard, _ = limited.start()
    sender = SenderIdentity(address="+4915100000001")
    began = time.monotonic()
    shard.put(*(limited.job(number, sender=sender) for number in range(60)))
    await until(lambda: len(limited.statuses) == 60)
    assert time.monotonic() - began >= 10 / 50 * 0.99


async def test_what_may_not_be_sent_any_more_uses_up_nothing(limited: "LaneBench"):
    limited.rates = Rates(rate=ALMOST_NONE, burst=3, rate_per_sender=ALMOST_NONE)
    await limited.open()
    shard, _ = limited.start()
    sender = SenderIdentity(address="+4915100000001")
    past = limited.clock.now()
    shard.put(*(limited.job(number, expires_at=past, sender=sender) for number in range(5)))
    shard.put(limited.job(5, sender=SenderIdentity(address="+4915100000002")), limited.job(6))
    await until(lambda: len(limited.statuses) == 7)
    assert sorted(limited.provider().got) == ["5", "6"]


async def test_a_critical_message_does_not_wait_for_the_time_of_others(limited: "LaneBench"):
    """The bucket is empty: others may go on in twenty seconds, a critical one in a fifth of one."""
    limited.rates = Rates(rate=5, burst=400)
    await limited.open()
    provider = limited.provider()
    bulk, _ = limited.start(limited.context(Lane.BULK))
    critical, _ = limited.start(limited.context(Lane.CRITICAL))
    bulk.put(*(limited.job(number) for number in range(310)))
    await until(lambda: len(provider.got) >= 300 and bulk.took_all())
    critical.put(*(limited.job(number) for number in range(1000, 1105)))
    await until(lambda: "1104" in provider.got)


async def test_a_critical_load_above_the_rate_leaves_the_others_one_message_in_eight(limited: "LaneBench"):
    limited.rates = Rates(rate=400, burst=8)
    await limited.open()
    provider = limited.provider()
    bulk, _ = limited.start(limited.context(Lane.BULK))
    critical, _ = limited.start(limited.context(Lane.CRITICAL))
    provider.let_go.clear()
    critical.put(*(limited.job(number) for number in range(1000, 1200)))
    await until(lambda: provider.inside == 8)
    bulk.put(*(limited.job(number) for number in range(10)))
    await until(lambda: bulk.took_all() and critical.took_all())
    provider.let_go.set()
    await until(lambda: len(limited.statuses) == 210)
    assert max(provider.got.index(str(number)) for number in range(10)) < 8 + 11 * FAIR


async def test_a_sender_that_got_a_turn_back_sends_no_faster_later():
    """What did not go out gives its turn to the next one, whose own pause then counts, not the rest of the former."""
    clock = ManualClock()
    lines = FarEndPlaces(places=8)
    turns = SenderTurns(SenderRates(rate=1.0), lines, on_turn=lambda: None)
    turns.take("a", clock.monotonic())
    assert not lines.has_room("a")
    turns.give_back("a", clock.monotonic())
    assert lines.has_room("a")
    clock.advance(0.9)
    turns.take("a", clock.monotonic())
    assert not lines.has_room("a")
    (timer,) = turns._timers.values()
    assert timer.when() - asyncio.get_running_loop().time() > 0.9
    timer.cancel()


async def test_what_waits_for_a_rate_is_tried_at_no_other_provider(limited: "LaneBench"):
    limited.rates = Rates(rate=ALMOST_NONE, burst=1)
    limited.configure("first", "second", order=["first", "second"])
    await limited.open()
    shard, _ = limited.start()
    shard.put(*(limited.job(number) for number in range(5)))
    await until(lambda: len(limited.statuses) == 1 and shard.took_all())
    await turns()
    assert (limited.provider("first").got, limited.provider("second").got) == (["0"], [])


async def test_an_instance_made_anew_has_no_second_burst(limited: "LaneBench"):
    limited.rates = Rates(rate=ALMOST_NONE, burst=2)
    await limited.open()
    shard, _ = limited.start()
    shard.put(*(limited.job(number) for number in range(10)))
    await until(lambda: len(limited.statuses) == 2)
    limited.configure("first", places=8, note="newer")
    await limited.pool.reload()
    await turns()
    assert limited.provider().got == []
    assert [(view["rate"], view["waiting"]) for view in limited.pool.views()] == [(ALMOST_NONE, 8)]
    limited.configure("first", places=4, note="newest")
    await limited.pool.reload()
    await turns()
    assert limited.provider().got == []


@pytest.mark.parametrize(
    ("fields", "processes", "rates"),
    [
        ({}, 2, Rates()),
        ({"rate": 10}, 1, Rates(rate=10, burst=10)),
        ({"rate": 10}, 4, Rates(rate=2.5, burst=2.5)),
        ({"rate": 1}, 4, Rates(rate=0.25, burst=1)),
        ({"rate": 10, "burst": 40}, 4, Rates(rate=2.5, burst=10)),
        ({"rate_per_sender": 3}, 2, Rates(rate_per_sender=1.5)),
        ({"rate": 10, "rate_per_sender": 3}, 2, Rates(rate=5, burst=5, rate_per_sender=1.5)),
    ],
)
def test_processes_share_what_is_configured(fields: dict[str, float], processes: int, rates: Rates) -> None:
    config = SenderConfig.model_validate({"name": "a", "kind": "any"} | fields)
    assert config.rates(processes) == rates


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"burst": 3}, "`burst` belongs to a `rate`"),
        ({"connect_timeout": 8}, "`connect_timeout` is longer than `call_timeout`"),
        ({"rate": 0}, "greater than 0"),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        InstanceConfig.model_validate({"name": "a", "kind": "any"} | fields)
