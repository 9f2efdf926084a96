"""What tells of what has happened is taken away by nothing, and is never decided again."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tocsin.channel import Throttled
from tocsin.channel.copy_watch import MAX_AGE
from tocsin.contracts.codec import decode_job, decode_timer
from tocsin.contracts.timers import SetTimer
from tocsin.testing.until import until

from .conftest import JOBS

if TYPE_CHECKING:
    from .conftest import LaneBench

TOMORROW = datetime.now(UTC) + timedelta(days=1)


async def test_it_waits_for_no_copy(bench: "LaneBench") -> None:
    await bench.open()
    await bench.copy_age(MAX_AGE + 1)
    shard, _ = bench.start()
    shard.put(bench.job(1, settled=True))
    await until(lambda: [status.status for status in bench.statuses] == ["sent"])


async def test_a_version_that_was_raised_does_not_matter(bench: "LaneBench") -> None:
    await bench.open()
    bench.raise_version("r1", 5)
    shard, _ = bench.start()
    shard.put(
        bench.job(1, settled=True, recipient_version=0), bench.job(2, recipient="r1", recipient_version=0)
    )
    await until(lambda: len(bench.statuses) == 2)
    assert {status.delivery_id: status.status for status in bench.statuses} == {
        "d1": "sent",
        "d2": "deferred",
    }


async def test_also_what_waits_for_long_comes_back_as_the_job_that_it_was(bench: "LaneBench") -> None:
    await bench.open()
    bench.provider().answers["1"] = [Throttled(retry_after=3_600)]
    shard, _ = bench.start()
    shard.put(bench.job(1, settled=True, expires_at=TOMORROW))
    await until(lambda: [status.status for status in bench.statuses] == ["deferred"])
    (timer,) = [decode_timer(record.value or b"") for record in bench.cluster.read("t.timers.transactional")]
    assert isinstance(timer, SetTimer)
    assert timer.topic == JOBS
    job = decode_job(bytes(timer.private.record))
    assert job.settled
    assert job.retry is not None
    assert bench.cluster.read("t.intents.transactional") == []
