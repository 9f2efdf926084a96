"""The database component and the migrations, on a real PostgreSQL."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InterfaceError

from tocsin.database import Database, DatabaseSettings, Migrations, MigrationsMissing, create_engine, migrate
from tocsin.runtime import Health, OperatorError

pytestmark = pytest.mark.postgres

FIRST = '''"""things"""
from alembic import op
revision = "0001"
down_revision = None
def upgrade():
    op.execute("CREATE TABLE thing (id int primary key, data jsonb)")
'''
SECOND = '''"""names of things"""
from alembic import op
revision = "0002"
down_revision = "0001"
def upgrade():
    op.execute("ALTER TABLE thing ADD COLUMN name text")
'''
BROKEN = '''"""more"""
from alembic import op
revision = "0003"
down_revision = "0002"
def upgrade():
    op.execute("CREATE TABLE half ()")
    op.execute("ALTER TABLE nowhere ADD COLUMN name text")
'''


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The versions folder of an importable package `migrated_service`, with one migration."""
    package = tmp_path / "a folder" / "migrated_service"
    folder = package / "migrations" / "versions"
    folder.mkdir(parents=True)
    (package / "__init__.py").touch()
    (folder / "0001_things.py").write_text(FIRST)
    monkeypatch.syspath_prepend(package.parent)
    yield folder
    sys.modules.pop("migrated_service", None)


@pytest.fixture
def migrations() -> Migrations:
    return Migrations(package="migrated_service", schema="things", command="tocsin migrate")


@pytest.fixture
def settings(database_url: str) -> DatabaseSettings:
    return DatabaseSettings(url=SecretStr(database_url))


async def tables(settings: DatabaseSettings) -> set[str]:
    engine = create_engine(settings, application="test")
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'things'"))
        names = {row[0] for row in rows}
    await engine.dispose()
    return names


async def test_applies_what_is_missing_once(
    settings: DatabaseSettings, versions: Path, migrations: Migrations
) -> None:
    engine = create_engine(settings, application="test")
    assert await migrations.pending(engine) == ["0001 things"]
    assert await migrations.upgrade(engine) == ["0001 things"]
    assert await migrations.upgrade(engine) == []
    (versions / "0002_names.py").write_text(SECOND)
    assert await migrations.pending(engine) == ["0002 names of things"]
    assert await migrations.upgrade(engine) == ["0002 names of things"]
    assert await tables(settings) == {"thing", "schema_version"}
    await engine.dispose()


async def test_two_runs_at_once_apply_each_migration_once(
    settings: DatabaseSettings, versions: Path, migrations: Migrations
) -> None:
    (versions / "0002_names.py").write_text(SECOND)
    engines = [create_engine(settings, application="test") for _ in range(4)]
    applied = await asyncio.gather(*(migrations.upgrade(engine) for engine in engines))
    assert sorted(migration for each in applied for migration in each) == [
        "0001 things",
        "0002 names of things",
    ]
    for engine in engines:
        await engine.dispose()


async def test_a_failed_migration_leaves_nothing(
    settings: DatabaseSettings, versions: Path, migrations: Migrations
) -> None:
    engine = create_engine(settings, application="test")
    (versions / "0002_names.py").write_text(SECOND)
    (versions / "0003_more.py").write_text(BROKEN)
    with pytest.raises(Exception, match="nowhere"):
        await migrations.upgrade(engine)
    assert await tables(settings) == set()
    await engine.dispose()


async def test_a_schema_newer_than_the_code_lacks_nothing(
    settings: DatabaseSettings, versions: Path, migrations: Migrations
) -> None:
    engine = create_engine(settings, application="test")
    (versions / "0002_names.py").write_text(SECOND)
    await migrations.upgrade(engine)
    (versions / "0002_names.py").unlink()
    assert await migrations.pending(engine) == []
    await engine.dispose()


async def test_refuses_to_start_without_its_migrations_and_names_the_command(
    settings: DatabaseSettings, versions: Path, migrations: Migrations
) -> None:
    check = Health().check("database")
    database = Database(settings=settings, service="router", check=check, migrations=migrations)
    with pytest.raises(
        MigrationsMissing, match=r"Schema things lacks a migration \(0001 things\): run `tocsin migrate`"
    ):
        await database.open()
    assert not check.is_ready
    await migrations.upgrade(database.engine)
    await database.open()
    assert check.reason is None
    await database.close()


