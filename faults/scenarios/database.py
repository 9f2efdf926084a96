"""PostgreSQL goes away, comes back, and refuses."""

import asyncio

from scenario import Run, scenario
from scenarios.deaths import RATE
from tocsin.dev.postgres import run_sql

_BOTH = ("router", "ledger")
_READ_ONLY = 10.0  # seconds
_AWAY = 60.0


@scenario(two=_BOTH)
async def database_ends_at_once(run: Run) -> None:
    """PostgreSQL is stopped as a crash would and starts again, twice."""
    postgres = run.ground.postgres
    async with run.load.flowing(RATE):
        for _ in range(2):
            await asyncio.sleep(3)
            run.fault()
            await asyncio.to_thread(postgres.kill)
            postgres.launch()
            await asyncio.to_thread(postgres.wait_ready)
            await asyncio.sleep(5)


@scenario(two=_BOTH)
async def connections_to_the_database_are_cut(run: Run) -> None:
    """All connections to PostgreSQL are cut, five times."""
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'tocsin' AND pid <> pg_backend_pid()"
    async with run.load.flowing(RATE):
        for _ in range(5):
            await asyncio.sleep(2)
            run.fault()
            await asyncio.to_thread(run_sql, run.ground.postgres.url, cut)
        await asyncio.sleep(3)


@scenario(two=_BOTH)
async def database_is_read_only(run: Run) -> None:
    """PostgreSQL takes no writes for ten seconds, as during a failover."""
    url = run.ground.postgres.url

    async def read_only(state: str) -> None:
        await asyncio.to_thread(run_sql, url, f"ALTER SYSTEM SET default_transaction_read_only = {state}")
        await asyncio.to_thread(run_sql, url, "SELECT pg_reload_conf()")

    async with run.load.flowing(RATE):
        await asyncio.sleep(2)
        run.fault()
        await read_only("on")
        await asyncio.sleep(_READ_ONLY)
        await asyncio.to_thread(_writable, url)
        await asyncio.sleep(5)


def _writable(url: str) -> None:
    """PostgreSQL counts ALTER SYSTEM among what only reads."""
    run_sql(url, "ALTER SYSTEM RESET default_transaction_read_only")
    run_sql(url, "SELECT pg_reload_conf()")


@scenario(two=_BOTH, nightly=True)
async def database_is_away_for_a_minute(run: Run) -> None:
    """PostgreSQL is away for a minute: ingest takes all of it, and everything goes out afterwards."""
    postgres = run.ground.postgres
    async with run.load.flowing(RATE / 2):
        await asyncio.sleep(2)
        run.fault()
        repeats = run.load.repeats
        await asyncio.to_thread(postgres.kill)
        await asyncio.sleep(_AWAY)
        run.expect(run.load.repeats == repeats, "Ingest refused events while the database was away.")
        postgres.launch()
        await asyncio.to_thread(postgres.wait_ready)
        await asyncio.sleep(5)


@scenario(two=_BOTH)
async def tables_are_migrated_while_running(run: Run) -> None:
    """`migrate` runs again, for both services, while messages flow."""
    async with run.load.flowing(RATE):
        for service in ("router", "ledger"):
            await asyncio.sleep(2)
            run.fault()
            await run.ground.command(f"tocsin.{service}", "migrate")
        await asyncio.sleep(2)
