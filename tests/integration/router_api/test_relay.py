"""The relay on a real broker: the topics become what the database holds."""

import asyncio

import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.testing import CliRunner

from tocsin.contracts.codec import decode_directory, encode
from tocsin.contracts.directory import (
    ApiKeyRecord,
    CategoryRecord,
    InboxKeysRecord,
    Step,
    TemplateRecord,
    TenantRecord,
    WorkflowRecord,
)
from tocsin.contracts.jobs import SenderIdentity
from tocsin.contracts.stops import RecipientVersion, decode_stop, encode_stop
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import (
    Admin,
    KafkaSettings,
    Limits,
    ProducerRecord,
    Replica,
    TopicSpec,
    TransactionalProducer,
    TransactionFailed,
    read_to_end,
)
from tocsin.router.changes import note_changed
from tocsin.router.commands import directory as directory_command
from tocsin.router.relay import Relay
from tocsin.runtime import Health
from tocsin.testing.running import running
from tocsin.testing.until import until
from tocsin.trust import RecipientKey, Seal
from tocsin.web import Caller, InboxKeyTable, KeyTable

from .conftest import FLOW, HS256, SECRET, SHOP, Directory, fill, published, state

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


async def test_every_kind_of_entity_is_published_as_it_stands(
    acme: httpx.AsyncClient, directory: Directory, relay: Relay, kafka: KafkaSettings, topics: Topics
) -> None:
    key_id = await fill(acme)
    async with running(relay):
        await published(directory)
    found = {key: decode_directory(value) for key, value in (await state(kafka, topics.directory)).items()}
    assert {entity.record_key.decode() for entity in found.values()} == set(found)
    told = found.pop("inbox_keys/acme")
    assert isinstance(told, InboxKeysRecord)
    assert (told.origins, [(key.id, key.algorithm) for key in told.keys]) == ([SHOP], [("2026", "HS256")])
    key = found.pop(f"api_key/acme/{key_id}")
    assert isinstance(key, ApiKeyRecord)
    assert (key.mode, key.scopes, key.name, len(key.sha256)) == ("test", ["send"], "shop", 64)
    assert found == {
        "tenant/acme": TenantRecord(
            tenant="acme", name="Acme", senders={Channel.EMAIL: SenderIdentity(address="a@example.com")}
        ),
        "category/acme/orders": CategoryRecord(
            tenant="acme", key="orders", name="Orders", ttl_seconds=60, delivery_class="at_most_once"
        ),
        "workflow/acme/shipped": WorkflowRecord(
            tenant="acme",
            key="shipped",
            revision=1,
            event_types=["com.shop.order.shipped"],
            recipients="data.customer",
            category="orders",
            lane=Lane.CRITICAL,
            steps=[Step(name="1", channels=(Channel.EMAIL, Channel.SMS))],
            data_schema={"type": "object"},
        ),
        "template/acme/shipped/sms/default/de": TemplateRecord(
            tenant="acme",
            workflow="shipped",
            channel=Channel.SMS,
            locale="de",
            revision=1,
            parts={"body": "Hallo"},
        ),
    }
    stops = await state(kafka, topics.stops)
    assert {key: decode_stop(value).version for key, value in stops.items()} == {"acme/a/b": 1}
    rows = await directory.rows("SELECT extract(epoch FROM raised_at) FROM directory.recipient_versions")
    assert [decode_stop(value).raised_at for value in stops.values()] == [int(seconds) for (seconds,) in rows]


async def test_while_an_installation_moves_both_prefixes_say_the_same(
    acme: httpx.AsyncClient, directory: Directory, engine: AsyncEngine, kafka: KafkaSettings, topics: Topics
) -> None:
    second = Topics(f"{topics.prefix}second.")
    admin = Admin(settings=kafka)
    await admin.open()
    try:
        names = (second.directory, second.stops)
        specs = [
            TopicSpec(name=name, partitions=1, cleanup="compact", max_message_bytes=2**21) for name in names
        ]
        await admin.apply(await admin.plan(specs))
    finally:
        await admin.close()
    await fill(acme)
    relay = Relay(engine=engine, settings=kafka, health=Health(service="router"), second_prefix=second.prefix)
    frozen = TransactionalProducer(
        settings=kafka, transactional_id=second.relay, group=second.relay, limits=Limits({})
    )
    await frozen.open()
    async with running(relay):
        await published(directory)
    with pytest.raises(TransactionFailed):
        await frozen.run([ProducerRecord(second.directory, b"tenant/acme", None)], {})
    await frozen.close()
    assert len(await state(kafka, topics.stops)) == 1
    for ours, theirs in ((topics.directory, second.directory), (topics.stops, second.stops)):
        assert await state(kafka, theirs) == await state(kafka, ours) != {}


