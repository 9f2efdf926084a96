"""How PostgreSQL reads for suppressions: by an index, whatever its statistics say of the tables."""

import pytest
from sqlalchemy import insert, text

from tocsin.router import tables
from tocsin.router.worker.load import CHANNEL_NAMES, QUERY, RecipientLoader
from tocsin.router.worker.suppressed import FIND, StoredSuppressions

pytestmark = pytest.mark.postgres

ROWS = 20_000


@pytest.fixture
async def crowded(database):
    """One tenant has suppressed very many addresses, all of one channel; another has none."""
    async with database.engine.begin() as db:
        await db.execute(insert(tables.tenants), [{"id": "acme"}, {"id": "other"}])
        many = "INSERT INTO directory.recipients (tenant, id, email) SELECT 'acme', 'r' || n, 'r' || n || '@example.test' FROM generate_series(1, :rows) n"
        await db.execute(text(many), {"rows": ROWS})
        many = (
            "INSERT INTO directory.suppressions (tenant, channel, address_hash, cause, source) "
            "SELECT 'acme', 'email', 'h1.' || n, 'bounce', 'provider' FROM generate_series(1, :rows) n"
        )
        await db.execute(text(many), {"rows": ROWS})
        await db.execute(text("ANALYZE directory.recipients, directory.suppressions"))


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
async def test_a_tenant_that_suppresses_nothing_does_not_read_what_others_have(database, crowded, plans):
    """By the statistics each row is acme's: without an order, the first match of a scan would be the cheapest guess."""
    people = [("other", f"r{number}") for number in range(500)]
    async with database.driver() as connection, connection.transaction():
        await connection.execute(f"SET LOCAL plan_cache_mode = {plans}")
        asked = ([tenant for tenant, _ in people], [who for _, who in people], CHANNEL_NAMES)
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {QUERY}", *asked))
    assert "Seq Scan on suppressions" not in plan
    facts = await RecipientLoader(database=database).load(people)
    assert {tuple(facts[who].suppressed_channels) for who in people} == {()}


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
async def test_a_large_batch_looks_up_its_own_addresses_alone(database, crowded, plans):
    """A thousand intents under two keys are 2,000 hashes: a scan of the whole table would look cheaper."""
    hashes = [f"h{number % 2}.{number}" for number in range(2_000)]
    asked = [("acme", "email", address_hash) for address_hash in hashes]
    async with database.driver() as connection, connection.transaction():
        await connection.execute(f"SET LOCAL plan_cache_mode = {plans}")
        columns = [list(column) for column in zip(*asked, strict=True)]
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {FIND}", *columns))
    assert "Seq Scan on suppressions" not in plan
    found = await StoredSuppressions(database=database).find(asked)
    assert set(found) == {key for key in asked[1:] if key[2].startswith("h1.")}


async def test_owners_are_found_by_the_index(database, crowded):
    """With many recipients, the statement reads no more than it must."""
    async with database.engine.begin() as db:
        plan = await db.execute(
            text(
                "EXPLAIN SELECT id FROM directory.recipients WHERE tenant = 'acme' AND lower(email) IN "
                "(SELECT lower(address) FROM unnest(CAST('{a@b.test,c@d.test}' AS text[])) AS address)"
            )
        )
        assert "ix_recipients_email" in "\n".join(plan.scalars())
