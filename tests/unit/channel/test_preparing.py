"""Messages that need something before they can be handed over wait apart: they hold up no recipient, no place, no other message."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from prometheus_client import REGISTRY

from tocsin.channel import Ambiguous, NotSent, Rejected
from tocsin.channel import preparing as preparing_module
from tocsin.channel.copy_watch import MAX_AGE
from tocsin.channel.preparation import File, Prepared
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Reason
from tocsin.testing import ManualClock
from tocsin.testing.until import until

from .conftest import UNREACHABLE

if TYPE_CHECKING:
    from .conftest import LaneBench

GONE = NotSent(
    reason=Reason.ATTACHMENT_UNREACHABLE, code="503", detail="The server of an attachment answered 503."
)
OTHER = Rejected(reason=Reason.ATTACHMENT_CHANGED, detail="It is another file.")


@dataclass
class Scripted:
    """Prepares the jobs that a test names: each is let go, or answered, when the test says so."""

    needing: set[str] = field(default_factory=set)
    answers: dict[str, NotSent | Rejected] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    def needed_by(self, job: Job) -> bool:
        return job.delivery_id in self.needing

    async def prepare(self, job: Job) -> Prepared | NotSent | Rejected:
        self.asked.append(job.delivery_id)
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.cancelled.append(job.delivery_id)
            raise
        if (answer := self.answers.get(job.delivery_id)) is not None:
            return answer
        self.held.append(job.delivery_id)
        return _Held(self, job.delivery_id)

    def files_of(self, job: Job) -> list[File]:
        return []


@dataclass
class _Held:
    scripted: Scripted
    delivery_id: str

    def release(self) -> None:
        self.scripted.held.remove(self.delivery_id)


@pytest.fixture
def scripted(bench: "LaneBench") -> Scripted:
    bench.preparation = prepared = Scripted(needing={"d1"})
    return prepared


async def test_it_holds_up_neither_its_recipient_nor_a_place(bench: "LaneBench", scripted: Scripted) -> None:
    bench.configure("first", places=1)
    await bench.open()
    shard, _ = bench.start()
    shard.put(bench.job(1, recipient="ann"), bench.job(2, recipient="ann"), bench.job(3))
    await until(lambda: len(bench.statuses) == 2)
    assert sorted(bench.provider().got) == ["2", "3"]
    scripted.let_go.set()
    await until(lambda: len(bench.statuses) == 3)
    assert bench.provider().got[-1] == "1"
    assert not scripted.held


async def test_it_is_held_until_its_call_has_ended(bench: "LaneBench", scripted: Scripted) -> None:
    await bench.open()
    bench.provider().let_go.clear()
    bench.provider().answers["1"] = [UNREACHABLE, Ambiguous()]
    scripted.let_go.set()
    shard, _ = bench.start()
    shard.put(bench.job(1))
    await until(lambda: bench.provider().got == ["1"])
    assert scripted.held == ["d1"]
    bench.provider().let_go.set()
    await until(lambda: len(bench.statuses) == 1)
    assert bench.provider().got == ["1"] * 3
    assert scripted.asked == ["d1"], "attempts that follow one another fetch once"
    assert not scripted.held


async def test_what_cannot_be_had_now_is_put_off_and_no_provider_is_asked(
    bench: "LaneBench", scripted: Scripted
) -> None:
    scripted.answers["d1"] = GONE
    scripted.let_go.set()
    await bench.open()
    shard, _ = bench.start()
    shard.put(bench.job(1, recipient="ann"))
    await until(lambda: len(bench.statuses) == 1)
    [status] = bench.statuses
    assert (status.status, status.reason, status.provider, status.provider_code) == (
        "deferred", "attachment_unreachable", "attachments", "503",
    )  # fmt: skip
    assert [(call.provider, call.answer) for call in status.tries] == [("attachments", "not_sent")]
    assert bench.provider().got == []
    [timer] = bench.cluster.read("t.timers.transactional")
    assert timer.value is not None


async def test_what_will_never_be_had_fails(bench: "LaneBench", scripted: Scripted) -> None:
    scripted.answers["d1"] = OTHER
    scripted.let_go.set()
    await bench.open()
    shard, _ = bench.start()
    shard.put(bench.job(1, recipient="ann"), bench.job(2, recipient="ann"))
    await until(lambda: len(bench.statuses) == 2)
    [status] = [status for status in bench.statuses if status.delivery_id == "d1"]
    assert (status.status, status.reason, status.retryable) == ("failed", "attachment_changed", False)
    assert bench.provider().got == ["2"]


async def test_what_was_cancelled_or_has_expired_is_not_fetched(
    bench: "LaneBench", scripted: Scripted
) -> None:
    scripted.needing.add("d2")
    await bench.open()
    cancelled, expired = bench.job(1), bench.job(2)
    cancelled = replace(cancelled, intent=replace(cancelled.intent, cancel_key="key"))
    bench.cancel(key="key")
    shard, _ = bench.start()
    shard.put(cancelled, replace(expired, expires_at=expired.event_time - timedelta(seconds=1)))
    await until(lambda: len(bench.statuses) == 2)
    assert {status.status for status in bench.statuses} == {"cancelled", "expired"}
    assert not scripted.asked


async def test_one_that_is_cancelled_meanwhile_is_not_sent(bench: "LaneBench", scripted: Scripted) -> None:
    await bench.open()
    job = bench.job(1)
    shard, _ = bench.start()
    shard.put(replace(job, intent=replace(job.intent, cancel_key="key")))
    await until(lambda: scripted.asked == ["d1"])
    bench.cancel(key="key")
    scripted.let_go.set()
    await until(lambda: len(bench.statuses) == 1)
    assert bench.statuses[0].status == "cancelled"
    assert bench.provider().got == []
    assert not scripted.held


async def test_a_shard_that_is_revoked_lets_it_go_and_the_next_owner_begins_anew(
    bench: "LaneBench", scripted: Scripted
) -> None:
    await bench.open()
    shard, _ = bench.start()
    shard.put(bench.job(1))
    await until(lambda: scripted.asked == ["d1"])
    await shard.revoke()
    assert scripted.cancelled == ["d1"]
    assert bench.statuses == []
    scripted.let_go.set()
    bench.start()
    await until(lambda: len(bench.statuses) == 1)
    assert bench.provider().got == ["1"]
    assert not scripted.held


async def test_one_that_waits_for_its_provider_for_long_gives_its_room_to_others(
    bench: "LaneBench", scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing_module, "HELD", 0.0)
    scripted.needing = {"d2"}
    scripted.let_go.set()
    bench.configure("first", places=1)
    await bench.open()
    bench.provider().let_go.clear()
    shard, _ = bench.start()
    shard.put(bench.job(1), bench.job(2))
    await until(lambda: len(bench.statuses) == 1)
    assert (bench.statuses[0].status, bench.statuses[0].reason) == ("deferred", "set_aside")
    assert bench.statuses[0].attempt in {0, None}
    assert not scripted.held


async def test_an_error_puts_off_its_own_message_alone(bench: "LaneBench", scripted: Scripted) -> None:
    class Broken(Scripted):
        async def prepare(self, job: Job) -> Any:
            raise RuntimeError("a fault of ours")

    bench.preparation = Broken(needing={"d1"})
    await bench.open()
    shard, _ = bench.start()
    shard.put(bench.job(1, recipient="ann"), bench.job(2, recipient="ben"))
    await until(lambda: len(bench.statuses) == 2)
    said = {status.delivery_id: (status.status, status.reason) for status in bench.statuses}
    assert said["d1"] == ("deferred", "attachment_unreachable")
    assert said["d2"][0] == "sent"


async def test_one_that_expires_soon_stays(
    bench: "LaneBench", scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Putting it off would be its end."""
    monkeypatch.setattr(preparing_module, "HELD", 0.0)
    scripted.needing = {"d2"}
    scripted.let_go.set()
    bench.configure("first", places=1)
    clock = ManualClock()
    await bench.open(clock=clock)
    bench.provider().let_go.clear()
    shard, _ = bench.start()
    soon = bench.job(2)
    shard.put(bench.job(1), replace(soon, expires_at=clock.now() + timedelta(seconds=20)))
    await until(lambda: scripted.held == ["d2"])
    for _ in range(20):
        await asyncio.sleep(0)
    bench.provider().let_go.set()
    await until(lambda: len(bench.statuses) == 2)
    assert {status.status for status in bench.statuses} == {"sent"}


