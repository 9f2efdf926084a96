"""What we touch of aiokafka beyond its public names is still there, and still does what we believe."""

import asyncio
import inspect
import math
from collections.abc import Awaitable, Callable
from functools import partial
from io import BytesIO
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, client
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.consumer import fetcher, group_coordinator
from aiokafka.consumer.subscription_state import TopicPartitionState
from aiokafka.errors import GroupAuthorizationFailedError, StaleMetadata, TopicAuthorizationFailedError
from aiokafka.producer import message_accumulator, sender
from aiokafka.protocol.offset import (
    OffsetRequest,
    OffsetResetStrategy,
    OffsetResponse_v1,
    OffsetResponse_v3,
    OffsetResponse_v5,
)
from aiokafka.record.default_records import _DefaultRecordBatchPy

from tocsin.kafka import TopicPartition
from tocsin.kafka.client import aiokafka_internals, header_names
from tocsin.kafka.client.counted_connection import CountedConnection
from tocsin.kafka.client.transaction_requests import ProducerEpoch, commit_transaction

AIOKafkaConnection = CountedConnection.__base__
"""As it is shipped."""


def names(function) -> set[str]:
    code = inspect.unwrap(function).__code__
    return set(code.co_names) | set(code.co_varnames)


def test_clients_connect_by_a_global_that_remembers_what_a_start_has_connected():
    assert "create_conn" in names(AIOKafkaClient.bootstrap) & names(aiokafka_internals._connection_of)
    assert client.create_conn is aiokafka_internals._remembered_connection


def test_a_client_connects_and_closes_by_methods_that_remember_that_it_is_closed():
    assert "_get_conn" in names(AIOKafkaClient.ready)
    assert AIOKafkaClient._get_conn is aiokafka_internals._connection_unless_closed
    assert AIOKafkaClient.close is aiokafka_internals._close_for_good


def test_the_marker_wait_is_a_global_read_at_each_answer():
    assert "BACKOFF_OVERRIDE" in names(sender.AddPartitionsToTxnHandler.handle_response)
    assert sender.BACKOFF_OVERRIDE in (0.02, aiokafka_internals.MARKER_WAIT)
    aiokafka_internals.shorten_marker_wait()
    handler = sender.AddPartitionsToTxnHandler(SimpleNamespace(_retry_backoff=1, _txn_manager=None), set())
    handler._sender._txn_manager = SimpleNamespace(txn_partitions=set())
    concurrent = SimpleNamespace(errors=[("t", [(0, 51)])])
    assert handler.handle_response(concurrent) == aiokafka_internals.MARKER_WAIT


async def test_the_retry_wait_is_the_senders_and_read_per_request():
    producer = AIOKafkaProducer(retry_backoff_ms=100, transactional_id="t")
    assert producer._sender._retry_backoff == 0.1
    aiokafka_internals.set_retry_wait(producer, aiokafka_internals.QUICK_RETRY)
    assert sender.EndTxnHandler(producer._sender, 1)._default_backoff == aiokafka_internals.QUICK_RETRY
    assert producer.client._retry_backoff == 0.1
    await producer.stop()


def test_a_connection_takes_requests_that_are_none_of_aiokafkas():
    assert {"prepare", "build_request_header", "encode"} <= names(AIOKafkaConnection.send)
    assert {"parse_response_header", "RESPONSE_TYPE", "decode"} <= names(AIOKafkaConnection._handle_frame)
    request = commit_transaction("id", ProducerEpoch(1, 2))
    assert request.prepare({}) is request
    header = request.build_request_header(correlation_id=5, client_id="me")
    assert header.encode() == b"\0\x1a\0\5\0\0\0\5\0\2me\0"
    answer = BytesIO(b"\0\0\0\5\0" + b"\0\0\0\0\0\0" + b"\0" * 7 + b"\1\0\3" + b"\0")
    assert request.parse_response_header(answer).correlation_id == 5
    assert request.RESPONSE_TYPE.decode(answer) == (0, ProducerEpoch(1, 3))


async def test_a_client_knows_partitions_leaders_and_versions():
    client = AIOKafkaClient()
    assert inspect.iscoroutinefunction(client._wait_on_metadata)
    assert {"_conns", "group"} <= names(AIOKafkaClient.send)
    assert "_versions" in names(AIOKafkaConnection.send)
    with pytest.raises(StaleMetadata):
        aiokafka_internals.leader_of(client, TopicPartition("unknown", 0))
    await aiokafka_internals.close_client(client, seconds=1)


