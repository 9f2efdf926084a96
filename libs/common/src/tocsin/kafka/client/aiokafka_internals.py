"""Everything of aiokafka that is touched beyond its public names, in one place; beside it `group_standing`.

Each function says why. ``tests/unit/kafka/test_aiokafka_internals.py`` fails when an upgrade of aiokafka moves one of them.
"""

import asyncio
import contextlib
import math
from collections.abc import Collection, Iterable, Iterator
from contextvars import ContextVar
from typing import Any, Final
from weakref import WeakSet

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka import client as aio_client
from aiokafka import conn as aio_conn
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.consumer import fetcher as aio_fetcher
from aiokafka.errors import (
    KafkaError,
    LeaderNotAvailableError,
    NoError,
    NotCoordinatorForGroupError,
    StaleMetadata,
    for_code,
)
from aiokafka.producer import sender as aio_sender
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.offset import OffsetRequest, OffsetResetStrategy

from tocsin.kafka.client.counted_connection import CountedConnection, begin_at_zero
from tocsin.kafka.client.header_names import LenientRecords
from tocsin.kafka.records import TopicPartition

# For every consumer of the process, and before there is one: a single record could stop any of them.
aio_fetcher.MemoryRecords = LenientRecords

_begun: Final[ContextVar[WeakSet[AIOKafkaConnection] | None]] = ContextVar(
    "connections_of_a_start", default=None
)
"""What the client that starts here has connected."""


async def _remembered_connection(*args: Any, **options: Any) -> AIOKafkaConnection:
    connection = await create_conn(*args, **options)
    begun = _begun.get()
    if begun is not None:
        begun.add(connection)
    return connection


aio_client.create_conn = _remembered_connection
aio_conn.AIOKafkaConnection = CountedConnection
begin_at_zero()

_connection_of: Final = AIOKafkaClient._get_conn
_close: Final = AIOKafkaClient.close
_closed: Final[WeakSet[AIOKafkaClient]] = WeakSet()


async def _connection_unless_closed(
    client: AIOKafkaClient, *args: Any, **options: Any
) -> AIOKafkaConnection | None:
    for known in list(client._conns.values()):
        if not known.connected():
            known.close()  # aiokafka forgets it, and closes only what it knows
    connection: AIOKafkaConnection | None = None
    if client not in _closed:
        connection = await _connection_of(client, *args, **options)
    if client in _closed and connection is not None:
        connection.close()
        connection = None
    return connection  # None is what aiokafka says where no connection could be made


async def _close_for_good(client: AIOKafkaClient) -> None:
    with _closed_in_the_end(client):
        _closed.add(client)
        await _close(client)


@contextlib.contextmanager
def _closed_in_the_end(client: AIOKafkaClient) -> Iterator[None]:
    """Closes without an await, so that no cancellation comes between: every connection, and none is made any more."""
    try:
        yield
    finally:
        _closed.add(client)
        if client._sync_task is not None:
            client._sync_task.cancel()
        for connection in client._conns.values():
            connection.close()


# A producer's sending tasks live on when it is closed, and would connect again: nobody closes that connection.
AIOKafkaClient._get_conn = _connection_unless_closed
AIOKafkaClient.close = _close_for_good


@contextlib.contextmanager
def closed_unless_started() -> Iterator[None]:
    """`with closed_unless_started(): await client.start()` closes the first connection when that is cancelled, or fails: `bootstrap()`
    forgets it while it waits for the first answer, and `stop()` does not know it."""
    begun: WeakSet[AIOKafkaConnection] = WeakSet()
    token = _begun.set(begun)
    try:
        yield
    except BaseException:
        for connection in list(begun):
            connection.close()
        raise
    finally:
        _begun.reset(token)


# Wait while the former transaction's markers are written: 20 ms as shipped, most of a small transaction's time.
MARKER_WAIT = 0.002
# Wait when the broker still verifies a partition for the transaction: 100 ms as shipped.
QUICK_RETRY = 0.005
PATIENT_RETRY = 0.1
# Between two cancellations of a task that took the first for another's.
CANCEL_AGAIN = 0.05
# What brokers say where nobody leads a partition.
NO_LEADER = -1


def shorten_marker_wait() -> None:
    """Let the next transaction begin 2 ms, not 20 ms, after the broker said it is still ending the last one."""
    aio_sender.BACKOFF_OVERRIDE = MARKER_WAIT


def set_retry_wait(producer: AIOKafkaProducer, seconds: float) -> None:
    """How long a producer waits before it repeats a request. Its constructor's setting rules the reconnects as
    well, which must stay patient."""
    producer._sender._retry_backoff = seconds


