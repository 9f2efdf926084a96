"""`tocsin keys create`: the first key of an installation."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from typer.testing import CliRunner, Result

from tocsin.router.commands import keys
from tocsin.web import parse_key

from .conftest import Directory

Run = Callable[..., Awaitable[Result]]


@pytest.fixture
def run(database_url: str) -> Run:
    """Runs the command in a thread, as it brings its own event loop."""

    async def invoke(*arguments: str) -> Result:
        return await asyncio.to_thread(
            CliRunner().invoke, keys, ["create", *arguments], env={"DATABASE_URL": database_url}
        )

    return invoke


async def test_the_first_key_can_do_everything(directory: Directory, run: Run) -> None:
    ran = await run("--tenant", "acme", "--admin", "--create-tenant")
    assert ran.exit_code == 0
    parts = parse_key(ran.stdout.strip())
    assert parts is not None
    rows = await directory.rows("SELECT tenant, id, sha256, scopes, mode FROM directory.api_keys")
    assert rows == [("acme", parts.id, parts.sha256, ["manage", "operate", "read", "send"], "live")]
    assert await directory.changed() == [("tenant", "acme"), ("api_key", "acme", parts.id)]


async def test_scopes_mode_and_name_are_as_asked(directory: Directory, run: Run) -> None:
    await run("--create-tenant", "--admin")
    ran = await run("--scopes", "send,read", "--scope", "read", "--mode", "test", "--name", "shop", "--json")
    said = json.loads(ran.stdout)
    assert (said["tenant"], said["mode"], said["name"], said["scopes"]) == (
        "default",
        "test",
        "shop",
        ["read", "send"],
    )
    assert said["key"].startswith(f"tk_test_{said['id']}_")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Name what the key may do"),
        (("--scopes", "fly"), "There is no scope fly"),
        (("--admin", "--mode", "prod"), "--mode is live or test"),
        (("--admin", "--tenant", "NOPE"), "--tenant has 1 to 63"),
        (("--admin", "--tenant", "nobody"), "There is no tenant nobody; add --create-tenant"),
    ],
)
async def test_refusals_are_one_sentence(
    directory: Directory, run: Run, arguments: tuple[str, ...], says: str
) -> None:
    ran = await run(*arguments)
    assert ran.exit_code == 1
    assert says in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert ran.stdout == ""


async def test_a_directory_that_was_not_migrated_names_the_command(database_url: str, run: Run) -> None:
    ran = await run("--admin")
    assert ran.exit_code == 1
    assert "python -m tocsin.router migrate" in ran.stderr