async def test_reads_and_writes_json_and_copies_through_the_driver(
    settings: DatabaseSettings, versions: Path, migrations: Migrations
) -> None:
    database = Database(settings=settings, service="router", check=Health().check("database"))
    await database.open()
    await migrations.upgrade(database.engine)
    async with database.driver() as driver:
        await driver.copy_records_to_table(
            "thing", schema_name="things", records=[(1, '{"a": [1, "ü"]}')], columns=["id", "data"]
        )
    async with database.engine.connect() as connection:
        row = (
            await connection.execute(
                text(
                    "SELECT data, current_setting('statement_timeout'), current_setting('tcp_keepalives_idle') FROM things.thing"
                )
            )
        ).one()
    assert tuple(row) == ({"a": [1, "ü"]}, "30s", "10")
    await database.close()


async def test_waits_for_a_database_that_is_not_there_yet_and_says_so(
    settings: DatabaseSettings, postgres_server: str
) -> None:
    url = make_url(settings.url.get_secret_value())
    elsewhere = url.set(database="not_made_yet").render_as_string(hide_password=False)
    check = Health().check("database")
    database = Database(settings=DatabaseSettings(url=SecretStr(elsewhere)), service="router", check=check)
    opening = asyncio.create_task(database.open())
    await until(lambda: "waiting for PostgreSQL" in (check.reason or ""))
    assert "not_made_yet" in (check.reason or "")
    opening.cancel()
    await asyncio.wait([opening])
    await database.close()


async def test_notices_when_the_database_goes_and_comes_back(
    settings: DatabaseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.database.engine.PROBE_PERIOD", 0.01)
    check = Health().check("database")
    database = Database(settings=settings, service="router", check=check)
    await database.open()
    stop = asyncio.Event()
    running = asyncio.create_task(database.run(stop))
    with monkeypatch.context() as patch:
        patch.setattr("tocsin.database.engine.reach", refuse)
        await until(lambda: "does not answer: ConnectionRefusedError: no" in (check.reason or ""))
    await until(lambda: check.is_ready)
    stop.set()
    await running
    await database.close()


async def until(holds: Callable[[], bool]) -> None:
    """Return once the condition holds; the test's own time limit is the bound."""
    while not holds():  # noqa: ASYNC110 - what changes it has no event to wait on
        await asyncio.sleep(0.01)


async def refuse(*_arguments: object) -> None:
    raise ConnectionRefusedError("no")


async def test_a_refused_login_needs_a_person(settings: DatabaseSettings) -> None:
    url = make_url(settings.url.get_secret_value())
    wrong = url.set(username="nobody", password="wrong").render_as_string(hide_password=False)
    database = Database(
        settings=DatabaseSettings(url=SecretStr(wrong)), service="router", check=Health().check("database")
    )
    with pytest.raises(OperatorError, match="refuses the login: correct the user in DATABASE_URL"):
        await database.open()
    await database.close()


def test_the_command_waits_applies_and_prints(
    database_url: str,
    versions: Path,
    migrations: Migrations,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert migrate(migrations) == 0
    assert migrate(migrations) == 0
    assert (
        capsys.readouterr().out
        == "applied 0001 things\nSchema things is up to date.\nSchema things is up to date.\n"
    )


async def test_who_waits_for_a_connection_is_counted(settings: DatabaseSettings) -> None:
    """By a number that SQLAlchemy does not tell: an upgrade may move it."""

    def waiting() -> float | None:
        return REGISTRY.get_sample_value("tocsin_database_waiters", {"component": "waits"})

    one = settings.model_copy(update={"pool_size": 1})
    database = Database(settings=one, service="waits", check=Health(service="waits").check("database"))
    assert waiting() == 0
    async with database.engine.connect():
        others = [asyncio.create_task(database.engine.connect().start()) for _ in range(2)]
        await until(lambda: waiting() == 2)
    await (await others[0]).close()
    await (await others[1]).close()
    assert waiting() == 0
    await database.close()


async def test_what_ends_the_engines_first_connection_is_said_as_it_is(database_url):
    """SQLAlchemy asks the first connection of an engine for its settings, over one that has less than later ones."""
    engine = create_engine(DatabaseSettings(url=SecretStr(database_url)), application="test")

    @event.listens_for(engine.sync_engine, "do_execute")
    def gone(_cursor: object, _statement: str, _parameters: object, _context: object) -> None:
        raise engine.dialect.loaded_dbapi.InterfaceError("the session was ended", None)

    with pytest.raises(InterfaceError, match="the session was ended"):
        await engine.connect()
    await engine.dispose()
