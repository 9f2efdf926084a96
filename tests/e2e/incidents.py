"""Things that go wrong, each for as long as its context lasts."""

import asyncio
import contextlib
import os
import re
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg

from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.dev.processes import free_port
from tocsin.kafka import KafkaSettings, ProducerRecord, Publisher
from tocsin.router.relay import LOCK
from tocsin.runtime import Health
from tocsin.testing.until import until

POISON_A_SECOND = 10
INSTANCE = "[[providers]]\n"


def providers_of(stack: dict[str, Any]) -> Path:
    """Where the stack's files of provider instances are."""
    return Path(next(iter(stack["processes"].values()))["log"]).parents[1] / "providers"


@contextlib.contextmanager
def one_provider_each(stack: dict[str, Any], *channels: str) -> Iterator[None]:
    """The dispatchers of these channels have one provider, as most installations do: no other could be asked."""
    files = [providers_of(stack) / f"{channel}.toml" for channel in channels]
    former = [file.read_text() for file in files]
    for file, text in zip(files, former, strict=True):
        before, first, *_ = text.split(INSTANCE)
        file.write_text(before + INSTANCE + first)
    try:
        yield
    finally:
        for file, text in zip(files, former, strict=True):
            file.write_text(text)


@contextlib.asynccontextmanager
async def dead_mail_server(stack: dict[str, Any]) -> AsyncIterator[None]:
    """Nothing listens where the mail server was."""
    file = providers_of(stack) / "email.toml"
    former = file.read_text()
    file.write_text(re.sub(r"port = \d+", f"port = {free_port()}", former))
    try:
        yield
    finally:
        file.write_text(former)


@contextlib.asynccontextmanager
async def refused_credentials(stack: dict[str, Any]) -> AsyncIterator[None]:
    """The token for text messages was changed, and nobody told us."""
    file = providers_of(stack) / "twilio-token"
    former = file.read_text()
    file.write_text("another-token")
    try:
        yield
    finally:
        file.write_text(former)


@contextlib.asynccontextmanager
async def poison(stack: dict[str, Any]) -> AsyncIterator[None]:
    """A producer writes what is no event."""
    publisher = Publisher(
        settings=KafkaSettings(bootstrap_servers=stack["kafka"]), health=Health(service="tests")
    )
    topic = Topics().events(Lane.TRANSACTIONAL)

    async def write() -> None:
        while True:
            await publisher.publish([ProducerRecord(topic=topic, key=None, value=b"{}")], timeout=20)
            await asyncio.sleep(1 / POISON_A_SECOND)

    await publisher.open()
    writing = asyncio.create_task(write())
    try:
        yield
    finally:
        writing.cancel()
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await writing
        finally:
            await publisher.close()


@contextlib.asynccontextmanager
async def full_outbox(stack: dict[str, Any], save: Callable[[str], Awaitable[None]]) -> AsyncIterator[None]:
    """A session that does nothing holds the relay's lock, and changes come: `save` is called with names for them."""
    holder = await asyncpg.connect(stack["database"])
    other = await asyncpg.connect(stack["database"])
    try:
        # In the queue first: so it has the lock as soon as the router's session has ended.
        waiting = asyncio.create_task(
            holder.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", LOCK)
        )
        await until(partial(_is_true, other, _WAITS))
        await other.execute(_END_THE_OWNER)
        await waiting
        for _ in range(3):
            await save(f"c{uuid.uuid4().hex[:10]}")
        yield
    finally:
        await other.close()
        await holder.close()


async def _is_true(connection: Any, query: str) -> bool:
    return bool(await connection.fetchval(query))


_WAITS = "SELECT true FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
_END_THE_OWNER = """
SELECT pg_terminate_backend(has.pid) FROM pg_locks has JOIN pg_locks waits USING (locktype, database, classid, objid, objsubid)
WHERE has.locktype = 'advisory' AND has.granted AND NOT waits.granted
"""


@contextlib.asynccontextmanager
async def frozen(stack: dict[str, Any], process: str) -> AsyncIterator[None]:
    """A process stands still; its connections stay open."""
    pid = stack["processes"][process]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
