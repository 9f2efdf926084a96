"""What fails inside a transaction commits nothing."""

from collections.abc import Sequence

import pytest

from tocsin.kafka import Admin, Batch, Outgoing, TopicSpec, TransactionFailed

pytestmark = pytest.mark.kafka


async def small_topic(stage) -> None:
    admin = Admin(settings=stage.settings)
    await admin.open()
    spec = TopicSpec(name=stage.topic("small"), partitions=4, max_message_bytes=1000)
    await admin.apply(await admin.plan([spec]))
    await admin.close()


async def test_a_produce_that_fails_never_commits(stage, until):
    """The broker refuses one of the records; aiokafka by itself would commit the others."""
    await stage.topics("in", "out", groups=["copier"])
    await small_topic(stage)
    await stage.publish(Outgoing(stage.topic("in"), b"k", b"v"))

    async def process(batch: Batch) -> Sequence[Outgoing]:
        return [
            Outgoing(stage.topic("out"), b"k", b"good"),
            Outgoing(stage.topic("small"), b"k", b"x" * 5000),
        ]

    member = await stage.exactly_once(process, limits={stage.topic("small"): 10_000}).start()
    with pytest.raises(TransactionFailed, match="MessageSizeTooLarge"):
        await member.ended()
    await member.component.close()

    seen: list[Batch] = []

    async def look(batch: Batch) -> Sequence[Outgoing]:
        seen.append(batch)
        return []

    again = await stage.exactly_once(look).start()
    await until(lambda: bool(seen))
    assert [record.value for record in seen[0].records] == [b"v"]
    await again.leave()
    assert await stage.read("out") == []
