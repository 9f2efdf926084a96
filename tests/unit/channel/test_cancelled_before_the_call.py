"""What its producer has taken back is not handed over: looked at immediately before each call, whatever waited how long."""

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from tocsin.channel import Ambiguous
from tocsin.channel.copy_watch import MAX_AGE
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Lane
from tocsin.testing.until import until

from .conftest import UNREACHABLE

if TYPE_CHECKING:
    from .conftest import LaneBench

ID = "0190b6f2-5c3e-5a2b-9a67-0d7a3b1c2e4f"


def job(bench: "LaneBench", number: int, *, test: bool = False, **fields: Any) -> Job:
    """A job with an id and a cancellation key of its own."""
    made = bench.job(number, **fields)
    intent = msgspec.structs.replace(
        made.intent, notification_id=f"{ID[:-2]}{number:02}", cancel_key=f"key-{number}", test=test
    )
    return msgspec.structs.replace(made, intent=intent)


def counted(result: str) -> float:
    labels = {"component": "dispatch-sms", "result": result}
    return REGISTRY.get_sample_value("tocsin_cancellations_total", labels) or 0.0


@pytest.mark.parametrize("named", [{"notification_id": f"{ID[:-2]}01"}, {"key": "key-1"}])
@pytest.mark.parametrize("delivery_class", ["at_least_once", "at_most_once"])
@pytest.mark.parametrize("required", [True, False])
async def test_it_ends_as_cancelled_and_no_call_is_made(
    bench: "LaneBench", named: dict[str, Any], delivery_class: str, required: bool
) -> None:
    await bench.open()
    before = counted("held")
    bench.cancel(**named)
    shard, _ = bench.start()
    jobs = [job(bench, number, delivery_class=delivery_class, required=required) for number in (1, 2)]
    shard.put(*jobs)
    await until(lambda: sum(status.final for status in bench.statuses) == 2)
    [ended] = [status for status in bench.statuses if status.delivery_id == "d1"]
    assert (ended.status, ended.final, ended.reason, ended.attempt) == ("cancelled", True, None, 0)
    assert (ended.detail or "").startswith("Its producer cancelled it at 20")
    assert bench.provider().got == ["2"]
    assert counted("held") == before + 1


@pytest.mark.parametrize("test", [True, False])
async def test_a_test_key_reaches_tests_alone(bench: "LaneBench", test: bool) -> None:
    await bench.open()
    bench.cancel(key="key-1", test=True)
    shard, _ = bench.start()
    shard.put(job(bench, 1, test=test))
    await until(lambda: len(bench.statuses) == 1)
    assert bench.statuses[0].status == ("cancelled" if test else "sent")


async def test_what_waits_in_a_providers_queue_is_held_too(bench: "LaneBench") -> None:
    """A backlog: one call takes long, half of what waits behind it is cancelled, none of that half is handed over."""
    bench.configure("first", places=1)
    await bench.open()
    bench.provider().let_go.clear()
    shard, _ = bench.start()
    shard.put(*(job(bench, number) for number in range(20)))
    await until(lambda: bench.provider().got == ["0"])
    for number in range(1, 20, 2):
        bench.cancel(key=f"key-{number}")
    bench.provider().let_go.set()
    await until(lambda: len(bench.statuses) == 20)
    assert sorted(map(int, bench.provider().got)) == list(range(0, 20, 2))
    assert [status.status for status in bench.statuses].count("cancelled") == 10


@pytest.mark.parametrize(
    ("first_answer", "ends", "counts"),
    [(UNREACHABLE, "cancelled", "held"), (Ambiguous(), "unknown", "uncertain")],
)
async def test_between_two_attempts_it_ends_as_what_is_known(
    bench: "LaneBench", first_answer: Any, ends: str, counts: str
) -> None:
    await bench.open()
    before = counted(counts)
    bench.provider().answers["1"] = [first_answer]
    bench.provider().let_go.clear()
    shard, _ = bench.start()
    shard.put(job(bench, 1))
    await until(lambda: bench.provider().got == ["1"])
    bench.cancel(key="key-1")
    bench.provider().let_go.set()
    await until(lambda: len(bench.statuses) == 1)
    assert (bench.statuses[0].status, bench.provider().got) == (ends, ["1"])
    assert counted(counts) == before + 1


