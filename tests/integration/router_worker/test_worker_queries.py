"""The worker's statements on a real PostgreSQL: claims with their window, facts in one query."""

import asyncio
from datetime import UTC, datetime

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import insert

from tocsin.contracts.ids import claim_key
from tocsin.contracts.recipients import ChatPlace, Device
from tocsin.router import tables
from tocsin.router.policy import Preference, StoredRecipient
from tocsin.router.worker.dedupe import Claim, Claims
from tocsin.router.worker.load import RecipientLoader
from tocsin.router.worker.table_sizes import TableSizes

CHANGED_AT = datetime(2025, 12, 1, 12, 30, 0, 123456, tzinfo=UTC)

pytestmark = pytest.mark.postgres

KEYS = [claim_key(tenant="acme", source="/shop", event_id=f"e{number}") for number in range(50)]


async def test_a_key_belongs_to_the_first_record(database):
    claims = Claims(database=database, window=60)
    a, b, c, d = Claim("a", 2**63 - 1), Claim("b", 1), Claim("c", -(2**63)), Claim("d", 0)
    assert await claims.claim([(KEYS[0], a), (KEYS[0], b), (KEYS[1], c)]) == {KEYS[0]: a, KEYS[1]: c}
    assert await claims.claim([(KEYS[0], d), (KEYS[2], d)]) == {KEYS[0]: a, KEYS[2]: d}
    assert await claims.claim([(KEYS[0], a)]) == {KEYS[0]: a}
    assert await claims.claim([]) == {}


async def test_after_the_window_it_may_be_claimed_again_and_is_deleted(database):
    await Claims(database=database, window=60).claim((key, Claim("old", 1)) for key in KEYS)
    later = Claims(database=database, window=0)
    new = Claim("new", 2)
    assert set((await later.claim((key, new) for key in KEYS[:10])).values()) == {new}
    assert await Claims(database=database, window=60).delete_expired(at_most=100) == 0
    assert await later.delete_expired(at_most=30) == 30
    assert await later.delete_expired(at_most=30) == 20


async def test_many_at_once_agree_on_one_owner(database):
    claims = Claims(database=database, window=60)
    answers = await asyncio.gather(
        *(
            claims.claim([(key, Claim(f"r{number}", number)) for key in KEYS[:: 1 if number % 2 else -1]])
            for number in range(8)
        )
    )
    for key in KEYS:
        assert len({answer[key] for answer in answers}) == 1


async def test_a_claim_that_had_to_wait_finds_whoever_was_first(database):
    claims = Claims(database=database, window=60)
    async with database.driver() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(
            "INSERT INTO directory.claims (key, record, data_hash) VALUES ($1, 'first', 1)", KEYS[1]
        )
        claiming = asyncio.create_task(claims.claim((key, Claim("second", 2)) for key in KEYS[:3]))
        async with database.driver() as looking:
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
            while not await looking.fetchval(waiting):
                assert not claiming.done()
        await transaction.commit()
    second = Claim("second", 2)
    assert await claiming == {KEYS[0]: second, KEYS[1]: Claim("first", 1), KEYS[2]: second}


async def test_facts_of_all_in_one_query(database):
    async with database.engine.begin() as db:
        await db.execute(insert(tables.tenants), [{"id": "acme"}, {"id": "other"}])
        await db.execute(
            insert(tables.recipients),
            [
                {
                    "tenant": "acme",
                    "id": "ann",
                    "email": "a@example.test",
                    "locale": "de",
                    "attributes": {"n": [1]},
                    "chats": [{"id": "team", "kind": "slack", "address": "C1"}],
                },
                {
                    "tenant": "other",
                    "id": "ann",
                    "email": "b@example.test",
                    "locale": None,
                    "attributes": {},
                    "chats": [],
                },
            ],
        )
        await db.execute(
            insert(tables.devices),
            [
                {"tenant": "acme", "recipient": "ann", "id": device, "token": f"t-{device}", "app": app}
                for device, app in (("d2", "shop"), ("d1", None))
            ],
        )
        await db.execute(
            insert(tables.preferences),
            [
                {
                    "tenant": "acme",
                    "recipient": "inline",
                    "channel": "sms",
                    "enabled": False,
                    "source": "one_click",
                    "changed_at": CHANGED_AT,
                }
            ],
        )
        await db.execute(
            insert(tables.recipient_versions), [{"tenant": "acme", "recipient": "inline", "version": 4}]
        )
    asked = [("acme", "ann"), ("other", "ann"), ("acme", "inline"), ("acme", "nobody")]
    stored = await RecipientLoader(database=database).load(asked)
    assert stored[asked[0]] == StoredRecipient(
        known=True,
        email="a@example.test",
        locale="de",
        attributes={"n": [1]},
        devices=(Device(id="d1", token="t-d1"), Device(id="d2", token="t-d2", app="shop")),
        chats=(ChatPlace(id="team", kind="slack", address="C1"),),
    )
    assert stored[asked[1]] == StoredRecipient(known=True, email="b@example.test")
    off = Preference("sms", "*", "*", False, "one_click", CHANGED_AT)
    assert stored[asked[2]] == StoredRecipient(version=4, preferences=(off,))
    assert stored[asked[3]] == StoredRecipient()
    assert await RecipientLoader(database=database).load([]) == {}


async def test_the_size_of_the_tables_is_shown(database, until):
    await Claims(database=database, window=60).claim((key, Claim("r", 1)) for key in KEYS)
    sizes = TableSizes(database=database)

    async def shown() -> bool:
        await sizes.look()
        return REGISTRY.get_sample_value("tocsin_table_rows", {"table": "claims"}) == len(KEYS)

    await until(shown)
