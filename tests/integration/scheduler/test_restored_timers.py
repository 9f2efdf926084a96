"""The scheduler's database is lost and restored from a dump, while Kafka has gone on: each timer fires once."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.integration.restoring import dump, fresh_postgres, restore

from tocsin.database import Database, DatabaseSettings
from tocsin.dev.postgres import run_sql
from tocsin.runtime import Health
from tocsin.testing.until import until

from .conftest import Scheduling

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


async def test_what_has_fired_since_the_dump_does_not_fire_again_and_what_was_set_since_fires(
    scheduling: Scheduling, database_url: str, tmp_path: Path
) -> None:
    async def rows(count: int) -> None:
        async def are_there() -> bool:
            return await scheduling.rows() == count

        await until(are_there)

    member = await scheduling.member().start()
    await scheduling.set(*(scheduling.timer(number, hours=1 + number // 10) for number in range(20)))
    await rows(20)
    dump(database_url, "scheduler", tmp_path / "scheduler.dump")
    scheduling.clock.advance(hours=1)
    await rows(10)
    await scheduling.set(*(scheduling.timer(number, hours=3) for number in range(20, 30)))
    await rows(20)
    await member.leave()
    with fresh_postgres(tmp_path / "fresh") as url:
        run_sql(url, "CREATE SCHEMA scheduler")
        restore(url, "scheduler", tmp_path / "scheduler.dump")
        settings = DatabaseSettings(url=SecretStr(url))
        scheduling.database = Database(
            settings=settings, service="scheduler", check=Health().check("database")
        )
        await scheduling.database.open()
        assert await scheduling.rows() == 20
        member = await scheduling.member().start()
        await rows(20)
        scheduling.clock.advance(hours=3)
        await rows(0)
        assert await scheduling.written() == list(range(30))
        await member.leave()
        await scheduling.database.close()
