"""One transactional id on a real broker, by each of the two protocols that it may speak."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import pytest
from aiokafka.errors import KafkaConnectionError, NotLeaderForPartitionError

from tocsin.kafka import (
    Admin,
    Limits,
    ProducerRecord,
    TopicPartition,
    TopicSpec,
    TransactionalProducer,
    TransactionFailed,
)
from tocsin.kafka.client.broker_client import BrokerClient
from tocsin.kafka.client.commits import CommittedOffset
from tocsin.kafka.client.transaction_requests import END_TXN, INIT_PRODUCER_ID, PRODUCE, TXN_OFFSET_COMMIT
from tocsin.kafka.produce import transactional_producer
from tocsin.kafka.produce.explicit_transactions import ExplicitTransactions
from tocsin.kafka.produce.implicit_transactions import ImplicitTransactions

pytestmark = pytest.mark.kafka

Open = Callable[[], Awaitable[TransactionalProducer]]


@pytest.fixture(params=[ImplicitTransactions, ExplicitTransactions])
def protocol(request, monkeypatch) -> type:
    """What the producers of the test use: the broker of the tests knows both."""
    if request.param is ExplicitTransactions:

        async def not_supported(client: BrokerClient) -> bool:
            return False

        monkeypatch.setattr(transactional_producer, "are_supported_by", not_supported)
    kind: type = request.param
    return kind


async def opened(stage, producers: list[TransactionalProducer]) -> TransactionalProducer:
    producer = TransactionalProducer(
        settings=stage.settings,
        transactional_id=stage.topic("id"),
        group=stage.topic("copier"),
        limits=Limits({stage.topic("out"): 1_048_576}),
    )
    producers.append(producer)
    await producer.open()
    return producer


@pytest.fixture
async def open_producer(stage) -> AsyncIterator[Open]:
    """Opens another producer of the same transactional id."""
    producers: list[TransactionalProducer] = []
    await stage.topics("in", "out", groups=["copier"])
    yield lambda: opened(stage, producers)
    for producer in producers:
        await producer.close()


def records(stage, *values: bytes, partition: int = 0) -> list[ProducerRecord]:
    return [ProducerRecord(stage.topic("out"), b"k", value, partition=partition) for value in values]


def offsets(stage, offset: int, metadata: str = "") -> Mapping[TopicPartition, CommittedOffset]:
    return {TopicPartition(stage.topic("in"), 0): CommittedOffset(offset, metadata)}


async def values(stage) -> list[bytes]:
    return [record.value for record in await stage.read("out")]


async def committed(stage) -> CommittedOffset:
    partition = TopicPartition(stage.topic("in"), 0)
    found: Mapping[TopicPartition, CommittedOffset] = await stage.cluster.committed(
        stage.topic("copier"), [partition]
    )
    return found[partition]


async def test_the_protocol_is_the_clusters(protocol, open_producer):
    producer = await open_producer()
    assert type(producer._protocol) is protocol


@pytest.mark.usefixtures("protocol")
async def test_records_and_offsets_commit_together_one_transaction_after_the_other(stage, open_producer):
    producer = await open_producer()
    for number in range(1, 6):
        await producer.run(records(stage, b"%d" % number), offsets(stage, number, f"note {number}"))
    assert await values(stage) == [b"1", b"2", b"3", b"4", b"5"]
    assert await committed(stage) == (5, "note 5")


@pytest.mark.usefixtures("protocol")
async def test_records_alone_and_offsets_alone(stage, open_producer):
    producer = await open_producer()
    await producer.run(records(stage, b"a"), {})
    await producer.run([], offsets(stage, 3))
    await producer.run([], {})
    await producer.run(records(stage, b"b"), {})
    assert await values(stage) == [b"a", b"b"]
    assert await committed(stage) == (3, "")


@pytest.mark.usefixtures("protocol")
async def test_many_batches_of_a_partition_keep_their_order(stage, open_producer):
    producer = await open_producer()
    long = [b"%06d" % number + b"x" * 50_000 for number in range(40)]
    for begin in (0, 20):
        mixed = [
            record
            for value in long[begin : begin + 20]
            for partition in (1, 2)
            for record in records(stage, value, partition=partition)
        ]
        await producer.run(mixed, offsets(stage, begin + 1))
    by_partition: dict[int, list[bytes]] = {1: [], 2: []}
    for record in await stage.read("out"):
        by_partition[record.partition].append(record.value)
    assert by_partition == {1: long, 2: long}


@pytest.mark.usefixtures("protocol")
async def test_a_newer_owner_fences_the_older_one(stage, open_producer):
    first = await open_producer()
    await first.run(records(stage, b"first"), offsets(stage, 1))
    second = await open_producer()
    with pytest.raises(TransactionFailed, match="fenced"):
        await first.run(records(stage, b"late"), offsets(stage, 2))
    await second.run(records(stage, b"second"), offsets(stage, 3))
    assert await values(stage) == [b"first", b"second"]
    assert await committed(stage) == (3, "")


@pytest.mark.usefixtures("protocol")
async def test_what_was_written_and_not_committed_is_never_seen(stage, open_producer):
    first = await open_producer()
    await first._protocol.write(records(stage, b"given up"), offsets(stage, 9))
    second = await open_producer()
    await second.run(records(stage, b"good"), offsets(stage, 1))
    assert await values(stage) == [b"good"]
    assert await committed(stage) == (1, "")


@pytest.mark.usefixtures("protocol")
async def test_a_record_that_the_broker_refuses_commits_nothing(stage, open_producer):
    """The others of its transaction, and the offsets, neither."""
    producer = await open_producer()
    admin = Admin(settings=stage.settings)
    await admin.open()
    small = TopicSpec(name=stage.topic("small"), partitions=1, max_message_bytes=1000)
    await admin.apply(await admin.plan([small]))
    await admin.close()
    refused = ProducerRecord(small.name, b"k", b"x" * 5000, partition=0)
    with pytest.raises(TransactionFailed, match="MessageSizeTooLarge"):
        await producer.run([*records(stage, b"good"), refused], offsets(stage, 1))
    await open_producer()
    assert await values(stage) == []
    assert (await committed(stage)).offset == 0


@pytest.mark.usefixtures("protocol")
async def test_after_a_transaction_that_did_not_end_nothing_more_is_written(
    stage, open_producer, monkeypatch
):
    """What it wrote would commit with the next one's."""
    producer = await open_producer()

    async def fail() -> None:
        raise KafkaConnectionError("the broker is gone")

    monkeypatch.setattr(producer._protocol, "commit", fail)
    with pytest.raises(TransactionFailed, match="the broker is gone"):
        await producer.run(records(stage, b"first"), {})
    monkeypatch.undo()
    with pytest.raises(TransactionFailed, match="can only be closed"):
        await producer.run(records(stage, b"second"), {})


