"""A backup as docs/operations/backup.md makes it, and a database that it is restored into."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tocsin.dev import PostgresServer, create_database
from tocsin.dev.postgres import programs


def dump(url: str, schema: str, file: Path) -> None:
    """One schema with all its rows, as they are in one moment."""
    _run("pg_dump", "--format=custom", f"--schema={schema}", f"--file={file}", url)


def restore(url: str, schema: str, file: Path) -> None:
    """Into a database whose schema is there and empty."""
    _run("pg_restore", "--exit-on-error", "--single-transaction", f"--schema={schema}", f"--dbname={url}", str(file))  # fmt: skip


@contextmanager
def fresh_postgres(folder: Path) -> Iterator[str]:
    """The URL of an empty database on a server that is new."""
    with PostgresServer(folder, durable=False) as server:
        yield create_database(server.url, "tocsin")


def _run(program: str, *words: str) -> None:
    ended = subprocess.run([str(programs() / program), *words], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
