"""Rows and positions on a real PostgreSQL: together, once, by day."""

import asyncio
from datetime import date, datetime, timedelta
from types import NoneType
from typing import Any, get_args, get_type_hints

import asyncpg
import msgspec
import pytest
from prometheus_client import REGISTRY

from tocsin.contracts.dead_letters import DeadLetter, truncate_to_fit
from tocsin.contracts.statuses import Status
from tocsin.kafka import ConsumptionStopped, OwnershipLost
from tocsin.ledger.tables import DEAD_LETTERS, STATUSES, Table
from tocsin.testing.stage import HoldAt

pytestmark = pytest.mark.postgres

TYPES = {bool: "boolean", int: "integer", datetime: "timestamp with time zone"}
COUNT = "SELECT count(*) FROM ledger.statuses"
POSITION = "SELECT next_offset FROM ledger.positions"


async def test_rows_and_position_are_stored_together(
    ledger_database: Any, statuses_of: Any, log: Any
) -> None:
    table, first, second = ledger_database.table(), log(0), log(1)
    records = [first.status(status) for status in statuses_of("ann", "email", "sms")]
    others = [second.status(status) for status in statuses_of("bob", "email")]
    assert await table.load_positions([first.partition, second.partition]) == {}
    await table.apply([first.batch(*records, expected=None), second.batch(*others, expected=None)])
    assert await ledger_database.rows(COUNT) == [(5,)]
    assert await table.load_positions([first.partition, second.partition]) == {
        first.partition: 3,
        second.partition: 2,
    }


async def test_a_replay_makes_the_same_rows(ledger_database: Any, statuses_of: Any, log: Any) -> None:
    table, partition = ledger_database.table(), log()
    records = [partition.status(status) for status in statuses_of("ann", "email")]
    await table.apply([partition.batch(*records, expected=None)])
    before = await ledger_database.rows("SELECT * FROM ledger.statuses ORDER BY kafka_offset")
    await ledger_database.rows("SELECT 1")
    async with ledger_database.database.driver() as connection:
        await connection.execute("UPDATE ledger.positions SET next_offset = 0")
    await table.apply([partition.batch(*records, expected=0)])
    assert await ledger_database.rows("SELECT * FROM ledger.statuses ORDER BY kafka_offset") == before


async def test_of_a_batch_with_rows_that_stand_the_new_ones_are_stored(
    ledger_database: Any, statuses_of: Any, log: Any
) -> None:
    """A status may come again: from a dispatcher that died before its commit, or twice in one batch."""
    table, partition = ledger_database.table(), log()
    known, new = statuses_of("ann", "email"), statuses_of("bob", "email", "sms")
    await table.apply([partition.batch(*(partition.status(status) for status in known), expected=None)])
    before = counted("written"), counted("repeated")
    again = [partition.status(status) for status in (*known, *new, new[-1])]
    await table.apply([partition.batch(*again, expected=len(known))])
    assert (counted("written"), counted("repeated")) == (before[0] + len(new), before[1] + len(known) + 1)
    stored = await ledger_database.rows("SELECT status_id::text FROM ledger.statuses ORDER BY kafka_offset")
    assert [status_id for (status_id,) in stored] == [status.status_id for status in (*known, *new)]
    assert await ledger_database.rows(POSITION) == [(len(known) + len(again),)]


def counted(result: str) -> float:
    labels = {"component": "ledger", "lane": "bulk", "outcome": result}
    return REGISTRY.get_sample_value("tocsin_processed_messages_total", labels) or 0.0


async def test_of_two_owners_one_stores(ledger_database: Any, statuses_of: Any, log: Any) -> None:
    partition = log()
    first = [partition.status(status) for status in statuses_of("ann", "email")]
    await ledger_database.table().apply([partition.batch(*first, expected=None)])
    second = [partition.status(status) for status in statuses_of("bob", "email")]
    batch = partition.batch(*second, expected=2)
    ends = await asyncio.gather(
        ledger_database.table().apply([batch]), ledger_database.table().apply([batch]), return_exceptions=True
    )
    assert sorted(type(end).__name__ for end in ends) == ["NoneType", "OwnershipLost"]
    assert await ledger_database.rows(COUNT) == [(4,)]
    assert await ledger_database.rows(POSITION) == [(4,)]


