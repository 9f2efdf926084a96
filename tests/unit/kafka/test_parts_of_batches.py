"""A batch that is dealt with in parts commits part by part, in order, and each record once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from tocsin.kafka import Batch, ConsumerRecord, ExactlyOnce, FencedShard, Part, ProducerRecord, TopicPartition
from tocsin.testing import ManualClock

P = TopicPartition("in", 0)
Process = Callable[[Batch], Awaitable[Sequence[ProducerRecord] | Part]]


@pytest.fixture
def shard(new_shard: Callable[..., FencedShard]) -> FencedShard:
    shard = new_shard({P: 0})
    shard.put([ConsumerRecord("in", 0, offset, 0, None, b"%d" % offset) for offset in range(5)])
    return shard


def work(process: Process, shard: FencedShard) -> Awaitable[None]:
    return ExactlyOnce(process, clock=ManualClock(), gather=0).work(shard)


def transactions(committing: Any) -> list[tuple[int, list[bytes | None]]]:
    """The offset and the values of each."""
    return [
        (offsets[P].offset, values)
        for offsets, values in zip(committing.offsets, committing.written, strict=True)
    ]


def copied(batch: Batch, count: int) -> Part:
    chosen = batch.records[:count]
    return Part([ProducerRecord("out", None, record.value) for record in chosen], records=len(chosen))


async def test_parts_commit_in_order_and_once(committing: Any, shard: FencedShard) -> None:
    async def process(batch: Batch) -> Part:
        assert len(transactions(committing)) == (5 - len(batch.records)) / 2  # the part before is committed
        if len(batch.records) == 1:
            shard.revoke()
        return copied(batch, 2)

    await work(process, shard)
    assert transactions(committing) == [(2, [b"0", b"1"]), (4, [b"2", b"3"]), (5, [b"4"])]


async def test_the_rest_of_a_batch_is_left_to_the_next_owner(committing: Any, shard: FencedShard) -> None:
    async def process(batch: Batch) -> Part:
        shard.revoke()
        return copied(batch, 3)

    await work(process, shard)
    assert transactions(committing) == [(3, [b"0", b"1", b"2"])]


@pytest.mark.parametrize("records", [0, 6])
async def test_a_part_has_some_of_the_records(committing: Any, shard: FencedShard, records: int) -> None:
    async def process(batch: Batch) -> Part:
        return Part([], records=records)

    with pytest.raises(ValueError, match="1 to 5 of its records"):
        await work(process, shard)
    assert transactions(committing) == []


async def test_large_output_waits_for_its_commit(committing: Any, shard: FencedShard) -> None:
    committing.opened.clear()
    seen: list[int] = []
    large = bytes(1_000_000)

    async def process(batch: Batch) -> Sequence[ProducerRecord]:
        seen.append(len(batch.records))
        shard.put([ConsumerRecord("in", 0, 5 + len(seen), 0, None, b"x")])
        return [ProducerRecord("out", None, large)] * 17

    working = asyncio.ensure_future(work(process, shard))
    for _ in range(50):
        await asyncio.sleep(0)
    assert seen == [5]
    shard.revoke()
    committing.opened.set()
    await working


async def test_the_more_came_the_longer_the_next_batch_gathers(
    committing: Any, shard: FencedShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An idle shard waits for nothing, and nobody waits longer than `gather`."""
    waited: list[float] = []

    async def gather(*, seconds: float, **_: Any) -> None:
        waited.append(seconds)

    async def process(batch: Batch) -> Part:
        if batch.records[-1].offset == 4:
            shard.revoke()
        return copied(batch, len(batch.records))

    monkeypatch.setattr(shard, "gather", gather)
    await ExactlyOnce(process, clock=ManualClock(), gather=0.005, max_records=4).work(shard)
    assert waited == pytest.approx([float("-inf"), 0.005, 0.002])
    assert transactions(committing)[-1][0] == 5