async def test_a_transaction_that_times_out_says_what_it_waited_for(stage, open_producer, monkeypatch):
    producer = await open_producer()

    async def refuse(_client, _group, _request):
        raise NotLeaderForPartitionError("nobody leads")

    monkeypatch.setattr(BrokerClient, "ask_group", refuse)
    monkeypatch.setattr(transactional_producer, "TRANSACTION", 0.2)
    with pytest.raises(
        TransactionFailed, match=r"did not end within 0\.2 s\. The broker's last answer: .*nobody leads"
    ):
        await producer.run(records(stage, b"late"), offsets(stage, 1))


@pytest.mark.nightly
async def test_the_epochs_of_a_producer_id_run_out_and_nothing_is_lost_or_doubled(stage, open_producer):
    """Each transaction takes one of 32,767; then the broker gives another id."""
    producer = await open_producer()
    ids = set()
    last = 33_000
    for number in range(1, last + 1):
        written = records(stage, b"%d" % number) if number % 1000 == 0 or number > 32_700 else []
        await producer.run(written, offsets(stage, number))
        ids.add(producer._protocol._writer.producer_id)
    assert len(ids) == 2
    expected = [number for number in range(1, last + 1) if number % 1000 == 0 or number > 32_700]
    assert await values(stage) == [b"%d" % number for number in expected]
    assert (await committed(stage)).offset == last


@pytest.mark.parametrize("lost", [INIT_PRODUCER_ID, TXN_OFFSET_COMMIT, PRODUCE, END_TXN])
async def test_an_answer_that_is_lost_repeats_nothing(stage, open_producer, monkeypatch, lost):
    """The broker has done what was asked, and the connection ended before it could say so."""
    times = 0

    def forget(ask):
        async def ask_and_forget(client, whom, request):
            nonlocal times
            answer = await ask(client, whom, request)
            if lost == request.API_KEY:
                times += 1
                if times == 1:
                    raise KafkaConnectionError("the answer is lost")
            return answer

        return ask_and_forget

    for name in ("ask", "ask_group", "ask_transactions"):
        monkeypatch.setattr(BrokerClient, name, forget(getattr(BrokerClient, name)))
    producer = await open_producer()
    for number in range(1, 4):
        await producer.run(records(stage, b"%d" % number), offsets(stage, number))
    assert times > 1
    assert await values(stage) == [b"1", b"2", b"3"]
    assert await committed(stage) == (3, "")


async def test_a_broker_that_leaves_out_a_partition_is_asked_again(stage, open_producer, monkeypatch):
    """What is not acknowledged is not committed."""
    ask, times = BrokerClient.ask, 0

    async def ask_and_leave_out(client, broker, request):
        nonlocal times
        times += 1
        answer = await ask(client, broker, request)
        return {} if times == 1 else answer

    monkeypatch.setattr(BrokerClient, "ask", ask_and_leave_out)
    producer = await open_producer()
    await producer.run(records(stage, b"once"), offsets(stage, 1))
    assert times == 2
    assert await values(stage) == [b"once"]
