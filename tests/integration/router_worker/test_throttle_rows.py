"""The statement behind a workflow's own limit, on a real PostgreSQL: its window, its re-runs, and many who ask at once."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from tests.unit.router_worker.test_throttle_window import Model

from tocsin.contracts.ids import throttle_key
from tocsin.database import Database, DatabaseSettings
from tocsin.router.migrations import MIGRATIONS
from tocsin.router.worker.throttle import ThrottleAsked, Throttles
from tocsin.runtime import Health

pytestmark = pytest.mark.postgres

KEY, OTHER = (throttle_key(tenant="acme", workflow="w", recipient=who, test=False) for who in ("ann", "bob"))
NOW = datetime.now(UTC)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(
        settings=DatabaseSettings(url=SecretStr(database_url)),
        service="test",
        check=Health(service="test").check("database"),
        migrations=MIGRATIONS,
    )
    await MIGRATIONS.upgrade(database.engine)
    yield database
    await database.close()


@pytest.fixture
def throttles(database: Database) -> Throttles:
    return Throttles(database=database)


def asked(
    number: int, at: float = 0, *, key: bytes = KEY, limit: int = 3, seconds: int = 60
) -> ThrottleAsked:
    return ThrottleAsked(key, str(UUID(int=number)), NOW + timedelta(seconds=at), limit, seconds)


async def let_in(throttles: Throttles, *wanted: ThrottleAsked) -> list[int]:
    return sorted(UUID(each).int for each in await throttles.ask(wanted))


class Models:
    """A model for each key."""

    def __init__(self) -> None:
        self._models: dict[bytes, Model] = {}

    def of(self, key: bytes) -> Model:
        return self._models.setdefault(key, Model())


async def test_the_first_are_let_in_and_a_re_run_changes_nothing(throttles: Throttles) -> None:
    batch = [asked(number, number) for number in range(1, 6)]
    assert await let_in(throttles, *batch) == [1, 2, 3]
    assert await let_in(throttles, *batch) == [1, 2, 3]
    assert await let_in(throttles, *batch[3:], *batch[:2]) == [1, 2]
    assert await let_in(throttles, asked(6, 6)) == []


async def test_who_is_out_of_the_window_makes_room(throttles: Throttles) -> None:
    assert await let_in(throttles, asked(1), asked(2, 30), asked(3, 30)) == [1, 2, 3]
    assert await let_in(throttles, asked(4, 59)) == []
    assert await let_in(throttles, asked(5, 61), asked(6, 61)) == [5]
    assert await let_in(throttles, asked(7, 91), asked(8, 91), asked(9, 91)) == [7, 8]


async def test_each_key_has_its_own_and_a_changed_limit_holds_at_once(throttles: Throttles) -> None:
    assert await let_in(
        throttles, *(asked(number, limit=1) for number in (1, 2)), asked(3, key=OTHER, limit=1)
    ) == [1, 3]
    assert await let_in(throttles, asked(4, 1, limit=2)) == [4]
    assert await let_in(throttles, asked(5, 2, limit=1)) == []


async def test_many_at_once_let_in_no_more_than_the_limit(throttles: Throttles) -> None:
    keys = (KEY, OTHER)
    batches = [
        [asked(100 * batch + number, key=keys[number % 2], limit=5) for number in range(10)]
        for batch in range(1, 9)
    ]
    answers = await asyncio.gather(*(throttles.ask(batch) for batch in batches))
    assert sum(map(len, answers)) == 10
    assert [await throttles.ask(batch) for batch in batches] == list(answers)


async def test_a_batch_may_span_more_than_a_window(throttles: Throttles) -> None:
    batch = [asked(number, at, limit=1) for number, at in enumerate((0, 30, 61, 100, 130), start=1)]
    assert await let_in(throttles, *batch) == [1, 3, 5]
    assert await let_in(throttles, *batch) == [1, 3, 5]


async def test_it_answers_as_the_model_does(throttles: Throttles) -> None:
    """What the row holds between two batches is what the function was given: many keys, many batches, each of them run twice."""
    chosen = random.Random(7)
    keys = [throttle_key(tenant="acme", workflow="w", recipient=f"r{n}", test=False) for n in range(8)]
    model = Models()
    for number in range(40):
        batch = [
            asked(100 * number + n, 40 * number + chosen.randrange(60), key=chosen.choice(keys), limit=2)
            for n in range(20)
        ]
        for _ in range(2):
            answers = await throttles.ask(batch)
        assert set(answers) == set().union(
            *(model.of(key).ask([each for each in batch if each.key == key]) for key in keys)
        )


async def test_a_backlog_of_hours_is_counted_like_what_comes_now(throttles: Throttles) -> None:
    assert await let_in(throttles, asked(1, -7200, limit=1)) == [1]
    assert await throttles.delete_expired(at_most=10) == 0
    assert await let_in(throttles, asked(2, -7190, limit=1)) == []


async def test_rows_that_nobody_asks_for_are_deleted(throttles: Throttles, database: Database) -> None:
    await throttles.ask([asked(1), asked(2, key=OTHER)])
    async with database.engine.begin() as db:
        past = text("UPDATE directory.throttles SET ends_at = now() - interval '1 second' WHERE key = :key")
        await db.execute(past, {"key": KEY})
    assert await throttles.delete_expired(at_most=10) == 1
    assert await throttles.delete_expired(at_most=10) == 0
