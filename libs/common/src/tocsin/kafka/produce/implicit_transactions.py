"""Transactions as Kafka 4.0 has them: what is written adds its partition, so three requests make a small one.

A broker before 4.0 wants five (`explicit_transactions`). Measured for four records of two topics, by turns in one run
(`bench/transactions.py`): 0.8 against 1.6 ms of our processor time, 3.7 against 4.4 ms of the broker's, 3.2 against 4.4 ms from begin to end.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from typing import Final

from aiokafka.errors import ConcurrentTransactions, KafkaError, ProducerFenced, StaleMetadata, for_code

from tocsin.kafka.client.aiokafka_internals import MARKER_WAIT, PATIENT_RETRY, QUICK_RETRY
from tocsin.kafka.client.broker_client import BrokerClient
from tocsin.kafka.client.commits import CommittedOffset
from tocsin.kafka.client.transaction_requests import (
    Codes,
    ProducerEpoch,
    commit_offsets,
    commit_transaction,
    init_producer,
    produce,
)
from tocsin.kafka.produce.packing import Limits, Packed, Partitions, pack
from tocsin.kafka.produce.transaction_batches import TransactionBatch, turns
from tocsin.kafka.records import ProducerRecord, TopicPartition
from tocsin.runtime.bounds import TRANSACTION
from tocsin.runtime.failpoints import Failpoints

QUICK_TRIES: Final = 50
"""A broker that has refused so often is away or overloaded, and asking every few milliseconds helps nobody."""
SLOW_MARKER_WAIT: Final = 0.02
TIMEOUT_MS: Final = int(TRANSACTION * 1000)
_FENCED: Final = frozenset({47, 90})  # INVALID_PRODUCER_EPOCH, PRODUCER_FENCED
_STORED: Final = frozenset(
    {0, 46}
)  # NONE, and DUPLICATE_SEQUENCE_NUMBER: stored when it was sent for the first time
_ALSO_RETRIABLE: Final = frozenset({13, 74, 75, 88})
"""NETWORK_EXCEPTION, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, UNSTABLE_OFFSET_COMMIT: aiokafka does not know them, or not as such."""


async def are_supported_by(client: BrokerClient) -> bool:
    """Whether the whole cluster speaks this protocol. Returns once a broker answers."""
    while True:
        try:
            return (await client.features()).get("transaction.version", 0) >= 2
        except KafkaError as error:
            if not error.retriable:
                raise
            client.forget_coordinators(metadata=True)
        await asyncio.sleep(PATIENT_RETRY)


class ImplicitTransactions:
    """The transactions of one transactional id, over a connected client that is closed with it.

    Every error is a KafkaError; after any of them it is good for nothing but `close`.
    """

    def __init__(
        self,
        client: BrokerClient,
        *,
        transactional_id: str,
        group: str,
        limits: Limits,
        failpoints: Failpoints,
    ) -> None:
        self._client = client
        self._id = transactional_id
        self._group = group
        self._limits = limits
        self._failpoints = failpoints
        self._partitions = Partitions(client.partitions)
        self._writer = ProducerEpoch(-1, -1)
        self._sequences: dict[TopicPartition, int] = {}
        """The number of the next record of each partition in this transaction."""
        self.last_refusal: KafkaError | None = None
        """What is waited for: why the broker did not do what was asked last, until it has."""

    async def open(self) -> None:
        """Fence whoever used the id before; returns once their transaction has ended."""

        async def init() -> None:
            request = init_producer(self._id, timeout_ms=TIMEOUT_MS)
            code, self._writer = await self._client.ask_transactions(self._id, request)
            _raise_for(code)

        await self._repeated(init)

    async def write(
        self, outgoing: Sequence[ProducerRecord], offsets: Mapping[TopicPartition, CommittedOffset]
    ) -> None:
        """All of it stored, and not committed yet.

        Offsets go first: while the markers of the former transaction are written they are refused at once and sent again after 2 ms.
        Records would be kept waiting by the broker, for 20 ms or more (`add.partitions.to.txn.retry.backoff.ms`).
        """
        placed = await self._partitions.place(outgoing)
        batches = pack(placed, new_builder=TransactionBatch, limits=self._limits)
        if offsets:
            await self._repeated(lambda: self._send_offsets(offsets))
            await self._failpoints.reach("after_offsets")
        for turn in turns(batches):
            await self._deliver(turn)
        await self._failpoints.reach("after_produce")

    async def commit(self) -> None:
        """What was written becomes visible. The next transaction has another epoch, and numbers its records anew."""

        async def end() -> None:
            request = commit_transaction(self._id, self._writer)
            code, writer = await self._client.ask_transactions(self._id, request)
            _raise_for(code)
            self._writer = writer

        await self._repeated(end)
        self._sequences.clear()

    async def close(self, *, seconds: float) -> None:
        """Disconnect; an open transaction is left to time out or to be fenced."""
        await self._client.close(seconds=seconds)

    async def _send_offsets(self, offsets: Mapping[TopicPartition, CommittedOffset]) -> None:
        request = commit_offsets(self._id, self._group, self._writer, offsets)
        codes: Codes = await self._client.ask_group(self._group, request)
        for code in codes.values():
            _raise_for(code)
        if unsaid := offsets.keys() - codes.keys():
            raise StaleMetadata(f"The broker said nothing of {sorted(unsaid)}.")

    async def _deliver(self, batches: Sequence[Packed[TransactionBatch]]) -> None:
        """One batch of each partition, at the leader of each. A batch that is sent again bears the same number, so that it is stored once."""
        waiting: dict[TopicPartition, bytes] = {}
        for batch in batches:
            sequence = self._sequences.get(batch.partition, 0)
            waiting[batch.partition] = batch.builder.encode(self._writer, sequence, size=batch.size)
            self._sequences[batch.partition] = sequence + len(batch.indexes)
        await self._repeated(lambda: self._produce(waiting))

    async def _produce(self, waiting: dict[TopicPartition, bytes]) -> None:
        """Every batch in one request to its leader. What was stored is taken out; raises for what was not."""
        by_leader: dict[int, dict[TopicPartition, bytes]] = {}
        for partition, batch in waiting.items():
            by_leader.setdefault(self._client.leader(partition), {})[partition] = batch
        requests = (
            self._client.ask(leader, produce(self._id, batches, timeout_ms=TIMEOUT_MS))
            for leader, batches in by_leader.items()
        )
        answers: list[Codes | BaseException] = await asyncio.gather(*requests, return_exceptions=True)
        refused: list[BaseException] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                refused.append(answer)
                continue
            for partition, code in answer.items():
                if code in _STORED:
                    del waiting[partition]
                else:
                    refused.append(_error(code))
        for error in sorted(refused, key=_retriable):  # what cannot be mended comes first
            raise error
        if waiting:
            raise StaleMetadata(f"The broker said nothing of {sorted(waiting)}.")

    async def _repeated(self, attempt: Callable[[], Awaitable[None]]) -> None:
        """Until it succeeds, or raises what waiting does not mend. The caller's deadline bounds it."""
        for tries in count(1):
            try:
                await attempt()
            except ConcurrentTransactions as error:
                self.last_refusal = error
                wait = MARKER_WAIT if tries < QUICK_TRIES else SLOW_MARKER_WAIT
            except KafkaError as error:
                if not error.retriable:
                    raise
                self.last_refusal = error
                self._client.forget_coordinators(metadata=error.invalid_metadata)
                wait = QUICK_RETRY if tries < QUICK_TRIES else PATIENT_RETRY
            else:
                self.last_refusal = None
                return
            await asyncio.sleep(wait)


def _raise_for(code: int) -> None:
    if code != 0:
        raise _error(code)


def _error(code: int) -> KafkaError:
    if code in _FENCED:
        return ProducerFenced()
    if code in _ALSO_RETRIABLE:
        return StaleMetadata(f"error code {code}")
    known: type[KafkaError] = for_code(code)
    return known(f"error code {code}")


def _retriable(error: BaseException) -> bool:
    return isinstance(error, KafkaError) and (error.retriable or isinstance(error, ConcurrentTransactions))
