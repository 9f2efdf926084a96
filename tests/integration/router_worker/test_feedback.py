"""What a provider says of a token concerns that token, not the one that stands there by now."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.contracts.codec import encode
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.statuses import status_of
from tocsin.contracts.vocabulary import Channel, Lane, Reason, StatusName
from tocsin.kafka import ProducerRecord
from tocsin.router import tables
from tocsin.router.address_hashes import AddressHashes
from tocsin.router.secret_keys import SecretKey
from tocsin.router.worker.feedback import Feedback
from tocsin.testing.jobs import job_for

OLD, NEW = SecretKey("old", "o" * 32), SecretKey("h1", "h" * 32)
HASHES = AddressHashes([NEW, OLD])
RECIPIENT = (tables.recipients.c.tenant == "acme", tables.recipients.c.id == "p0")
P0 = (tables.devices.c.tenant == "acme", tables.devices.c.recipient == "p0")


@pytest.fixture
async def token(site) -> str:
    """The token of the one device of p0."""
    async with site.database.engine.connect() as db:
        return str((await db.execute(select(tables.devices.c.token).where(*P0))).scalar_one())


@pytest.fixture
def feedback(site) -> Feedback:
    return Feedback(lane=Lane.BULK, database=site.database, hashes=HASHES)


async def devices(site) -> dict[str, str]:
    async with site.database.engine.connect() as db:
        rows = await db.execute(select(tables.devices.c.id, tables.devices.c.token).where(*P0))
    return {row.id: row.token for row in rows}


async def begin_change(db: AsyncConnection) -> None:
    """As the API does before it reads the devices that it is about to change."""
    await db.execute(select(tables.recipients.c.id).where(*RECIPIENT).with_for_update())


async def change_token(db: AsyncConnection, to: str) -> None:
    """As the API does when an app has a new token."""
    await db.execute(update(tables.devices).where(*P0).values(token=to, updated_at=datetime.now(UTC)))


async def test_the_token_that_was_refused_is_removed_whichever_key_hashed_it(site, feedback, token):
    (device,) = await devices(site)
    async with site.database.engine.begin() as db:
        key = {"tenant": "acme", "recipient": "p0", "id": "second"}
        await db.execute(insert(tables.devices).values(**key, token="t2"))
    assert await feedback.forget_device("acme", "p0", device, address_hash=HASHES.of(token))
    assert not await feedback.forget_device("acme", "p0", device, address_hash=HASHES.of(token))
    assert await feedback.forget_device("acme", "p0", "second", address_hash=AddressHashes([OLD]).of("t2"))
    assert await devices(site) == {}


async def test_a_registration_after_the_provider_knew_wins(site, feedback, token):
    """The app was installed again and got its token back: APNs says since when it had been gone."""
    (device,) = await devices(site)
    async with site.database.engine.connect() as db:
        registered = (await db.execute(select(tables.devices.c.updated_at).where(*P0))).scalar_one()
    told = {"address_hash": HASHES.of(token)}
    before, after = registered - timedelta(seconds=1), registered + timedelta(seconds=1)
    assert not await feedback.forget_device("acme", "p0", device, gone_since=before, **told)
    assert await feedback.forget_device("acme", "p0", device, gone_since=after, **told)
    assert await devices(site) == {}


async def test_a_registration_under_way_is_waited_for_and_wins(site, feedback, token):
    """Also while it has read the devices and written nothing yet: it relies on what it read."""
    (device,) = await devices(site)
    async with site.database.engine.connect() as db:
        transaction = await db.begin()
        await begin_change(db)
        told = asyncio.create_task(
            feedback.forget_device("acme", "p0", device, address_hash=HASHES.of(token))
        )
        async with site.database.engine.connect() as observer:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            while not told.done() and (await observer.scalar(text(waiting))) == 0:
                await observer.rollback()
        assert not told.done()
        await change_token(db, "fresh")
        await transaction.commit()
    assert not await told
    assert await devices(site) == {device: "fresh"}


async def test_a_new_token_does_not_die_with_the_old_one(site, until, token):
    """The status is younger than the registration: what decides is which token it speaks of."""
    (device,) = await devices(site)
    async with site.database.engine.begin() as db:
        key = {"tenant": "acme", "recipient": "p0", "id": "zz-old"}
        await db.execute(insert(tables.devices).values(**key, token="gone-too"))
        await db.execute(
            update(tables.devices).where(*P0, tables.devices.c.id == device).values(token="fresh")
        )
    worker = await site.worker()
    gone = [(device, token), ("zz-old", "gone-too")]
    for position, (address_key, refused) in enumerate(gone):
        job = job_for(
            Channel.PUSH,
            recipient="p0",
            delivery_id=f"d{position}",
            address_key=address_key,
            address_hash=HASHES.of(refused),
        )
        status = status_of(
            StatusName.FAILED, job, lane=job.lane, cause=f"jobs/0/{position}", at=datetime.now(UTC),
            reason=Reason.DEVICE_GONE,
        )  # fmt: skip
        topic = site.topics.status(Lane.TRANSACTIONAL)
        await site.publish(ProducerRecord(topic, recipient_key("acme", "p0"), encode(status)))

    async def second_removed() -> bool:
        return "zz-old" not in await devices(site)

    await until(second_removed)
    await worker.leave()
    assert await devices(site) == {device: "fresh"}