async def test_what_ends_becomes_a_tombstone(
    acme: httpx.AsyncClient, directory: Directory, relay: Relay, kafka: KafkaSettings, topics: Topics
) -> None:
    key_id = await fill(acme)
    async with running(relay):
        await published(directory)
        await acme.delete(f"/v1/api-keys/{key_id}")
        await acme.post("/v1/workflows/shipped/templates/sms/default/de/unpublish")
        await acme.put("/v1/workflows/shipped", json={**FLOW, "published": False})
        await published(directory)
        left = {"tenant/acme", "category/acme/orders", "inbox_keys/acme"}
        assert set(await state(kafka, topics.directory)) == left
        await acme.delete("/v1/workflows/shipped")
        await acme.delete("/v1/categories/orders")
        await published(directory)
    assert set(await state(kafka, topics.directory)) == {"tenant/acme", "inbox_keys/acme"}


async def test_inbox_keys_are_opened_where_the_topic_is_read_and_lie_there_sealed(
    *,
    acme: httpx.AsyncClient,
    directory: Directory,
    relay: Relay,
    kafka: KafkaSettings,
    topics: Topics,
    seal: Seal,
) -> None:
    table = InboxKeyTable(seal=seal)
    replica = Replica(
        settings=kafka, topic=topics.directory, apply=table.apply, health=Health(service="dispatch-inapp")
    )

    async def opened() -> bool:
        return await table.key("acme", "2026", only_known=False) is not None

    async def closed() -> bool:
        return not await opened()

    async with running(relay), running(replica):
        await acme.put("/v1/tenant/inbox-keys", json={"keys": [HS256], "origins": [SHOP]})
        await until(opened)
        assert await table.key("acme", "2026", only_known=False) == RecipientKey(
            algorithm="HS256", key=SECRET
        )
        assert await table.lets_call(SHOP, "acme", only_known=False)
        assert SECRET.encode() not in b"".join((await state(kafka, topics.directory)).values())
        await acme.put("/v1/tenant/inbox-keys", json={"keys": []})
        await until(closed)
        assert not await table.lets_call(SHOP, "acme", only_known=False)


async def test_a_revoked_key_stops_working_where_the_topic_is_read(
    acme: httpx.AsyncClient, directory: Directory, relay: Relay, kafka: KafkaSettings, topics: Topics
) -> None:
    table = KeyTable()
    replica = Replica(
        settings=kafka,
        topic=topics.directory,
        apply=table.apply,
        health=Health(service="ingest"),
    )
    made = (await acme.post("/v1/api-keys", json={"scopes": ["send"]})).json()

    async def accepted() -> bool:
        return isinstance(table.find(f"Bearer {made['key']}"), Caller)

    async def refused() -> bool:
        return not await accepted()

    async with running(relay), running(replica):
        await until(accepted)
        await acme.delete(f"/v1/api-keys/{made['id']}")
        await until(refused, seconds=5)


async def test_a_change_that_becomes_visible_late_is_published_late(
    engine: AsyncEngine, directory: Directory, relay: Relay, kafka: KafkaSettings, topics: Topics
) -> None:
    async with running(relay):
        async with engine.begin() as slow:
            await slow.exec_driver_sql("INSERT INTO directory.tenants (id) VALUES ('slow')")
            await note_changed(slow, "tenant", "slow")
            async with engine.begin() as quick:
                await quick.exec_driver_sql("INSERT INTO directory.tenants (id) VALUES ('quick')")
                await note_changed(quick, "tenant", "quick")
            await published(directory)
            assert set(await state(kafka, topics.directory)) == {"tenant/quick"}
        await published(directory)
    assert set(await state(kafka, topics.directory)) == {"tenant/quick", "tenant/slow"}


