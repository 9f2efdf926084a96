"""While nobody can know what was switched off a moment ago, optional messages wait and required ones go on."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from prometheus_client import REGISTRY

from tocsin.channel.copy_watch import MAX_AGE, TOO_OLD
from tocsin.channel.retry_policy import ATTEMPTS
from tocsin.contracts.vocabulary import Lane
from tocsin.testing.clock import ManualClock
from tocsin.testing.until import until

from .conftest import UNREACHABLE

if TYPE_CHECKING:
    from .conftest import LaneBench

STALE = MAX_AGE + 1


def sent_on_stale_copy() -> float:
    labels = {"component": "dispatch-sms", "lane": Lane.TRANSACTIONAL}
    return REGISTRY.get_sample_value("tocsin_sent_on_stale_copy_total", labels) or 0.0


def waiting() -> float | None:
    labels = {"component": "dispatch-sms", "lane": Lane.TRANSACTIONAL}
    return REGISTRY.get_sample_value("tocsin_waiting_for_copy", labels)


async def test_optional_ones_wait_and_required_ones_of_the_same_recipient_go_on(bench: "LaneBench") -> None:
    await bench.open()
    before, waited = sent_on_stale_copy(), waiting() or 0.0
    await bench.copy_age(STALE)
    shard, _ = bench.start()
    shard.put(*(bench.job(number, recipient="ada", required=number % 2 == 0) for number in range(1, 7)))
    await until(lambda: len(bench.statuses) == 3)
    assert bench.provider().got == ["2", "4", "6"]
    assert sent_on_stale_copy() == before + 3
    assert waiting() == waited + 3
    await bench.copy_age(0)
    await until(lambda: len(bench.statuses) == 6)
    assert bench.provider().got == ["2", "4", "6", "1", "3", "5"], "in their order"
    assert sent_on_stale_copy() == before + 3
    assert waiting() == waited


async def test_those_that_wait_are_overtaken_by_none_of_their_recipient(bench: "LaneBench") -> None:
    """The copy is young again before those that wait go on: they are told of it by a look once a second."""
    await bench.open()
    waited = waiting() or 0.0
    await bench.copy_age(STALE)
    shard, _ = bench.start()
    shard.put(bench.job(1, recipient="ada"))
    await until(lambda: waiting() == waited + 1)
    bench.age.age = 0
    shard.put(bench.job(2, recipient="ada"), bench.job(3, recipient="bob", required=True))
    await until(lambda: len(bench.statuses) == 1)
    assert bench.provider().got == ["3"]
    await bench.copy.look()
    await until(lambda: len(bench.statuses) == 3)
    assert bench.provider().got == ["3", "1", "2"]


@pytest.mark.parametrize(
    ("seconds", "waits"), [(MAX_AGE - 0.1, False), (MAX_AGE, True), (float("inf"), True)]
)
async def test_the_bound_is_the_age_of_the_copy(bench: "LaneBench", seconds: float, waits: bool) -> None:
    await bench.open()
    await bench.copy_age(seconds)
    shard, _ = bench.start()
    shard.put(bench.job(1), bench.job(2, required=True))
    await until(lambda: len(bench.statuses) == 2 - waits)
    assert ("1" in bench.provider().got) is not waits
    assert bench.health.reasons()["copy of stops"] == (TOO_OLD.format(copies="stops") if waits else None)


async def test_those_that_wait_hold_no_place_of_a_provider_and_none_of_the_lane(bench: "LaneBench") -> None:
    bench.configure("first", places=1)
    await bench.open(max_unrecorded=1)
    await bench.copy_age(STALE)
    shard, _ = bench.start()
    shard.put(*(bench.job(number) for number in range(50)), bench.job(50, required=True))
    await until(lambda: bench.provider().got == ["50"])
    await bench.copy_age(0)
    await until(lambda: len(bench.statuses) == 51)
    assert sorted(map(int, bench.provider().got)) == list(range(51))


async def test_what_came_to_a_runner_before_the_copy_grew_old_waits_too(bench: "LaneBench") -> None:
    bench.configure("first", places=1)
    await bench.open()
    bench.provider().let_go.clear()
    shard, _ = bench.start()
    shard.put(bench.job(1), bench.job(2), bench.job(3, recipient="r2"), bench.job(4, required=True))
    await until(lambda: bench.provider().got == ["1"])
    await bench.copy_age(STALE)
    bench.provider().let_go.set()
    await until(lambda: len(bench.statuses) == 2)
    assert bench.provider().got == ["1", "4"]
    shard.put(bench.job(5, recipient="r2"))
    await until(shard.took_all)
    await bench.copy_age(0)
    await until(lambda: len(bench.statuses) == 5)
    assert bench.provider().got == ["1", "4", "2", "3", "5"]


async def test_a_retry_waits_too_and_goes_on_with_its_tries(bench: "LaneBench") -> None:
    await bench.open(max_unrecorded=1)
    bench.provider().answers["1"] = [UNREACHABLE]
    bench.provider().let_go.clear()
    shard, _ = bench.start()
    shard.put(bench.job(1))
    await until(lambda: bench.provider().got == ["1"])
    await bench.copy_age(STALE)
    bench.provider().let_go.set()
    shard.put(bench.job(2, required=True))
    await until(lambda: len(bench.statuses) == 1)
    await bench.copy_age(0)
    await until(lambda: len(bench.statuses) == 2)
    assert [(status.delivery_id, status.attempt) for status in bench.statuses] == [("d2", 1), ("d1", 2)]
    assert ATTEMPTS > 2


async def test_what_expires_meanwhile_is_not_sent(bench: "LaneBench") -> None:
    clock = ManualClock()
    await bench.open(clock=clock)
    await bench.copy_age(STALE)
    shard, _ = bench.start()
    shard.put(bench.job(1, expires_at=clock.now() + timedelta(hours=1)))
    await until(lambda: bool(waiting()))
    clock.advance(hours=2)
    await bench.copy_age(0)
    await until(lambda: len(bench.statuses) == 1)
    assert (bench.statuses[0].status, bench.provider().got) == ("expired", [])


async def test_a_shard_that_is_revoked_leaves_them_to_the_next_owner(bench: "LaneBench") -> None:
    await bench.open()
    waited = waiting() or 0.0
    await bench.copy_age(STALE)
    shard, work = bench.start()
    shard.put(*(bench.job(number) for number in range(3)))
    await until(lambda: waiting() == waited + 3)
    await shard.revoke()
    await work
    assert waiting() == waited
    await bench.copy_age(0)
    bench.start()
    await until(lambda: len(bench.statuses) == 3)
    assert sorted(bench.provider().got) == ["0", "1", "2"]


async def test_a_line_is_logged_when_it_changes_and_not_each_second(
    bench: "LaneBench", caplog: pytest.LogCaptureFixture
) -> None:
    await bench.open()
    for seconds in (0, STALE, STALE + 1, STALE + 2, 0, 0):
        await bench.copy_age(seconds)
    assert [line.msg for line in caplog.records if line.name.endswith("copy_watch")] == [
        TOO_OLD.format(copies="stops"),
        "the copies are young again",
    ]
