"""`tocsin keys create` comes from the router's distribution and stands in the one command."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tocsin.web import parse_key

from .conftest import Run

pytestmark = pytest.mark.postgres


async def test_the_first_key_is_printed_alone(database_url: str, tocsin: Run, tmp_path: Path) -> None:
    """Both commands read the database's address from a file, as in a Pod."""
    (tmp_path / "database-url").write_text(f"{database_url}\n")
    env = {"DATABASE_URL_FILE": str(tmp_path / "database-url")}
    create = ("keys", "create", "--tenant", "acme", "--admin", "--create-tenant")
    early = await asyncio.to_thread(tocsin, *create, **env)
    assert (early.code, early.out) == (1, "")
    assert "python -m tocsin.router migrate" in early.err
    migrate = [sys.executable, "-m", "tocsin.router", "migrate"]
    await asyncio.to_thread(subprocess.run, migrate, env=env, check=True, capture_output=True)
    made = await asyncio.to_thread(tocsin, *create, **env)
    assert made.code == 0, made.err
    assert len(made.out.splitlines()) == 1
    assert parse_key(made.out.strip()) is not None
