"""The part of migrating that needs Alembic; no service loads it."""

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def run_migrations(connection: Connection, *, folder: Path, schema: str, version_table: str) -> None:
    """Apply everything that the schema lacks, in the connection's transaction."""
    script = ScriptDirectory(str(folder), version_locations=[str(folder / "versions")])
    with EnvironmentContext(
        Config(),
        script,
        # what alembic's own `upgrade` command does; the method has no public name
        fn=lambda revision, _context: script._upgrade_revs("heads", revision),
        destination_rev="heads",
    ) as environment:
        environment.configure(connection=connection, version_table=version_table, version_table_schema=schema)
        environment.run_migrations()