async def test_one_that_was_sent_before_stays_sent(bench: "LaneBench") -> None:
    await bench.open()
    shard, _ = bench.start()
    shard.put(job(bench, 1))
    await until(lambda: len(bench.statuses) == 1)
    bench.cancel(key="key-1")
    shard.put(job(bench, 2))
    await until(lambda: len(bench.statuses) == 2)
    assert [status.status for status in bench.statuses] == ["sent", "sent"]


async def test_a_cancelled_job_is_not_taken_up_again_by_the_next_owner(bench: "LaneBench") -> None:
    await bench.open()
    bench.cancel(key="key-1")
    bench.provider().let_go.clear()
    shard, work = bench.start()
    shard.put(job(bench, 0), job(bench, 1))
    await until(lambda: len(bench.statuses) == 1)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    labels = {"component": "dispatch-sms", "lane": Lane.TRANSACTIONAL}
    before = _sample("tocsin_jobs_ended_before_total", labels)
    bench.provider().let_go.set()
    bench.start()
    await until(lambda: len(bench.statuses) == 2)
    assert _sample("tocsin_jobs_ended_before_total", labels) == before + 1
    assert sorted((status.delivery_id, status.status) for status in bench.statuses) == [
        ("d0", "sent"),
        ("d1", "cancelled"),
    ]


async def test_while_the_copy_of_cancels_is_old_optional_ones_wait_and_required_ones_go_on(
    bench: "LaneBench",
) -> None:
    await bench.open()
    labels = {"component": "dispatch-sms", "lane": Lane.TRANSACTIONAL}
    stale = _sample("tocsin_sent_on_stale_copy_total", labels)
    bench.cancels_age.age = MAX_AGE
    await bench.copy.look()
    shard, _ = bench.start()
    shard.put(job(bench, 1), job(bench, 2, required=True))
    await until(lambda: len(bench.statuses) == 1)
    assert bench.provider().got == ["2"]
    assert "copy of cancels is too old" in (bench.health.reasons()["copy of cancels"] or "")
    assert bench.health.reasons()["copy of stops"] is None
    bench.cancel(key="key-1")  # on the topic since before, and not known until now
    bench.cancels_age.age = 0
    await bench.copy.look()
    await until(lambda: len(bench.statuses) == 2)
    assert bench.provider().got == ["2"]
    assert _sample("tocsin_sent_on_stale_copy_total", labels) == stale + 1
    assert _sample("tocsin_copy_age_seconds", {"component": "test", "kind": "cancels"}) == 0


def _sample(name: str, labels: dict[str, str]) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_races_nothing_is_called_for_after_its_cancellation_was_seen(
    bench: "LaneBench", seed: int
) -> None:
    """Cancellations come at any moment of many calls: at one place of a provider or many, before a job is read and after it was sent."""
    random = Random(seed)
    bench.configure("first", places=random.choice([1, 4, 64]))
    await bench.open()
    jobs = [job(bench, number) for number in range(60)]
    shard, _ = bench.start()
    called_before: dict[str, bool] = {}
    for number in random.sample(range(60), 60):
        if random.random() < 0.5:
            called_before[str(number)] = str(number) in bench.provider().got
            bench.cancel(key=f"key-{number}")
        if jobs and random.random() < 0.7:
            shard.put(*(jobs.pop(0) for _ in range(min(len(jobs), random.randint(1, 6)))))
        for _ in range(random.randint(0, 8)):
            await asyncio.sleep(0)
    shard.put(*jobs)
    await until(lambda: len(bench.statuses) == 60)
    got = bench.provider().got
    assert {number: number in got for number in called_before} == called_before
    ends = {status.delivery_id: status.status for status in bench.statuses}
    assert ends == {f"d{number}": "sent" if str(number) in got else "cancelled" for number in range(60)}
