"""listmonk from a checkout of its source: built once, installed into an empty database, with the settings its documentation gives for speed."""

import asyncio
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from tocsin.dev import PostgresServer, StartFailed
from tocsin.dev.paths import CACHE

VERSION = "v6.2.0"
SOURCES = "7273da5e281f98a5763fd9d4f8b739467212683863f6d6fd897c933064ea7ac4"
"""The digest of that version's source, commit ef0a7587."""
CHECKOUT = "LISTMONK_CHECKOUT"
USER = "bench"
NEEDED = ("config.toml.sample", "queries", "schema.sql", "permissions.json", "static", "i18n")
"""What it reads beside its binary."""
_CONFIG = """\
[app]
address = "127.0.0.1:{port}"

[db]
host = "{at.hostname}"
port = {at.port}
user = "{at.username}"
password = "{at.password}"
database = "{database}"
ssl_mode = "disable"
max_open = 25
max_idle = 25
max_lifetime = "300s"
"""
_POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
"""Debian's: ours has no pgcrypto, which listmonk's tables want."""
_TOKEN = re.compile(r'LISTMONK_ADMIN_API_TOKEN="([^"]+)"').search


def missing() -> str | None:
    """Why it cannot be built."""
    if shutil.which("go") is None:
        return "Go is not installed"
    if not _POSTGRES:
        return "its tables need PostgreSQL with pgcrypto (Debian: apt install postgresql)"
    if not os.environ.get(CHECKOUT):
        return f"its newer versions are no Go modules: check out {VERSION} of knadh/listmonk and name the folder in {CHECKOUT}"
    if _digest(Path(os.environ[CHECKOUT])) != SOURCES:
        return f"{CHECKOUT} names no unchanged source of {VERSION}"
    return None


def _digest(source: Path) -> str:
    """SHA-256 over names and bytes of what is compiled, and of its statements."""
    digest = hashlib.sha256()
    for file in sorted(source.rglob("*")):
        if file.is_file() and (file.suffix in {".go", ".sql"} or file.name in {"go.mod", "go.sum"}):
            digest.update(str(file.relative_to(source)).encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


@contextmanager
def database(folder: Path) -> Iterator[PostgresServer]:
    """A server of its own, durable."""
    server = PostgresServer(folder / "postgres", installed_in=_POSTGRES[-1])
    server.prepare()
    server.launch()
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()


def build() -> Path:
    """The binary; its browser pages are left out."""
    source = Path(os.environ[CHECKOUT]).resolve()
    binary = CACHE / f"peer-listmonk-{VERSION}" / "listmonk"
    if not binary.exists():
        subprocess.run(["go", "build", "-o", str(binary), "./cmd"], cwd=source, check=True, timeout=600)
    return binary


def lay_out(folder: Path, *, port: int, database_url: str) -> None:
    """What a listmonk that runs in this folder finds there."""
    source = Path(os.environ[CHECKOUT]).resolve()
    for name in NEEDED:
        # Copies, because it does not follow links.
        copy = shutil.copytree if (source / name).is_dir() else shutil.copy
        copy(source / name, folder / name)
    pages = folder / "frontend" / "dist"
    pages.mkdir(parents=True)
    (pages / "index.html").write_text("<p>The pages are not built.</p>\n")
    at = urlsplit(database_url)
    config = _CONFIG.format(port=port, at=at, database=at.path.removeprefix("/"))
    (folder / "config.toml").write_text(config)


async def install(binary: Path, folder: Path) -> str:
    """Makes its tables and a user of its API; returns the user's token."""
    env = os.environ | {
        "LISTMONK_ADMIN_USER": "admin",
        "LISTMONK_ADMIN_PASSWORD": "a-password-of-the-bench",
        "LISTMONK_ADMIN_API_USER": USER,
    }
    process = await asyncio.create_subprocess_exec(
        str(binary),
        "--install",
        "--yes",
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    token = _TOKEN(said.decode(errors="replace"))
    if process.returncode != 0 or token is None:
        raise StartFailed(f"listmonk --install failed: {said.decode(errors='replace')[-1000:]}")
    return token[1]


async def set_up(database_url: str, *, smtp_port: int, concurrency: int, connections: int) -> None:
    """Mails go to the sink, as fast as it can."""
    server = {
        "enabled": True,
        "host": "127.0.0.1",
        "port": smtp_port,
        "hello_hostname": "localhost",
        "auth_protocol": "none",
        "username": "",
        "password": "",
        "tls_type": "none",
        "tls_skip_verify": True,
        "max_conns": connections,
        "max_msg_retries": 2,
        "idle_timeout": "15s",
        "wait_timeout": "5s",
        "email_headers": [],
    }
    values = {
        "smtp": [server],
        "app.concurrency": concurrency,
        "app.message_rate": 100_000,
        "app.batch_size": 5_000,
        "app.max_send_errors": 0,
        "privacy.individual_tracking": False,
    }
    connection = await asyncpg.connect(database_url)
    try:
        await connection.executemany(
            "UPDATE settings SET value = $2::jsonb WHERE key = $1",
            [(key, json.dumps(value)) for key, value in values.items()],
        )
    finally:
        await connection.close()