async def test_republish_makes_the_topics_equal_the_database(
    *,
    acme: httpx.AsyncClient,
    directory: Directory,
    relay: Relay,
    kafka: KafkaSettings,
    topics: Topics,
    database_url: str,
) -> None:
    await fill(acme)
    async with running(relay):
        await published(directory)
        before = await state(kafka, topics.directory)
        await _spoil(kafka, topics)
        ran = await asyncio.to_thread(
            CliRunner().invoke,
            directory_command,
            ["republish", "--wait", "30"],
            env={
                "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
                "KAFKA_TOPIC_PREFIX": kafka.topic_prefix,
                "DATABASE_URL": database_url,
            },
        )
        assert (ran.exit_code, ran.stderr) == (0, "")
    assert await state(kafka, topics.directory) == before
    stops = await state(kafka, topics.stops)
    assert {key: decode_stop(value).version for key, value in stops.items()} == {
        "acme/a/b": 99,
        "acme/new": 4,
    }
    assert (await directory.version("a/b"), await directory.version("new")) == (99, 4)


async def _spoil(kafka: KafkaSettings, topics: Topics) -> None:
    """Topics as no release of ours leaves them: strangers, a loss, what cannot be read; and versions that the database lost."""
    stray = CategoryRecord(tenant="gone", key="stray")

    def version(number: int) -> bytes:
        return encode_stop(RecipientVersion(number, raised_at=1))

    spoiling = TransactionalProducer(
        settings=kafka, transactional_id="spoiler", group="test", limits=Limits({})
    )
    await spoiling.open()
    try:
        await spoiling.run(
            [
                ProducerRecord(topic=topics.directory, key=stray.record_key, value=encode(stray)),
                ProducerRecord(topic=topics.directory, key=b"workflow/acme/shipped", value=None),
                ProducerRecord(topic=topics.stops, key=b"acme/a/b", value=version(99)),
                ProducerRecord(topic=topics.stops, key=b"acme/new", value=version(4)),
                ProducerRecord(topic=topics.stops, key=b"gone/x/y", value=version(1)),
                ProducerRecord(topic=topics.stops, key=b"gone/z", value=b"not a version"),
            ],
            {},
        )
    finally:
        await spoiling.close()


async def test_what_is_too_large_holds_up_nothing(
    *,
    acme: httpx.AsyncClient,
    directory: Directory,
    relay: Relay,
    kafka: KafkaSettings,
    topics: Topics,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await acme.put("/v1/categories/orders", json={"name": "Orders"})
    await acme.put("/v1/workflows/shipped", json=FLOW)
    await acme.put("/v1/workflows/large", json=FLOW)
    schema = "jsonb_build_object('enum', jsonb_build_array(repeat('x', 3000000)))"
    await directory.rows(f"UPDATE directory.workflows SET data_schema = {schema} WHERE key = 'large'")
    before = _set_aside()
    async with running(relay):
        await published(directory)
    assert set(await state(kafka, topics.directory)) == {
        "category/acme/orders",
        "workflow/acme/shipped",
    }
    assert _set_aside() == before + 1
    assert "too large to publish" in caplog.text


def _set_aside() -> float:
    labels = {"component": "router", "entity": "workflow"}
    return REGISTRY.get_sample_value("tocsin_directory_set_aside_total", labels) or 0.0


async def test_many_large_entities_go_in_portions(
    acme: httpx.AsyncClient, directory: Directory, relay: Relay, kafka: KafkaSettings, topics: Topics
) -> None:
    await acme.put("/v1/categories/orders", json={"name": "Orders"})
    keys = [f"w{number}" for number in range(12)]
    for key in keys:
        await acme.put(f"/v1/workflows/{key}", json=FLOW)
    schema = "jsonb_build_object('enum', jsonb_build_array(repeat('x', 1000000)))"
    await directory.rows(f"UPDATE directory.workflows SET data_schema = {schema}")
    async with running(relay):
        await published(directory)
    assert {f"workflow/acme/{key}" for key in keys} < set(await state(kafka, topics.directory))


async def test_what_takes_rights_away_is_published_before_what_was_changed_earlier(
    acme: httpx.AsyncClient, directory: Directory, relay: Relay, kafka: KafkaSettings, topics: Topics
) -> None:
    await fill(acme)
    async with running(relay):
        await published(directory)
    order = [
        record.key.split(b"/")[0]
        async for records in read_to_end(settings=kafka, topic=topics.directory, deadline=30)
        for record in records
        if record.key is not None
    ]
    assert order[:2] == [b"inbox_keys", b"api_key"]
    assert order[2:] == [b"tenant", b"category", b"workflow", b"template"]