async def test_batches_of_a_producer_can_live_for_ever():
    producer = AIOKafkaProducer(enable_idempotence=True)
    assert producer._message_accumulator._batch_ttl == 40
    aiokafka_internals.keep_batches_for_ever(producer)
    batch = message_accumulator.MessageBatch(None, None, producer._message_accumulator._batch_ttl, 0)
    assert math.isinf(batch._ttl)
    assert not batch.expired()
    assert not aiokafka_internals.sender_ended(producer)
    await producer.stop()


class LoadingCoordinator:
    """Answers as a broker does just after its start: an error of the group, and no partitions."""

    group_id = "g"

    def __init__(self, *codes: int, last: int = 0) -> None:
        self._codes = [*codes, last]
        self.died = 0

    async def ensure_coordinator_known(self) -> None:
        """It is known."""

    def coordinator_dead(self) -> None:
        self.died += 1

    async def _send_req(self, request) -> SimpleNamespace:
        code = self._codes.pop(0)
        assert request._partitions == [("t", [0, 1, 2])]
        topics = [] if code else [("t", [(0, 7, "read", 0), (1, -1, "", 0), (2, 0, "", 0)])]
        return SimpleNamespace(error_code=code, topics=topics)


WANTED = [TopicPartition("t", number) for number in range(3)]


async def test_a_group_that_still_loads_is_not_one_that_never_committed(monkeypatch):
    monkeypatch.setattr(aiokafka_internals, "PATIENT_RETRY", 0)
    coordinator = LoadingCoordinator(14, 14, 16)
    committed = await aiokafka_internals.committed_with_metadata(
        SimpleNamespace(_coordinator=coordinator), WANTED
    )
    assert committed == {WANTED[0]: (7, "read"), WANTED[2]: (0, "")}
    assert coordinator.died == 1
    assert (
        await aiokafka_internals.committed_with_metadata(SimpleNamespace(_coordinator=coordinator), []) == {}
    )


async def test_a_group_that_may_not_be_read_is_told():
    consumer = SimpleNamespace(_coordinator=LoadingCoordinator(last=30))
    with pytest.raises(GroupAuthorizationFailedError):
        await aiokafka_internals.committed_with_metadata(consumer, WANTED)


def test_a_coordinator_has_what_we_wrap():
    coordinator = group_coordinator.GroupCoordinator
    assert "_do_heartbeat" in names(coordinator._heartbeat_routine)
    for name in (
        "_do_heartbeat",
        "_send_req",
        "check_errors",
        "coordinator_dead",
        "ensure_coordinator_known",
    ):
        assert callable(getattr(coordinator, name))
    source = inspect.getsource(coordinator.__init__)
    for name in ("self.generation", "self.member_id", "self._coordination_task"):
        assert name in source
    heartbeat = inspect.getsource(coordinator._do_heartbeat)
    rebalancing = heartbeat[heartbeat.index("Errors.RebalanceInProgressError") :]
    assert "return True" in rebalancing[: rebalancing.index("IllegalGenerationError")]


@pytest.mark.parametrize(
    "stop", [aiokafka_internals.stop_reader, partial(aiokafka_internals.stop_consumer, seconds=5)]
)
async def test_a_consumer_stops_while_a_fetch_waits_after_it_failed(
    stop: Callable[[AIOKafkaConsumer], Awaitable[object]],
):
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
    consumer._fetcher = fetcher.Fetcher(consumer._client, consumer._subscription)
    waiting = asyncio.create_task(asyncio.Event().wait())  # as it does between two attempts
    consumer._fetcher._pending_tasks.add(waiting)
    await stop(consumer)
    assert waiting.cancelled()
    assert consumer._closed


class MovingLeaders:
    """A client: partition 0 on broker 1, the others on broker 2, as `leaders` says. Each answer is of the next of `codes`."""

    def __init__(self, *codes: int, leaders: tuple[int | None, ...] = ()) -> None:
        self.cluster = SimpleNamespace(leader_for_partition=self._leader)
        self._codes, self._leaders = list(codes), list(leaders)
        self.asked: list[tuple[int, list[int]]] = []
        self.added: list[str] = []
        self.updates = 0

    def _leader(self, partition: AioTopicPartition) -> int | None:
        known = 1 if partition.partition == 0 else 2
        return self._leaders.pop(0) if self._leaders else known

    def add_topic(self, topic: str) -> None:
        self.added.append(topic)

    def force_metadata_update(self) -> None:
        self.updates += 1

    async def _maybe_wait_metadata(self) -> None:
        """It is known."""

    async def send(self, node: int, request: OffsetRequest) -> SimpleNamespace:
        ((topic, places),) = request._topics
        assert (topic, request._isolation_level) == ("t", fetcher.READ_UNCOMMITTED)
        assert {time for _, time in places} == {OffsetResetStrategy.LATEST}
        self.asked.append((node, [number for number, _ in places]))
        code = self._codes.pop(0) if self._codes else 0
        return SimpleNamespace(topics=[("t", [(number, code, -1, 10 + number) for number, _ in places])])


