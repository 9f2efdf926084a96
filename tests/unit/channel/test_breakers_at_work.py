"""A provider that does not work is left alone, probed, and used again; what waits for it goes elsewhere, or waits."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import REGISTRY
from tests.unit.channel.conftest import UNREACHABLE, ScriptedConfig, ScriptedProvider

from tocsin.channel import Answer, NotSent
from tocsin.channel.breaker import BreakerPolicy
from tocsin.contracts.codec import decode_timer
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Reason
from tocsin.runtime import Clock
from tocsin.testing.until import until

if TYPE_CHECKING:
    from tests.unit.channel.conftest import LaneBench

REFUSED = NotSent(reason=Reason.CREDENTIALS_REFUSED, code="535 5.7.8")


class Flaky(ScriptedProvider):
    """Answers all calls with `trouble` while it is set. A call may go to the host that stands in the job's category."""

    trouble: Answer | None = None

    async def send(self, job: Job) -> Answer:
        answer = await super().send(job)
        if self.trouble is not None and job.category != "healthy":
            return self.trouble
        return answer


class FlakyHosts(Flaky):
    def far_end(self, job: Job) -> str | None:
        return job.category


@pytest.fixture
def flaky(bench: "LaneBench") -> list[Flaky]:
    """What the bench makes."""
    made: list[Flaky] = []

    def create(config: ScriptedConfig, clock: Clock) -> ScriptedProvider:
        made.append((FlakyHosts if config.note == "hosts" else Flaky)(config, clock))
        bench.made.append(made[-1])
        return made[-1]

    bench._create = create  # type: ignore[method-assign]
    return made


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breakers are probed after a tenth of a second, and every tenth of a second."""
    policy = BreakerPolicy(first_pause=0.1, longest_pause=0.1)
    monkeypatch.setattr("tocsin.channel.provider_pool.POLICY", policy)


@pytest.fixture
def no_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breakers that have opened stay open."""
    monkeypatch.setattr("tocsin.channel.provider_pool.POLICY", BreakerPolicy(first_pause=3600))


def ended(bench: "LaneBench", status: str = "sent") -> set[int]:
    return {int((record.delivery_id or "")[1:]) for record in bench.statuses if record.status == status}


def view(bench: "LaneBench", name: str = "first", far_end: str | None = None) -> dict[str, Any]:
    views = [
        shown for shown in bench.pool.views() if (shown["provider"], shown["far_end"]) == (name, far_end)
    ]
    assert len(views) == 1
    return views[0]


@pytest.mark.usefixtures("no_probes")
async def test_while_the_first_does_not_work_the_next_takes_everything(
    bench: "LaneBench", flaky: list[Flaky]
):
    bench.configure("first", "second", order=["first", "second"])
    await bench.open()
    first = flaky[0]
    first.trouble = UNREACHABLE
    shard, _ = bench.start()
    shard.put(*(bench.job(number, recipient="ada") for number in range(5)))
    await until(lambda: len(bench.statuses) == 5)
    assert view(bench)["breaker"] == "open"
    shard.put(*(bench.job(number) for number in range(5, 200)))
    await until(lambda: len(bench.statuses) == 200)
    assert ended(bench) == set(range(200))
    assert first.got == ["0", "1", "2", "3", "4"]
    assert view(bench, "second")["breaker"] == "closed"


