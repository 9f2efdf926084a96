"""What recipients do stands on `status`, in the end once for each item and status, whatever happens between."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from tests.integration.kafka.conftest import KafkaStage

from tocsin.contracts.codec import decode_status
from tocsin.contracts.ids import status_id
from tocsin.contracts.statuses import Status
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.dispatch_inapp.changing_items import ChangingItems
from tocsin.dispatch_inapp.item_state import ItemChange
from tocsin.dispatch_inapp.telling_changes import TellingChanges
from tocsin.kafka import KafkaSettings, NotStored, Publisher, RecordMetadata, read_to_end
from tocsin.runtime import Health
from tocsin.testing import ManualClock

from .conftest import NOW, Inboxes, item

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


@pytest.fixture
async def stage(kafka_server: str, topic_prefix: str) -> AsyncIterator[KafkaStage]:
    stage = KafkaStage(KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=topic_prefix))
    await stage.topics("status.transactional", "inbox", partitions=2)
    yield stage
    await stage.close()


@pytest.fixture
async def publisher(stage: KafkaStage) -> AsyncIterator[Publisher]:
    publisher = Publisher(settings=stage.settings, health=Health())
    await publisher.open()
    yield publisher
    await publisher.close()


def telling(inboxes: Inboxes, publisher: Any, stage: KafkaStage) -> TellingChanges:
    topics = Topics(stage.settings.topic_prefix)
    return TellingChanges(
        database=inboxes.database, publisher=publisher, topics=topics, clock=ManualClock(NOW)
    )


async def statuses(stage: KafkaStage) -> list[Status]:
    topic = Topics(stage.settings.topic_prefix).status(Lane.TRANSACTIONAL)
    batches = read_to_end(settings=stage.settings, topic=topic, deadline=30)
    told = [decode_status(record.value or b"") async for batch in batches for record in batch]
    return [status for status in told if isinstance(status, Status)]


class DiesAfterwards:
    """Kafka has taken the records, and the process hears no more of it."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def publish(self, records: Sequence[Any], *, timeout: float) -> list[RecordMetadata]:  # noqa: ASYNC109 - as `Publisher` has it
        await self._publisher.publish(records, timeout=timeout)
        raise NotStored("nobody knows")


async def test_each_change_is_a_status_of_its_delivery(
    inboxes: Inboxes, publisher: Publisher, stage: KafkaStage
):
    await inboxes.store(stored := item())
    changing = ChangingItems(database=inboxes.database)
    await changing.change("acme", "ada", stored.id, ItemChange(read=True, archived=True), at=NOW)
    assert await telling(inboxes, publisher, stage).tell() == 3
    told = await statuses(stage)
    assert [status.status for status in told] == ["seen", "read", "archived"]
    for status in told:
        cause = f"{stored.id}/{status.status}"
        assert status.status_id == status_id(subject=str(stored.id), status=status.status, cause=cause)
        assert (status.tenant, status.recipient, status.delivery_id) == ("acme", "ada", str(stored.id))
        assert (status.workflow, status.category, status.channel) == ("order-shipped", "orders", "inapp")
        assert (status.provider, status.final, status.receipt and status.receipt.at) == ("inbox", False, NOW)
        assert status.notification_id
        assert status.address_hash
    assert await inboxes.rows("SELECT FROM inbox.changes") == []


async def test_what_was_told_and_not_noted_is_told_again_under_the_same_id(
    inboxes: Inboxes, publisher: Publisher, stage: KafkaStage
):
    await inboxes.store(stored := item())
    changing = ChangingItems(database=inboxes.database)
    await changing.change("acme", "ada", stored.id, ItemChange(seen=True), at=NOW)
    with pytest.raises(NotStored):
        await telling(inboxes, DiesAfterwards(publisher), stage).tell()
    assert len(await inboxes.rows("SELECT FROM inbox.changes")) == 1
    assert await telling(inboxes, publisher, stage).tell() == 1
    told = await statuses(stage)
    assert len(told) == 2
    assert len({status.status_id for status in told}) == 1
