"""What each promise costs by itself, beside the same without it: transactions, the outcome log, the record of a decision, claims, counting, a line of log."""

import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from hashlib import sha256

import msgspec
from pydantic import SecretStr

from figures import Figure, Measured
from place import Place
from processor_time import Meter
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.database import Database, DatabaseSettings
from tocsin.kafka import KafkaSettings, ProducerRecord, Publisher
from tocsin.kafka.produce.packing import Limits
from tocsin.kafka.produce.transactional_producer import TransactionalProducer
from tocsin.observability import metrics
from tocsin.router.worker.dedupe import Claim, Claims
from tocsin.runtime import Health

LANE = Lane.BULK
RECORDS = 40_000
"""Of each figure at scale 1, but at most `BATCHES` batches."""
BATCHES = 1_000
SIZES = (1, 10, 100, 400)
"""Records in a batch: what low load makes, and what a backlog does."""
JOB_BYTES, STATUS_BYTES = 1_900, 900
PARTITIONS = 4
WINDOW = 86_400.0
TIMEOUT = 30.0
PIECES = 200_000

Trial = Callable[[int], Awaitable[object]]
"""Does it for the batch of this number."""


async def measure(place: Place, scale: float) -> Measured:
    """Everything, with no service running."""
    topics = Topics(place.environment.kafka.topic_prefix)
    jobs, statuses = topics.jobs(Channel.EMAIL, LANE), topics.status(LANE)
    figures: list[Figure] = []
    health = Health(service="bench")
    plain = Publisher(settings=place.environment.kafka, health=health, max_bytes=1 << 30)
    transactions = _transactions(place.environment.kafka, topics)
    database = Database(
        settings=DatabaseSettings(url=SecretStr(place.environment.database)),
        service="bench",
        check=health.check("database"),
    )
    claims = Claims(database=database, window=WINDOW)
    await plain.open()
    await transactions.open()
    try:
        for size in SIZES:
            records, outcomes = _records(jobs, JOB_BYTES, size), _records(statuses, STATUS_BYTES, size)
            trials = {
                "without a transaction": partial(_publish, plain, records),
                "in a transaction": partial(_commit, transactions, records),
                "outcome log, or the record of a decision": partial(_publish, plain, outcomes),
                "claims": partial(_claim, claims, size),
            }
            for what, trial in trials.items():
                figures.append(await _measured(f"{what}, batches of {size}", trial, size, scale, place))
    finally:
        await plain.close()
        await transactions.close()
        await database.close()
    return Measured(figures=[*figures, *_counting(scale)])


def _transactions(settings: KafkaSettings, topics: Topics) -> TransactionalProducer:
    return TransactionalProducer(
        settings=settings,
        transactional_id=f"{settings.topic_prefix}bench.promises",
        group=topics.group("router", LANE),
        limits=Limits({}),
    )


async def _publish(publisher: Publisher, records: Sequence[ProducerRecord], _batch: int) -> None:
    await publisher.publish(records, timeout=TIMEOUT)


async def _commit(producer: TransactionalProducer, records: Sequence[ProducerRecord], _batch: int) -> None:
    await producer.run(records, {})


async def _claim(claims: Claims, size: int, batch: int) -> None:
    await claims.claim(_asked(batch, size))


async def _measured(name: str, trial: Trial, size: int, scale: float, place: Place) -> Figure:
    batches = max(10, min(int(RECORDS * scale / size), int(BATCHES * max(scale, 0.1))))
    await trial(-1)
    pids = place.environment.pids
    with Meter({process: pids[process] for process in ("broker", "database")}) as meter:
        began, cpu = time.time(), time.process_time()
        for number in range(batches):
            await trial(number)
        ended, used = time.time(), time.process_time() - cpu
    count = batches * size
    theirs = meter.between(began, ended)
    return Figure(
        name=f"promise, {name}",
        value=count / (ended - began),
        unit="records/s",
        messages=count,
        cpu_us={process: us / count * 1e6 for process, us in ({"ours": used} | theirs).items()},
    )


def _records(topic: str, size: int, count: int) -> list[ProducerRecord]:
    value = msgspec.json.encode({"text": os.urandom(size // 2).hex()})
    return [
        ProducerRecord(topic, b"key-%d" % number, value, partition=number % PARTITIONS)
        for number in range(count)
    ]


def _asked(batch: int, size: int) -> list[tuple[bytes, Claim]]:
    """Identities that nobody has claimed."""
    keys = (sha256(b"%d/%d/%d" % (size, batch, number)).digest()[:16] for number in range(size))
    return [(key, Claim(f"bench/0/{batch * size + number}", number)) for number, key in enumerate(keys)]


def _counting(scale: float) -> list[Figure]:
    """What one count, one observation and one line that is below the level cost."""
    counter = metrics.consumed.labels("bench", "bulk", "job")
    histogram = metrics.stage_seconds.labels("bench", "bulk", "bench")
    quiet = logging.getLogger("tocsin.bench")
    quiet.setLevel(logging.WARNING)
    pieces: dict[str, Callable[[], object]] = {
        "one counter": counter.inc,
        "one histogram": lambda: histogram.observe(0.001),
        "one line of log below the level": lambda: quiet.info("nothing"),
    }
    figures = []
    for name, piece in pieces.items():
        count, began = max(1_000, int(PIECES * scale)), time.process_time()
        for _ in range(count):
            piece()
        each = (time.process_time() - began) / count * 1e6
        figures.append(Figure(name=f"promise, {name}", value=each, unit="us", better="less"))
    return figures