@pytest.mark.usefixtures("short_pauses")
async def test_one_message_is_the_probe_and_when_it_is_taken_the_first_is_used_again(
    bench: "LaneBench", flaky: list[Flaky]
):
    bench.configure("first", "second", order=["first", "second"])
    await bench.open()
    first, second = flaky
    first.trouble = REFUSED
    shard, _ = bench.start()
    shard.put(bench.job(0))
    await until(lambda: view(bench)["breaker"] == "open" and ended(bench) == {0})
    first.let_go.clear()
    await until(lambda: bench.pool._instances["first"].works_for(bench.job(1)))
    shard.put(*(bench.job(number) for number in range(1, 50)))
    await until(lambda: first.inside == 1 and len(bench.statuses) == 49)
    assert (view(bench)["breaker"], view(bench)["calls_in_flight"]) == ("half_open", 1)
    first.trouble = None
    first.let_go.set()
    await until(lambda: len(bench.statuses) == 50)
    assert view(bench)["breaker"] == "closed"
    taken = len(second.got)
    shard.put(*(bench.job(number) for number in range(50, 60)))
    await until(lambda: ended(bench) == set(range(60)))
    assert len(second.got) == taken


@pytest.mark.usefixtures("short_pauses")
async def test_without_another_provider_messages_wait_and_the_oldest_is_the_probe(
    bench: "LaneBench", flaky: list[Flaky]
):
    bench.configure("first", places=1)
    await bench.open()
    (first,) = flaky
    first.trouble = REFUSED
    shard, _ = bench.start()
    shard.put(*(bench.job(number) for number in range(30)))
    await until(lambda: len(first.got) == 2)
    first.trouble = None
    await until(lambda: ended(bench) == set(range(30)))
    assert first.got[0] == "0"
    assert first.got[1] in {"0", "1"}  # the first one waits a moment for its next attempt


@pytest.mark.usefixtures("no_probes")
async def test_what_waits_for_it_when_it_fails_goes_elsewhere(bench: "LaneBench", flaky: list[Flaky]):
    bench.configure("first", "second", places=1, order=["first", "second"])
    await bench.open()
    first, second = flaky
    first.let_go.clear()
    first.trouble = REFUSED
    shard, _ = bench.start()
    shard.put(*(bench.job(number) for number in range(500)))
    await until(lambda: shard.took_all() and first.inside == 1)
    assert view(bench)["waiting"] == 499
    first.let_go.set()
    await until(lambda: ended(bench) == set(range(500)))
    assert [int(body) for body in second.got if body != "0"] == sorted(
        int(body) for body in second.got if body != "0"
    )


@pytest.mark.usefixtures("no_probes")
async def test_what_waits_for_the_last_one_when_it_fails_too_is_tried_again(
    bench: "LaneBench", flaky: list[Flaky]
):
    bench.configure("first", "second", places=1, order=["first", "second"])
    await bench.open()
    first, second = flaky
    second.let_go.clear()
    first.trouble, second.trouble = UNREACHABLE, REFUSED
    shard, _ = bench.start()
    shard.put(bench.job(0, recipient="ada"), bench.job(1, recipient="bob"))
    await until(lambda: view(bench, "second")["waiting"] == 1)
    first.trouble = None
    second.let_go.set()
    await until(lambda: ended(bench) == {0, 1})
    assert {(status.status, status.provider, status.attempt) for status in bench.statuses} == {
        ("sent", "first", 2)
    }
    assert second.got == ["0"]


@pytest.mark.usefixtures("short_pauses")
async def test_where_none_works_the_first_that_does_again_gets_what_waits_for_another(
    bench: "LaneBench", flaky: list[Flaky]
):
    bench.configure("first", "second", places=1, order=["first", "second"])
    await bench.open()
    first, second = flaky
    first.trouble = second.trouble = REFUSED
    shard, _ = bench.start()
    shard.put(bench.job(0, recipient="ada"))
    await until(lambda: view(bench)["breaker"] == view(bench, "second")["breaker"] == "open")
    shard.put(*(bench.job(number) for number in range(1, 100)))
    await until(shard.took_all)
    second.trouble = None
    await until(lambda: len(ended(bench)) >= 98)
    assert len(second.got) >= 98