async def test_what_waits_behind_its_recipients_is_released_with_the_shard(
    bench: "LaneBench", scripted: Scripted
) -> None:
    scripted.needing = {"d1", "d2"}
    scripted.let_go.set()
    await bench.open()
    bench.provider().let_go.clear()
    shard, _ = bench.start()
    shard.put(bench.job(1, recipient="ann"), bench.job(2, recipient="ann"))
    await until(lambda: bench.provider().got == ["1"] and scripted.held == ["d1", "d2"])
    [held] = shard.group.held.values()
    revoked = asyncio.create_task(shard.revoke())
    await until(held.revoked.is_set)
    assert scripted.held == ["d1", "d2"], "a call under way keeps what it sends"
    bench.provider().let_go.set()
    await revoked
    assert scripted.held == []


async def test_what_waits_for_a_young_copy_holds_nothing_and_is_prepared_again(
    bench: "LaneBench", scripted: Scripted
) -> None:
    await bench.open()
    shard, _ = bench.start()
    labels = {"component": "dispatch-sms", "lane": "transactional"}
    before = REGISTRY.get_sample_value("tocsin_waiting_for_copy", labels) or 0.0
    shard.put(bench.job(1))
    await until(lambda: scripted.asked == ["d1"])
    await bench.copy_age(MAX_AGE + 1)
    scripted.let_go.set()
    await until(lambda: REGISTRY.get_sample_value("tocsin_waiting_for_copy", labels) == before + 1)
    assert scripted.held == []
    await bench.copy_age(0)
    await until(lambda: len(bench.statuses) == 1)
    assert scripted.asked == ["d1", "d1"]
    assert scripted.held == []
