"""The transactional producer of one transactional id: all of it and the offsets, or nothing."""

import asyncio
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Protocol

from aiokafka.errors import KafkaError, ProducerFenced

from tocsin.kafka.client.broker_client import BrokerClient
from tocsin.kafka.client.commits import CommittedOffset
from tocsin.kafka.errors import NewerOwner, RecordTooLarge, TransactionFailed
from tocsin.kafka.lag import ProducedRecords, service_and_lane
from tocsin.kafka.produce.explicit_transactions import ExplicitTransactions
from tocsin.kafka.produce.implicit_transactions import ImplicitTransactions, are_supported_by
from tocsin.kafka.produce.packing import Limits
from tocsin.kafka.records import ProducerRecord, TopicPartition
from tocsin.kafka.settings import KafkaSettings
from tocsin.observability import metrics
from tocsin.runtime.bounds import CLOSE_TRANSACTIONS, TRANSACTION
from tocsin.runtime.failpoints import NO_FAILPOINTS, Failpoints


class Transactions(Protocol):
    """What runs transactions under one transactional id."""

    async def open(self) -> None:
        """Fence whoever used the id before, and end their transaction."""

    async def run(
        self, outgoing: Sequence[ProducerRecord], offsets: Mapping[TopicPartition, CommittedOffset]
    ) -> None:
        """All of it, or an error; after an error nothing more is run."""

    async def close(self) -> None:
        """Disconnect."""


class TransactionalProducer:
    """One transactional id. `open` fences whoever used it before and ends their transaction.

    After any failure it is good for nothing but `close`: whether a failed transaction committed is for the
    next owner to find out. Which protocol it speaks is what the cluster speaks when it is opened.
    """

    def __init__(
        self,
        *,
        settings: KafkaSettings,
        transactional_id: str,
        group: str,
        limits: Limits,
        failpoints: Failpoints = NO_FAILPOINTS,
    ) -> None:
        self._settings = settings
        self._id = transactional_id
        self._group = group
        self._limits = limits
        self._failpoints = failpoints
        self._labels = service_and_lane(group, prefix=settings.topic_prefix)
        self._seconds = metrics.transaction_seconds.labels(*self._labels)
        self._committed = metrics.transactions.labels(*self._labels, "committed")
        self._failed = metrics.transactions.labels(*self._labels, "failed")
        self._produced = ProducedRecords(service=self._labels[0], prefix=settings.topic_prefix)
        self._protocol: ImplicitTransactions | ExplicitTransactions | None = None
        self._begun = False
        """Whether a transaction began and did not end: what it wrote would commit with the next one's."""

    async def open(self) -> None:
        """InitProducerId: returns once the former owner is fenced and its transaction ended; else TransactionFailed."""
        try:
            self._protocol = await self._supported()
            await self._protocol.open()
        except (KafkaError, AssertionError) as exc:  # aiokafka asserts on states a failure leaves behind
            msg = f"The producer of {self._id} could not start: {exc!r}."
            raise TransactionFailed(msg) from exc

    async def close(self) -> None:
        """Disconnect; an open transaction is left to time out or to be fenced."""
        if self._protocol is not None:
            protocol, self._protocol = self._protocol, None
            await protocol.close(seconds=CLOSE_TRANSACTIONS)

    async def run(
        self, outgoing: Sequence[ProducerRecord], offsets: Mapping[TopicPartition, CommittedOffset]
    ) -> None:
        """One transaction. RecordTooLarge before anything is produced; TransactionFailed for whatever else."""
        self._limits.check(outgoing)
        began = perf_counter()
        try:
            async with asyncio.timeout(TRANSACTION):
                await self._run(outgoing, offsets)
        except RecordTooLarge:
            self._begun = False  # found out before anything is sent
            raise
        except ProducerFenced as exc:
            self._failed.inc()
            raise NewerOwner(f"A newer owner of {self._id} fenced this process.") from exc
        except TimeoutError as exc:
            refusal = getattr(self._protocol, "last_refusal", None)
            why = f" The broker's last answer: {refusal!r}." if refusal is not None else ""
            what = f"A transaction of {self._id} did not end within {TRANSACTION:g} s.{why}"
            raise self._failure(what) from exc
        except (KafkaError, AssertionError) as exc:  # aiokafka asserts on states a failure leaves behind
            raise self._failure(f"A transaction of {self._id} failed: {exc!r}.") from exc
        if outgoing or offsets:
            self._seconds.observe(perf_counter() - began)
            self._committed.inc()

    async def _run(
        self, outgoing: Sequence[ProducerRecord], offsets: Mapping[TopicPartition, CommittedOffset]
    ) -> None:
        protocol = self._protocol
        if protocol is None:
            msg = f"The producer of {self._id} is not open."
            raise TransactionFailed(msg)
        if self._begun:
            msg = f"A transaction of {self._id} began and did not end; this producer can only be closed."
            raise TransactionFailed(msg)
        if not outgoing and not offsets:
            return
        self._begun = True
        await protocol.write(outgoing, offsets)
        await self._failpoints.reach("before_commit")
        await protocol.commit()
        self._begun = False
        self._produced.count_each(record.topic for record in outgoing)
        await self._failpoints.reach("after_commit")

    async def _supported(self) -> ImplicitTransactions | ExplicitTransactions:
        client = await BrokerClient.connected(self._settings)
        try:
            implicit = await are_supported_by(client)
        except BaseException:
            await client.close(seconds=CLOSE_TRANSACTIONS)
            raise
        if implicit:
            return ImplicitTransactions(
                client,
                transactional_id=self._id,
                group=self._group,
                limits=self._limits,
                failpoints=self._failpoints,
            )
        await client.close(seconds=CLOSE_TRANSACTIONS)
        return ExplicitTransactions(
            self._settings,
            transactional_id=self._id,
            group=self._group,
            limits=self._limits,
            failpoints=self._failpoints,
        )

    def _failure(self, what: str) -> TransactionFailed:
        self._failed.inc()
        return TransactionFailed(what)