@pytest.mark.usefixtures("no_probes")
async def test_what_expires_while_it_waits_ends_without_a_call(bench: "LaneBench", flaky: list[Flaky]):
    await bench.open()
    flaky[0].trouble = REFUSED
    stop = asyncio.Event()
    running = asyncio.create_task(bench.pool.run(stop))
    shard, _ = bench.start()
    shard.put(bench.job(0))
    await until(lambda: view(bench)["breaker"] == "open")
    soon = bench.clock.now() + timedelta(seconds=0.2)
    shard.put(*(bench.job(number, expires_at=soon) for number in range(1, 4)))
    await until(lambda: ended(bench, "expired") == {1, 2, 3})
    assert flaky[0].got == ["0"]
    stop.set()
    await running


@pytest.mark.usefixtures("no_probes")
async def test_while_no_provider_works_nothing_more_is_read_and_readiness_says_why(
    bench: "LaneBench", flaky: list[Flaky]
):
    bench.configure("first", "second", order=["first", "second"])
    await bench.open()
    first, second = flaky
    first.trouble = second.trouble = REFUSED
    stop = asyncio.Event()
    running = asyncio.create_task(bench.pool.run(stop))
    shard, _ = bench.start()
    shard.put(bench.job(0), bench.job(1))
    await until(lambda: view(bench)["breaker"] == view(bench, "second")["breaker"] == "open")
    await until(lambda: bench.pool.paused)
    await until(lambda: "paused" in bench.health.notes().get("providers", ""))
    assert bench.health.reasons()["providers"] is None
    assert REGISTRY.get_sample_value("tocsin_paused", {"component": "dispatch-sms"}) == 1
    shard.put(*(bench.job(number) for number in range(2, 2000)))
    for _ in range(200):
        await asyncio.sleep(0)
    assert sum(shown["waiting"] for shown in bench.pool.views()) < 1000
    bench.configure("first", "second", order=["first", "second"], note="mended")
    await bench.pool.reload()
    await until(lambda: len(ended(bench)) >= 1998)
    assert (bench.health.notes(), bench.pool.paused) == ({}, False)
    stop.set()
    await running


@pytest.mark.usefixtures("short_pauses")
async def test_that_no_provider_works_is_shown_also_while_nothing_waits_here(
    bench: "LaneBench", flaky: list[Flaky]
):
    """Two messages are put off after three calls each: then they wait in timers, and nothing in the dispatcher."""
    bench.configure("first", places=1)
    await bench.open()
    labels = {"component": "dispatch-sms"}
    assert REGISTRY.get_sample_value("tocsin_no_provider_works", labels) == 0
    flaky[0].trouble = UNREACHABLE
    shard, _ = bench.start()
    shard.put(bench.job(0), bench.job(1))
    await until(lambda: ended(bench, "deferred") == {0, 1})
    await until(lambda: REGISTRY.get_sample_value("tocsin_paused", labels) == 0)
    assert REGISTRY.get_sample_value("tocsin_no_provider_works", labels) == 1
    bench.configure("first", places=1, note="mended")
    await bench.pool.reload()
    assert REGISTRY.get_sample_value("tocsin_no_provider_works", labels) == 0


async def test_what_arrives_expired_at_one_that_does_not_work_ends_at_once(
    bench: "LaneBench", flaky: list[Flaky]
):
    await bench.open()
    flaky[0].trouble = REFUSED
    shard, _ = bench.start()
    shard.put(bench.job(0))
    await until(lambda: view(bench)["breaker"] == "open")
    shard.put(bench.job(1, expires_at=bench.clock.now()))
    await until(lambda: ended(bench, "expired") == {1})
    assert "1" not in flaky[0].got