def keep_batches_for_ever(producer: AIOKafkaProducer) -> None:
    """Never expire a batch: aiokafka gives it a sequence number and then drops it, and every later record of
    that partition would be refused as out of sequence."""
    producer._message_accumulator._batch_ttl = math.inf


def sender_ended(producer: AIOKafkaProducer) -> bool:
    """Whether the producer's background task is gone: nothing will be delivered any more."""
    task = producer._sender.sender_task
    return task is not None and task.done()


async def high_watermarks(
    consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """The ends of partitions as read_uncommitted sees them; a read_committed consumer's own `end_offsets` stops at the last
    stable offset. Waits until there is an answer; KafkaError where waiting does not help.

    Asked here rather than by the fetcher: the router asks before each batch, and this takes a third less processor time.
    """
    client, asked = consumer._client, list(partitions)
    while True:
        try:
            return await _ends(client, asked)
        except KafkaError as error:
            if not error.retriable:
                raise
            if error.invalid_metadata:
                client.force_metadata_update()
            await asyncio.sleep(PATIENT_RETRY)


def leader_of(client: AIOKafkaClient, partition: TopicPartition) -> int:
    """The broker that leads the partition, as far as is known; StaleMetadata or LeaderNotAvailableError where nobody does."""
    leader = client.cluster.leader_for_partition(AioTopicPartition(*partition))
    if leader is None:
        client.add_topic(partition.topic)
        raise StaleMetadata(partition)
    if leader == NO_LEADER:
        raise LeaderNotAvailableError(partition)
    return int(leader)


async def leaderless(
    consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> set[TopicPartition]:
    """Those of known partitions that no broker leads now. What is known may be minutes old: it is asked for anew before that is said."""
    cluster = consumer._client.cluster

    def without() -> set[TopicPartition]:
        return {
            partition
            for partition in partitions
            if cluster.leader_for_partition(AioTopicPartition(*partition)) == NO_LEADER
        }

    if without():
        await consumer._client.force_metadata_update()
    return without()


async def _ends(client: Any, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
    """The high watermarks, by one request to each leader. Raises the KafkaError of any partition."""
    await client._maybe_wait_metadata()
    by_leader: dict[int, dict[str, list[tuple[int, int]]]] = {}
    for partition in partitions:
        topics = by_leader.setdefault(leader_of(client, partition), {})
        topics.setdefault(partition.topic, []).append((partition.partition, OffsetResetStrategy.LATEST))
    ends: dict[TopicPartition, int] = {}
    for leader, topics in by_leader.items():
        request = OffsetRequest(-1, aio_fetcher.READ_UNCOMMITTED, list(topics.items()))
        for topic, answers in (await client.send(leader, request)).topics:
            for number, code, _, offset, *_ in answers:
                raise_for(code)
                ends[TopicPartition(topic, number)] = offset
    return ends


async def committed_with_metadata(
    consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, tuple[int, str]]:
    """The group's committed offsets and their metadata, which `committed()` drops. Absent ones are left out.

    Asked here rather than by `fetch_committed_offsets`, which overlooks what is said of the whole group: a coordinator
    that still loads, just after a broker's start, answers with an error and no partitions, and that would read as a
    group that never committed. Waits until there is an answer; KafkaError where waiting does not help.
    """
    coordinator = consumer._coordinator
    by_topic: dict[str, list[int]] = {}
    for topic, partition in partitions:
        by_topic.setdefault(topic, []).append(partition)
    while by_topic:
        await coordinator.ensure_coordinator_known()
        try:
            request = OffsetFetchRequest(coordinator.group_id, list(by_topic.items()))
            return committed_in(await coordinator._send_req(request))
        except KafkaError as error:
            if not error.retriable:
                raise
            if isinstance(error, NotCoordinatorForGroupError):
                coordinator.coordinator_dead()
            await asyncio.sleep(PATIENT_RETRY)
    return {}


def committed_in(answer: Any) -> dict[TopicPartition, tuple[int, str]]:
    """What an answer to OffsetFetch says. Raises the KafkaError of the group or of any partition."""
    committed: dict[TopicPartition, tuple[int, str]] = {}
    raise_for(getattr(answer, "error_code", 0))  # the first versions of the answer have none
    for topic, partitions in answer.topics:
        for partition, offset, metadata, code in partitions:
            raise_for(code)
            if offset >= 0:
                committed[TopicPartition(topic, partition)] = (offset, metadata)
    return committed


def raise_for(code: int) -> None:
    error = for_code(code)
    if error is not NoError:
        raise error


def position_now(consumer: AIOKafkaConsumer, partition: TopicPartition) -> int:
    """The next offset to be read of an assigned partition; `position()` is a coroutine that may wait."""
    state = consumer._subscription.subscription.assignment.state_value(AioTopicPartition(*partition))
    return int(state.position)


async def wait_for_metadata(consumer: AIOKafkaConsumer, topic: str) -> int:
    """How many partitions an existing topic has; `partitions_for_topic()` only looks at what is known already."""
    return len(await partitions_of(consumer._client, topic))


async def partitions_of(client: AIOKafkaClient, topic: str) -> set[int]:
    """The partitions of an existing topic; a producer has this as `partitions_for()`."""
    partitions: set[int] = await client._wait_on_metadata(topic)
    return partitions


async def versions_of(client: AIOKafkaClient, node: int) -> dict[int, tuple[int, int]]:
    """The lowest and the highest version of each request that the broker takes, by the request's number."""
    if not await client.ready(node):
        raise StaleMetadata(node)
    versions: dict[int, tuple[int, int]] = client._conns[node, ConnectionGroup.DEFAULT]._versions
    return versions


async def close_client(client: AIOKafkaClient, *, seconds: float) -> None:
    """Disconnect a client that is neither a consumer's nor a producer's."""
    with _closed_in_the_end(client), contextlib.suppress(TimeoutError):
        await asyncio.wait_for(client.close(), seconds)


def raise_errors(consumer: AIOKafkaConsumer) -> None:
    """Raise what the group's background tasks met; `getmany` does it too, but is not always called."""
    consumer._coordinator.check_errors()


async def end_coordination(consumer: AIOKafkaConsumer) -> None:
    """End the task that joins groups, wherever it waits; `stop()` would wait for a rebalance to end first."""
    task: asyncio.Task[None] | None = getattr(consumer._coordinator, "_coordination_task", None)
    if task is not None:
        task.cancel()
        await asyncio.wait([task])


async def stop_reader(consumer: AIOKafkaConsumer) -> None:
    """Disconnect a consumer outside of any group."""
    with _closed_in_the_end(consumer._client):
        try:
            await end_fetching(consumer)
        finally:  # also where this is cancelled meanwhile
            await consumer.stop()


async def end_fetching(consumer: AIOKafkaConsumer) -> None:
    """End the tasks that read. `stop()` awaits each, and one that waits after a failed fetch would pass its CancelledError on to
    us, whom nobody has cancelled. The task above them takes a first cancellation for theirs while it ends them: it gets another.
    """
    fetcher = consumer._fetcher
    if fetcher is None:
        return
    tasks = {fetcher._fetch_task, *fetcher._pending_tasks}
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=CANCEL_AGAIN)
    fetcher._pending_tasks.clear()


async def stop_producer(producer: AIOKafkaProducer, *, seconds: float) -> bool:
    """Deliver what was taken and disconnect; after ``seconds``, or when cancelled, disconnect all the same. Whether it was in time."""
    with _closed_in_the_end(producer.client):
        try:
            await asyncio.wait_for(producer.stop(), seconds)
        except TimeoutError:
            task = producer._sender.sender_task
            if task is not None:
                task.cancel()
            await producer.client.close()
            return False
    return True


async def stop_consumer(consumer: AIOKafkaConsumer, *, seconds: float) -> bool:
    """Leave the group and disconnect; after ``seconds``, or when cancelled, disconnect all the same. Whether it was in time."""

    async def stop() -> None:
        await end_coordination(consumer)
        await end_fetching(consumer)
        await consumer.stop()

    with _closed_in_the_end(consumer._client):
        try:
            await asyncio.wait_for(stop(), seconds)
        except TimeoutError:
            await _disconnect(consumer)
            return False
        except asyncio.CancelledError:
            await _disconnect(consumer)
            raise
    return True


async def _disconnect(consumer: AIOKafkaConsumer) -> None:
    """Without a word to the group."""
    if consumer._coordinator is not None:
        for task in (consumer._coordinator._heartbeat_task, consumer._coordinator._commit_refresh_task):
            if task is not None:
                task.cancel()  # it would connect again, and the group would keep a member that reads nothing
    await end_fetching(consumer)
    if consumer._fetcher is not None:
        await consumer._fetcher.close()
    await consumer._client.close()
    consumer._closed = True  # `stop()` may have been given up before it noted that
