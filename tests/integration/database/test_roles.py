"""deploy/postgres/roles.sql: owners make the tables, services read and write rows and change no table."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from tests.integration.restoring import dump, restore

from tocsin.dev import PostgresServer, create_database
from tocsin.dev.debian_programs import unpacked
from tocsin.dev.errors import LocalStackError
from tocsin.dev.postgres import programs, run_sql

pytestmark = pytest.mark.postgres

FILE = Path(__file__).parents[3] / "deploy" / "postgres" / "roles.sql"
SCHEMAS = {"router": "directory", "scheduler": "scheduler", "inbox": "inbox"}
"""Role of a service that is not the owner → its schema."""
MODULES = {
    "router_owner": "tocsin.router",
    "scheduler_owner": "tocsin.scheduler",
    "ledger_owner": "tocsin.ledger",
    "inbox_owner": "tocsin.dispatch_inapp",
}
"""Owner → who makes its tables."""
OWNERS = tuple(MODULES)
PASSWORD = "of-this-test-alone"


def as_role(url: str, role: str) -> str:
    return make_url(url).set(username=role, password=PASSWORD).render_as_string(hide_password=False)


def ended(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    """What a command of ours says when it has this database and no other setting."""
    environment = {"DATABASE_URL": url, "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@contextmanager
def with_roles(folder: Path, *, installed_in: Path | None = None) -> Iterator[str]:
    """A database of a server of its own, as roles belong to the server; without tables."""
    with PostgresServer(folder, durable=False, installed_in=installed_in) as server:
        url = create_database(server.url, "tocsin")
        # As on a managed server: whoever sets it up makes roles, owns the database, and is no superuser.
        run_sql(url, f"CREATE ROLE administrator LOGIN CREATEROLE PASSWORD '{PASSWORD}'")
        run_sql(url, "ALTER DATABASE tocsin OWNER TO administrator")
        psql = [str(programs() / "psql"), "-X", "-v", "ON_ERROR_STOP=1", "--file", str(FILE)]
        psql.append(as_role(url, "administrator"))
        subprocess.run(psql, check=True, capture_output=True)
        for role in (*OWNERS, *SCHEMAS):
            run_sql(url, f"ALTER ROLE {role} PASSWORD '{PASSWORD}'")
        yield url


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same with tables, made by their owners."""
    with with_roles(tmp_path_factory.mktemp("roles")) as url:
        for owner in OWNERS:
            migrated = ended(as_role(url, owner), MODULES[owner], "migrate")
            assert migrated.returncode == 0, migrated.stderr
        yield url


@pytest.mark.nightly
def test_before_postgresql_16_the_same_file_gives_the_same_rights(tmp_path: Path) -> None:
    """Debian's 15: it knows no `createrole_self_grant`."""
    with with_roles(tmp_path / "server", installed_in=fifteen()) as url:
        assert run_sql(url, "SHOW server_version").startswith("15.")
        for owner in OWNERS:
            migrated = ended(as_role(url, owner), MODULES[owner], "migrate")
            assert migrated.returncode == 0, migrated.stderr
        for role, schema in SCHEMAS.items():
            lacking = f"""SELECT tablename FROM pg_tables WHERE schemaname = '{schema}'
                          AND EXISTS (SELECT FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) privilege
                                      WHERE NOT has_table_privilege('{role}', format('%I.%I', schemaname, tablename), privilege))"""
            assert run_sql(url, lacking) == ""
            assert int(run_sql(url, f"SELECT count(*) FROM pg_tables WHERE tableowner = '{role}_owner'")) > 1


def fifteen() -> Path:
    """Where Debian's PostgreSQL 15 has its programs."""
    place = Path("usr/lib/postgresql/15/bin")
    installed = Path("/") / place
    return installed if installed.is_dir() else unpacked("postgresql-15", needed="PostgreSQL 15") / place


@pytest.mark.parametrize(("role", "schema"), SCHEMAS.items())
def test_a_service_reads_and_writes_the_rows_of_every_table(database: str, role: str, schema: str) -> None:
    lacking = f"""
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = '{schema}' AND c.relkind IN ('r', 'p', 'v')
          AND NOT (has_table_privilege('{role}', c.oid, 'SELECT') AND has_table_privilege('{role}', c.oid, 'INSERT')
               AND has_table_privilege('{role}', c.oid, 'UPDATE') AND has_table_privilege('{role}', c.oid, 'DELETE'))"""
    assert run_sql(database, lacking) == ""
    tables = f"SELECT count(*) FROM pg_tables WHERE schemaname = '{schema}' AND tableowner = '{role}_owner'"
    assert int(run_sql(database, tables)) > 1


@pytest.mark.parametrize(("role", "schema"), SCHEMAS.items())
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE {schema}.mine ()",
        "ALTER TABLE {schema}.schema_version ADD COLUMN mine int",
        "DROP TABLE {schema}.schema_version",
        "TRUNCATE {schema}.schema_version",
        "CREATE SCHEMA mine",
        "SELECT FROM ledger.schema_version",
    ],
)
def test_a_service_changes_no_table_and_reads_no_other_schema(
    database: str, role: str, schema: str, statement: str
) -> None:
    with pytest.raises(LocalStackError, match=r"permission denied|must be owner"):
        run_sql(as_role(database, role), statement.format(schema=schema))


def test_the_first_key_is_made_by_the_role_of_the_router(database: str) -> None:
    words = ("tocsin.cli", "keys", "create", "--admin", "--create-tenant")
    made = ended(as_role(database, "router"), *words)
    assert made.returncode == 0, made.stderr


def test_a_service_that_asks_for_migrations_is_refused_and_one_that_runs_finds_none_missing(
    database: str,
) -> None:
    refused = ended(as_role(database, "router"), "tocsin.router", "migrate")
    assert refused.returncode != 0
    again = ended(as_role(database, "router_owner"), "tocsin.router", "migrate")
    assert (again.returncode, again.stdout) == (0, "Schema directory is up to date.\n")


def test_each_owner_dumps_its_schema_and_restores_it_on_a_new_server(database: str, tmp_path: Path) -> None:
    """As docs/operations/backup.md says; the services have their rights there, and no migration is missing."""
    run_sql(database, "INSERT INTO directory.tenants (id) VALUES ('dumped')")
    with with_roles(tmp_path / "restored") as restored:
        for owner in OWNERS:
            schema = SCHEMAS.get(owner.removesuffix("_owner"), "ledger")
            dump(as_role(database, owner), schema, tmp_path / schema)
            restore(as_role(restored, owner), schema, tmp_path / schema)
            again = ended(as_role(restored, owner), MODULES[owner], "migrate")
            assert (again.returncode, again.stdout) == (0, f"Schema {schema} is up to date.\n")
        for service, schema in SCHEMAS.items():
            test_a_service_reads_and_writes_the_rows_of_every_table(restored, service, schema)
        tenant = run_sql(as_role(restored, "router"), "SELECT id FROM directory.tenants WHERE id = 'dumped'")
        assert tenant == "dumped"