@pytest.mark.usefixtures("short_pauses")
async def test_refused_credentials_are_said_once_and_not_for_each_message(
    bench: "LaneBench", flaky: list[Flaky], caplog: pytest.LogCaptureFixture
):
    bench.configure("first", "second", order=["first", "second"])
    await bench.open()
    labels = {"channel": "sms", "provider": "first", "cause": "credentials"}
    name = "tocsin_breaker_openings_total"
    before = REGISTRY.get_sample_value(name, labels) or 0
    flaky[0].trouble = REFUSED
    shard, _ = bench.start()
    shard.put(*(bench.job(number) for number in range(50)))
    await until(lambda: ended(bench) == set(range(50)))
    assert REGISTRY.get_sample_value(name, labels) == before + 1
    assert view(bench)["last_error"] == "credentials_refused 535 5.7.8"


async def test_a_dead_far_end_has_a_breaker_of_its_own(bench: "LaneBench", flaky: list[Flaky]):
    bench.configure("first", places=16, note="hosts")
    await bench.open()
    flaky[0].trouble = UNREACHABLE
    shard, _ = bench.start()
    shard.put(*(bench.job(number, category="dead") for number in range(40)))
    await until(
        lambda: view(bench, far_end="dead")["breaker"] == "open" if len(bench.pool.views()) > 1 else False
    )
    called = len(flaky[0].got)
    shard.put(*(bench.job(number, category="healthy") for number in range(40, 80)))
    await until(lambda: ended(bench) >= set(range(40, 80)))
    assert view(bench, far_end="healthy")["breaker"] == view(bench)["breaker"] == "closed"
    assert len(flaky[0].got) - called <= 40 + 4


@pytest.mark.usefixtures("short_pauses")
async def test_a_probe_that_is_given_up_says_nothing(bench: "LaneBench", flaky: list[Flaky]):
    await bench.open()
    (first,) = flaky
    first.trouble = REFUSED
    shard, work = bench.start()
    shard.put(*(bench.job(number) for number in range(5)))
    await until(lambda: view(bench)["breaker"] == "open")
    first.let_go.clear()
    await until(lambda: first.inside == 1 and view(bench)["breaker"] == "half_open")
    work.cancel()
    await asyncio.wait([work])
    assert view(bench)["breaker"] == "open"
    first.trouble = None
    first.let_go.set()
    bench.start()
    await until(lambda: len(ended(bench)) == 5)
    assert view(bench)["breaker"] == "closed"


async def test_the_sandbox_has_addresses_that_fail_and_is_never_cut_off(bench: "LaneBench"):
    await bench.open()
    shard, _ = bench.start()
    failing = [bench.job(number, test=True, address="+15005550002") for number in range(30)]
    shard.put(*failing)
    shard.put(bench.job(30, test=True))
    await until(lambda: 30 in ended(bench))


@pytest.mark.usefixtures("no_probes")
async def test_where_memory_is_full_of_what_waits_for_one_provider_it_makes_room_for_anothers(
    bench: "LaneBench", flaky: list[Flaky], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tocsin.channel.shard_offsets.PARTITION_WINDOW", 300)
    monkeypatch.setattr("tocsin.channel.setting_aside.AFTER", 0.0)
    bench.configure("first", "second", places=2)
    await bench.open()
    flaky[0].trouble = REFUSED
    stop = asyncio.Event()
    running = asyncio.create_task(bench.pool.run(stop))
    shard, _ = bench.start()
    tomorrow = bench.clock.now() + timedelta(days=1)
    shard.put(*(bench.job(number, expires_at=tomorrow) for number in range(900)))
    shard.put(*(bench.job(number, providers=["second"]) for number in range(900, 910)))
    await until(lambda: ended(bench) >= set(range(900, 910)))
    put_off = [status for status in bench.statuses if status.reason == "set_aside"]
    assert {(status.status, status.attempt == len(status.tries)) for status in put_off} == {
        ("deferred", True)
    }
    assert sum(status.attempt or 0 for status in put_off) <= len(flaky[0].got)  # being put off is no attempt
    timers = [decode_timer(record.value or b"") for record in bench.cluster.read("t.timers.transactional")]
    assert len(timers) >= len(put_off) > 500
    assert view(bench)["waiting"] >= 4
    stop.set()
    await running