async def test_a_first_batch_is_raced_for_as_well(ledger_database: Any, statuses_of: Any, log: Any) -> None:
    partition = log()
    batch = partition.batch(*(partition.status(status) for status in statuses_of("ann")), expected=None)
    ends = await asyncio.gather(
        ledger_database.table().apply([batch]), ledger_database.table().apply([batch]), return_exceptions=True
    )
    assert sorted(type(end).__name__ for end in ends) == ["NoneType", "OwnershipLost"]


async def test_a_loser_in_one_partition_stores_nothing_in_any(
    ledger_database: Any, statuses_of: Any, log: Any
) -> None:
    first, second = log(0), log(1)
    mine = [first.status(status) for status in statuses_of("ann")]
    others = [second.status(status) for status in statuses_of("bob")]
    await ledger_database.table().apply([second.batch(*others, expected=None)])
    with pytest.raises(OwnershipLost):
        await ledger_database.table().apply(
            [first.batch(*mine, expected=None), second.batch(*others, expected=0)]
        )
    assert await ledger_database.rows(COUNT) == [(1,)]
    assert await ledger_database.table().load_positions([first.partition]) == {}


async def test_what_fails_before_the_commit_leaves_nothing(
    ledger_database: Any, statuses_of: Any, log: Any
) -> None:
    partition = log()
    batch = partition.batch(
        *(partition.status(status) for status in statuses_of("ann", "email")), expected=None
    )
    with pytest.raises(RuntimeError):
        await ledger_database.table(
            failpoints=HoldAt("before_rows_commit", error=RuntimeError("the power went"))
        ).apply([batch])
    assert await ledger_database.rows(COUNT) == [(0,)]
    assert await ledger_database.rows(POSITION) == []
    await ledger_database.table().apply([batch])
    assert await ledger_database.rows(COUNT) == [(2,)]


def many(statuses_of: Any, partition: Any, *, expected: int | None) -> Any:
    """A batch of 3,000 records: PostgreSQL has taken rows of it before the last ones are made."""
    statuses = [status for number in range(1_500) for status in statuses_of(f"user-{number}", "email")]
    return partition.batch(*(partition.status(status) for status in statuses), expected=expected)


