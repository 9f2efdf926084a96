"""Migrations by Alembic, for one service's schema, without an `alembic.ini` or `env.py`.

A service keeps `migrations/versions/<number>_<what>.py` in its package and one `Migrations` object. The version table lies
in the schema itself. All that is missing is applied in one transaction under an advisory lock: two runs at once are safe,
and a failed one leaves nothing.
"""

import ast
import asyncio
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from tocsin.database.reach import AWAY, reach
from tocsin.database.settings import DatabaseSettings
from tocsin.runtime import OperatorError, load_settings, retry_until_available
from tocsin.runtime.errors import ExitCode

VERSION_TABLE = "schema_version"


class MigrationsMissing(OperatorError):
    """The schema is older than this release. Run the command the message names, then start again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrations:
    """The migrations of `package` (such as `tocsin.router`) for PostgreSQL schema `schema`; `command` applies them.

    Releases go forward only: to go back, restore a backup. Statements in a migration find the schema's tables without naming it: it is
    their search path.
    """

    package: str
    schema: str
    command: str

    async def upgrade(self, engine: AsyncEngine) -> list[str]:
        """Apply what is missing and return it, oldest first, as `<revision> <what>`; empty when there was nothing to do."""
        async with engine.begin() as connection:
            return await connection.run_sync(self._upgrade)

    async def pending(self, engine: AsyncEngine) -> list[str]:
        """What `upgrade` would apply, oldest first. A schema newer than this release lacks nothing: its readers still fit."""
        async with engine.connect() as connection:
            return await connection.run_sync(self._pending)

    async def require(self, engine: AsyncEngine) -> None:
        """Return when nothing is pending, else raise `MigrationsMissing`."""
        missing = await self.pending(engine)
        if missing:
            number = f"{len(missing)} migrations" if len(missing) > 1 else "a migration"
            raise MigrationsMissing(
                f"Schema {self.schema} lacks {number} ({', '.join(missing)}): run `{self.command}`."
            )

    @property
    def folder(self) -> Path:
        """Where the migrations lie. Raises ModuleNotFoundError when the package is not installed."""
        spec = importlib.util.find_spec(self.package)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"{self.package} is not installed", name=self.package)
        return Path(spec.origin).parent / "migrations"

    def _upgrade(self, connection: Connection) -> list[str]:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended('tocsin.migrations.' || :schema, 0))"),
            {"schema": self.schema},
        )
        connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{self.schema}"'))
        connection.execute(text(f'SET LOCAL search_path TO "{self.schema}", public'))
        missing = self._pending(connection)
        if not missing:
            return []
        # Only this command needs Alembic, which is a tenth of what a service would load at its start.
        from tocsin.database.alembic_run import run_migrations  # noqa: PLC0415

        run_migrations(connection, folder=self.folder, schema=self.schema, version_table=VERSION_TABLE)
        return missing

    def _pending(self, connection: Connection) -> list[str]:
        """By the migrations' file names: they are numbered in one line, and a number is its migration's revision."""
        files = {path.name.partition("_")[0]: path for path in (self.folder / "versions").glob("[0-9]*.py")}
        current = self._current(connection)
        if current is not None and current not in files:  # the schema is at a revision of a later release
            return []
        return [f"{number} {_summary(files[number])}" for number in sorted(files) if number > (current or "")]

    def _current(self, connection: Connection) -> str | None:
        table = f'"{self.schema}".{VERSION_TABLE}'
        if connection.scalar(text("SELECT to_regclass(:name)"), {"name": table}) is None:
            return None
        current = connection.scalar(text(f"SELECT version_num FROM {table}"))  # noqa: S608 - names from a service's own code
        return None if current is None else str(current)


def _summary(migration: Path) -> str:
    """What a migration does: the first line of its file."""
    return (ast.get_docstring(ast.parse(migration.read_text())) or "").partition("\n")[0]


def migrate(migrations: Migrations) -> int:
    """The body of a service's migrate command: waits for PostgreSQL, applies what is missing, prints it; returns the exit code."""
    settings = load_settings(DatabaseSettings)
    try:
        applied = asyncio.run(_migrate(migrations, settings))
    except OperatorError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.OPERATOR_MUST_ACT
    for migration in applied:
        sys.stdout.write(f"applied {migration}\n")
    sys.stdout.write(f"Schema {migrations.schema} is up to date.\n")
    return 0


async def _migrate(migrations: Migrations, settings: DatabaseSettings) -> list[str]:
    engine = create_async_engine(
        settings.sqlalchemy_url, poolclass=NullPool, connect_args=settings.connect_arguments
    )
    try:
        await retry_until_available(settings.place, lambda: reach(engine, settings), retry_on=AWAY)
        return await migrations.upgrade(engine)
    finally:
        await engine.dispose()