async def ends_of(client: MovingLeaders, partitions=WANTED) -> dict[TopicPartition, int]:
    return await aiokafka_internals.high_watermarks(SimpleNamespace(_client=client), partitions)


ENDS = {WANTED[0]: 10, WANTED[1]: 11, WANTED[2]: 12}


async def test_each_leader_is_asked_once_for_the_ends_of_its_partitions():
    client = MovingLeaders()
    assert await ends_of(client) == ENDS
    assert client.asked == [(1, [0]), (2, [1, 2])]
    assert (await ends_of(client, []), client.updates) == ({}, 0)


async def test_a_leader_that_has_moved_is_looked_up_anew(monkeypatch):
    monkeypatch.setattr(aiokafka_internals, "PATIENT_RETRY", 0)
    client = MovingLeaders(0, 6)  # NOT_LEADER_OR_FOLLOWER
    assert await ends_of(client) == ENDS
    assert (client.updates, client.added) == (1, [])
    waiting = MovingLeaders(leaders=(None, -1))
    assert await ends_of(waiting) == ENDS
    assert (waiting.updates, waiting.added) == (2, ["t"])


async def test_a_topic_that_may_not_be_read_is_told():
    with pytest.raises(TopicAuthorizationFailedError):
        await ends_of(MovingLeaders(29))


def test_a_client_has_what_is_asked_of_it():
    for name in ("_maybe_wait_metadata", "add_topic", "force_metadata_update", "send"):
        assert callable(getattr(AIOKafkaClient, name))
    assert callable(ClusterMetadata.leader_for_partition)
    for answer in (OffsetResponse_v1, OffsetResponse_v3, OffsetResponse_v5):
        partition = answer.SCHEMA.fields[-1].array_of.fields[-1].array_of
        assert partition.names[:4] == ("partition", "error_code", "timestamp", "offset")


def test_the_callbacks_come_after_the_assignment_and_swallow_exceptions():
    """Why the group pauses first, and never returns from a callback that failed."""
    joined = inspect.getsource(group_coordinator.GroupCoordinator._on_join_complete)
    assert joined.index("assign_from_subscribed") < joined.index("on_partitions_assigned")
    assert "except Exception" in joined
    assert "log.exception" in joined


def test_positions_can_be_read_without_waiting():
    assert isinstance(inspect.getattr_static(TopicPartitionState, "position"), property)


@pytest.mark.parametrize("name", ["_client", "_fetcher", "_coordinator", "_subscription"])
async def test_a_consumer_has_the_parts_we_name(name):
    consumer = AIOKafkaConsumer()
    assert hasattr(consumer, name)
    consumer._closed = True


def test_the_fetcher_reads_records_through_ours():
    """It looks the class up in its own module, and skips the records of a batch that it has had."""
    assert aio_fetcher_reads("MemoryRecords")
    assert fetcher.MemoryRecords is header_names.LenientRecords
    assert "record.offset < self.next_fetch_offset" in inspect.getsource(fetcher.PartitionRecords)
    assert "_maybe_uncompress" in names(_DefaultRecordBatchPy.__iter__)


def aio_fetcher_reads(name: str) -> bool:
    return name in names(fetcher.Fetcher._proc_fetch_request)


async def test_a_producer_that_does_not_stop_is_disconnected_also_when_its_owner_was_cancelled(monkeypatch):
    producer, disconnected, in_time = AIOKafkaProducer(), asyncio.Event(), []

    async def disconnect() -> None:
        disconnected.set()

    monkeypatch.setattr(producer, "stop", asyncio.Event().wait)
    monkeypatch.setattr(producer.client, "close", disconnect)

    async def owner() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            in_time.append(await aiokafka_internals.stop_producer(producer, seconds=0.01))

    task = asyncio.create_task(owner())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert in_time == [False]
    assert disconnected.is_set()
    monkeypatch.undo()
    await producer.stop()