class HoldAmidRows(HoldAt):
    """Holds when half of these rows were sent, or raises then."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__("while_rows_are_copied", error)
        self._slices = 0

    async def reach(self, name: str) -> None:
        self._slices += name == self.place
        if self._slices >= 8:
            await super().reach(name)


async def test_what_fails_while_rows_are_copied_leaves_nothing(
    ledger_database: Any, statuses_of: Any, log: Any
) -> None:
    batch = many(statuses_of, log(), expected=None)
    with pytest.raises(RuntimeError):
        await ledger_database.table(failpoints=HoldAmidRows(RuntimeError("the power went"))).apply([batch])
    assert (await ledger_database.rows(COUNT), await ledger_database.rows(POSITION)) == ([(0,)], [])
    await ledger_database.table().apply([batch])
    assert (await ledger_database.rows(COUNT), await ledger_database.rows(POSITION)) == (
        [(3_000,)],
        [(3_000,)],
    )


async def test_what_is_cancelled_while_rows_are_copied_leaves_nothing(
    ledger_database: Any, statuses_of: Any, log: Any
) -> None:
    held, batch = HoldAmidRows(), many(statuses_of, log(), expected=None)
    storing = asyncio.create_task(ledger_database.table(failpoints=held).apply([batch]))
    await held.reached.wait()
    storing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await storing
    assert (await ledger_database.rows(COUNT), await ledger_database.rows(POSITION)) == ([(0,)], [])
    await ledger_database.table().apply([batch])
    assert (await ledger_database.rows(COUNT), await ledger_database.rows(POSITION)) == (
        [(3_000,)],
        [(3_000,)],
    )


async def test_who_dies_while_rows_are_copied_is_followed_by_the_one_that_waits(
    ledger_database: Any, statuses_of: Any, log: Any
) -> None:
    held, batch = HoldAmidRows(), many(statuses_of, log(), expected=None)
    dying = asyncio.create_task(ledger_database.table(failpoints=held).apply([batch]))
    await held.reached.wait()
    following = asyncio.create_task(ledger_database.table().apply([batch]))
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY %' AND datname = current_database()"
    assert await ledger_database.rows(ended) == [(True,)]
    await following
    held.open.set()
    with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        await dying
    assert (await ledger_database.rows(COUNT), await ledger_database.rows(POSITION)) == (
        [(3_000,)],
        [(3_000,)],
    )


async def test_a_row_that_stands_stops_no_long_batch(
    ledger_database: Any, statuses_of: Any, log: Any
) -> None:
    """PostgreSQL says so while rows are still sent."""
    partition = log()
    (known, _) = statuses_of("user-0", "email")
    await ledger_database.table().apply([partition.batch(partition.status(known), expected=None)])
    before = counted("written"), counted("repeated")
    await ledger_database.table().apply([many(statuses_of, partition, expected=1)])
    assert (counted("written"), counted("repeated")) == (before[0] + 2_999, before[1] + 1)
    assert (await ledger_database.rows(COUNT), await ledger_database.rows(POSITION)) == (
        [(3_000,)],
        [(3_001,)],
    )


async def test_records_lie_in_the_day_of_the_brokers_clock(
    ledger_database: Any, statuses_of: Any, log: Any
) -> None:
    partition = log()
    statuses = statuses_of("ann", "email", "sms")
    days = [ledger_database.clock.now() + timedelta(days=days) for days in (-40, -1, 5)]
    records = [partition.status(status, at=at) for status, at in zip(statuses, days, strict=True)]
    await ledger_database.table().apply([partition.batch(*records, expected=None)])
    rows = await ledger_database.rows(
        "SELECT day, tableoid::regclass::text FROM ledger.statuses ORDER BY day"
    )
    assert rows == [(at.date(), f"ledger.statuses_{at:%Y%m%d}") for at in days]


async def test_days_are_made_ahead_and_dropped_when_old(
    ledger_database: Any, statuses_of: Any, log: Any
) -> None:
    await ledger_database.days.open()
    partition = log()
    old, kept = (
        ledger_database.clock.now() - timedelta(days=31),
        ledger_database.clock.now() - timedelta(days=30),
    )
    records = [
        partition.status(status, at=at)
        for status, at in zip(statuses_of("ann", "email"), (old, kept), strict=False)
    ]
    await ledger_database.table().apply([partition.batch(*records, expected=None)])
    assert await ledger_database.days.drop_old() == [f"dead_letters_{old:%Y%m%d}", f"statuses_{old:%Y%m%d}"]
    assert await ledger_database.rows("SELECT day FROM ledger.statuses") == [(kept.date(),)]
    names = {
        row[0]
        for row in await ledger_database.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'ledger'")
    }
    assert {f"statuses_{date(2026, 3, day):%Y%m%d}" for day in (1, 2, 3)} <= names


async def test_days_may_be_made_by_all_at_once(ledger_database: Any) -> None:
    await asyncio.gather(
        *(
            type(ledger_database)(ledger_database.database, ledger_database.clock).days.open()
            for _ in range(6)
        )
    )


async def test_what_is_no_status_is_kept_apart(ledger_database: Any, statuses_of: Any, log: Any) -> None:
    partition = log()
    records = [partition.status(statuses_of("ann")[0]), partition.record(b"\xff\x00"), partition.record(None)]
    await ledger_database.table().apply([partition.batch(*records, expected=None)])
    assert await ledger_database.rows(COUNT) == [(1,)]
    rows = await ledger_database.rows(
        "SELECT origin, value, service, kind, reason FROM ledger.dead_letters ORDER BY kafka_offset"
    )
    assert rows == [
        ("status.bulk/0/1", b"\xff\x00", "ledger", "status", "record_unreadable"),
        ("status.bulk/0/2", None, "ledger", "status", "record_unreadable"),
    ]
    assert await ledger_database.table().load_positions([partition.partition]) == {partition.partition: 3}


async def test_too_much_that_is_no_status_stops(ledger_database: Any, log: Any) -> None:
    partition = log()
    with pytest.raises(ConsumptionStopped):
        await ledger_database.table().apply(
            [partition.batch(*(partition.record(b"x") for _ in range(20)), expected=None)]
        )
    assert await ledger_database.table().load_positions([partition.partition]) == {}


async def test_dead_letters_are_kept_whole(ledger_database: Any, log: Any) -> None:
    dead = log(topic="dead.router")
    letter = DeadLetter(
        service="router",
        reason="data_invalid",
        detail="d",
        origin="e/0/7",
        at=ledger_database.clock.now(),
        tenant="acme",
    )
    record = dead.record(b"\x00{", headers=tuple(letter.headers()))
    await ledger_database.table("ledger.dead").apply([dead.batch(record, expected=None)])
    rows = await ledger_database.rows("SELECT origin, tenant, reason, key, value FROM ledger.dead_letters")
    assert rows == [("e/0/7", "acme", "data_invalid", b"k", b"\x00{")]


async def test_what_a_dead_letter_left_out_outlives_its_topic(ledger_database: Any, log: Any) -> None:
    dead = log(topic="dead.router")
    letter = DeadLetter(
        service="router", reason="data_too_large", detail="d", origin="e/0/8", at=ledger_database.clock.now()
    )
    key, headers = b"k" * 5_000, (("ce_id", b"h" * 6_000),)
    rest = truncate_to_fit(letter, key=key, value=b"{}", headers=headers, largest=4_000)
    record = dead.record(rest.value, key=rest.key, headers=rest.headers)
    await ledger_database.table("ledger.dead").apply([dead.batch(record, expected=None)])
    names = ", ".join(DeadLetter.__struct_fields__)
    assert await ledger_database.rows(f"SELECT {names} FROM ledger.dead_letters") == [
        msgspec.structs.astuple(letter)
    ]
    assert (letter.original_key_bytes, letter.original_headers_bytes) == (5_000, 6_005)


async def test_a_release_that_does_not_know_the_new_columns_goes_on(ledger_database: Any, log: Any) -> None:
    """Migrations run before the processes of the release before are replaced."""
    async with ledger_database.database.driver() as connection:
        await connection.execute("ALTER TABLE ledger.dead_letters ADD COLUMN later text NOT NULL DEFAULT ''")
    dead = log(topic="dead.router")
    letter = DeadLetter(
        service="router", reason="data_invalid", detail="d", origin="e/0/9", at=ledger_database.clock.now()
    )
    record = dead.record(b"{", headers=tuple(letter.headers()))
    await ledger_database.table("ledger.dead").apply([dead.batch(record, expected=None)])
    assert await ledger_database.rows("SELECT origin, later FROM ledger.dead_letters") == [("e/0/9", "")]


@pytest.mark.parametrize("table", [STATUSES, DEAD_LETTERS], ids=lambda table: table.name)
async def test_the_migrated_tables_have_a_column_for_each_field(ledger_database: Any, table: Table) -> None:
    migrated = await ledger_database.rows(
        f"SELECT column_name FROM information_schema.columns WHERE table_schema = 'ledger' AND table_name = '{table.name}'"
    )
    assert {name for (name,) in migrated} - {"number"} == set(table.columns)  # PostgreSQL gives the number


async def test_the_columns_have_the_types_of_the_fields(ledger_database: Any) -> None:
    migrated = await ledger_database.rows(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_schema = 'ledger' AND table_name = 'statuses'"
    )
    columns = {name: (data_type, nullable == "YES") for name, data_type, nullable in migrated}
    ids = {"status_id", "notification_id", "delivery_id"}
    types = get_type_hints(Status)
    for field in msgspec.structs.fields(Status):
        if field.name == "version":
            continue
        (python_type,) = set(get_args(types[field.name]) or (types[field.name],)) - {NoneType}
        expected = "uuid" if field.name in ids else TYPES.get(python_type, "text")
        may_be_null = (
            field.default is None or field.default_factory is list
        )  # an empty list is stored as none
        assert columns[field.name] == (expected, may_be_null), field.name
