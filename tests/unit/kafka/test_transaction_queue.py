import asyncio
from collections.abc import Mapping, Sequence

import pytest

from tocsin.kafka import (
    CommittedOffset,
    OwnershipLost,
    ProducerRecord,
    RecordTooLarge,
    TopicPartition,
    TransactionFailed,
)
from tocsin.kafka.produce.packing import Limits
from tocsin.kafka.produce.transaction_queue import MOST_RECORDS, TransactionQueue

P = TopicPartition("in", 0)


class Transactions:
    """Runs one at a time, each as long as the test holds the gate."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.ran: list[tuple[list[bytes | None], dict[TopicPartition, CommittedOffset]]] = []
        self.error: Exception | None = None

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def run(
        self, outgoing: Sequence[ProducerRecord], offsets: Mapping[TopicPartition, CommittedOffset]
    ) -> None:
        self.ran.append(([record.value for record in outgoing], dict(offsets)))
        await self.gate.wait()
        if self.error is not None:
            raise self.error


@pytest.fixture
def transactions() -> Transactions:
    return Transactions()


@pytest.fixture
def failures() -> list[Exception]:
    return []


@pytest.fixture
def queue(transactions, failures) -> TransactionQueue:
    return TransactionQueue(transactions=transactions, limits=Limits(None), failed=failures.append)


def record(value: bytes) -> ProducerRecord:
    return ProducerRecord("out", None, value)


async def test_what_comes_while_one_commits_shares_the_next_in_order(queue, transactions):
    transactions.gate.clear()
    futures = [queue.submit([record(b"0")], {P: CommittedOffset(1)})]
    await asyncio.sleep(0)
    futures += [queue.submit([record(b"%d" % n)], {P: CommittedOffset(n + 1)}) for n in range(1, 4)]
    transactions.gate.set()
    await asyncio.gather(*futures)
    assert transactions.ran == [
        ([b"0"], {P: CommittedOffset(1)}),
        ([b"1", b"2", b"3"], {P: CommittedOffset(4)}),
    ]


async def test_a_transaction_is_bounded(queue, transactions):
    transactions.gate.clear()
    futures = [queue.submit([record(b"first")], {})]
    await asyncio.sleep(0)
    futures += [queue.submit([record(b"x")] * 3000, {}) for _ in range(3)]
    transactions.gate.set()
    await asyncio.gather(*futures)
    assert [len(values) for values, _ in transactions.ran] == [1, 3000, 3000, 3000]
    assert MOST_RECORDS == 5000


async def test_a_failure_fails_all_that_wait_and_all_that_come(queue, transactions, failures):
    transactions.gate.clear()
    transactions.error = TransactionFailed("no")
    first = queue.submit([record(b"0")], {})
    await asyncio.sleep(0)
    second = queue.submit([record(b"1")], {})
    transactions.gate.set()
    for future in (first, second):
        with pytest.raises(TransactionFailed):
            await future
    with pytest.raises(OwnershipLost, match="earlier transaction"):
        queue.submit([record(b"2")], {})
    assert failures == [transactions.error]
    assert len(transactions.ran) == 1


async def test_too_large_is_refused_at_once_and_harms_nobody(queue, transactions):
    with pytest.raises(RecordTooLarge):
        queue.submit([record(b"x" * 2_000_000)], {})
    await queue.submit([record(b"ok")], {})
    assert [values for values, _ in transactions.ran] == [[b"ok"]]


async def test_a_caller_that_left_before_its_turn_writes_nothing(queue, transactions):
    transactions.gate.clear()
    first = queue.submit([record(b"0")], {})
    await asyncio.sleep(0)
    queue.submit([record(b"gone")], {}).cancel()
    last = queue.submit([record(b"1")], {})
    transactions.gate.set()
    await asyncio.gather(first, last)
    assert [values for values, _ in transactions.ran] == [[b"0"], [b"1"]]


async def test_closing_ends_what_runs_and_fails_what_waits(queue, transactions):
    transactions.gate.clear()
    first = queue.submit([record(b"0")], {})
    await asyncio.sleep(0)
    second = queue.submit([record(b"1")], {})
    closing = asyncio.create_task(queue.close(OwnershipLost("given back")))
    await asyncio.sleep(0)
    assert not closing.done()
    transactions.gate.set()
    await closing
    await first
    with pytest.raises(OwnershipLost, match="given back"):
        await second
