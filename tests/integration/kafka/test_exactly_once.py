"""Each record takes effect exactly once, whatever happens in between."""

from collections import Counter
from collections.abc import Sequence

import pytest

from tocsin.kafka import Batch, GroupSpec, Outgoing

pytestmark = pytest.mark.kafka


def copies(stage):
    """A process that writes each record to `out`, with where it came from."""

    async def process(batch: Batch) -> Sequence[Outgoing]:
        return [
            Outgoing(stage.topic("out"), record.key, record.value, (("cause", record.ref.encode()),))
            for record in batch.records
        ]

    return process


async def prepare(stage, count: int) -> list[bytes]:
    await stage.topics(
        "in",
        "out",
        groups=[GroupSpec(group=f"{stage.settings.topic_prefix}copier", topics=(stage.topic("in"),))],
    )
    values = [f"v{number}".encode() for number in range(count)]
    await stage.publish(*(Outgoing(stage.topic("in"), value, value) for value in values))
    return values


async def test_copies_every_record_once_and_commits(stage, until):
    values = await prepare(stage, 1000)
    member = await stage.exactly_once(copies(stage), group="copier", topics=["in"]).start()

    await until(lambda: all_there(stage, values))
    await member.leave()

    again = await stage.exactly_once(copies(stage), group="copier", topics=["in"]).start()
    more = await stage.publish(Outgoing(stage.topic("in"), b"last", b"last"))
    assert more[0].offset >= 0
    await until(lambda: all_there(stage, [*values, b"last"]))
    await again.leave()


async def all_there(stage, values) -> bool:
    seen = Counter(record.value for record in await stage.read("out"))
    assert all(count == 1 for count in seen.values())
    return set(seen) == set(values)
