"""A real PostgreSQL behind a proxy that misbehaves at the wire: it is silent, resets, babbles, or refuses logins as PostgreSQL does."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

from pydantic import SecretStr

from tocsin.channel import Provider
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Channel
from tocsin.database import Database, DatabaseSettings
from tocsin.dispatch_inapp.inbox import InboxConfig, InboxProvider
from tocsin.dispatch_inapp.items_table import ItemsTable
from tocsin.runtime import Health, SystemClock
from tocsin.testing.provider_suite import Behaviour

from .conftest import Inboxes

_REFUSALS: Final = {
    Behaviour.THROTTLES: ("53300", "sorry, too many clients already"),
    Behaviour.REFUSES_CREDENTIALS: ("28P01", "password authentication failed for user marked-address"),
}
_REFUSE_ADA: Final = "ALTER TABLE inbox.items ADD CONSTRAINT nobody CHECK (recipient <> 'ada') NOT VALID"
_TAKE_ADA: Final = "ALTER TABLE inbox.items DROP CONSTRAINT IF EXISTS nobody"


class ToldNobody:
    """`delivered`, where no broker is."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def tell(self, jobs: Sequence[Job], *, provider: str, at: Any) -> None:
        self.told += [job.delivery_id for job in jobs]


class PostgresBehindProxy:
    """The world of `ProviderSuite`."""

    channel = Channel.INAPP
    server_loggers: tuple[str, ...] = ()

    def __init__(self, inboxes: Inboxes, url: str) -> None:
        self._inboxes = inboxes
        self._url = urlsplit(url)
        self._how = Behaviour.TAKES
        self._server: asyncio.Server | None = None
        self._port = 0
        self._links: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.taken = 0
        self.delivered = ToldNobody()

    @property
    def job_fields(self) -> dict[str, Any]:
        """Each job is another delivery: a second one of the same would rightly be no second item."""
        return {"delivery_id": str(uuid4())}

    @asynccontextmanager
    async def provider(self, *, call_timeout: float = 10.0) -> AsyncIterator[Provider]:
        await self._listen()
        netloc = self._url.netloc.replace(f":{self._url.port}", f":{self._port}")
        url = SecretStr(self._url._replace(netloc=netloc).geturl())
        settings = DatabaseSettings(url=url, connect_timeout=call_timeout / 2)
        database = Database(settings=settings, service="dispatch-inapp", check=Health().check("database"))
        config = InboxConfig(name="inbox", kind="inbox", call_timeout=call_timeout)
        provider = InboxProvider(
            config, SystemClock(), items=ItemsTable(database=database), delivered=self.delivered
        )
        await provider.open()
        try:
            yield Counting(provider, self)
        finally:
            await self._hang_up()
            await provider.close()
            await database.close()

    async def behave(self, how: Behaviour) -> None:
        await self._hang_up()
        self._how = how
        await self._inboxes.rows(_TAKE_ADA)
        if how is Behaviour.REFUSES_RECIPIENT:
            await self._inboxes.rows(_REFUSE_ADA)
        if how is not Behaviour.REFUSES_CONNECTIONS:
            await self._listen()

    async def count(self) -> None:
        """What the tables hold."""
        self.taken = (await self._inboxes.rows("SELECT count(*) AS rows FROM inbox.items"))[0]["rows"]

    async def _listen(self) -> None:
        if self._server is None and self._how is not Behaviour.REFUSES_CONNECTIONS:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def _hang_up(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._links:
            writer.transport.abort()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _connected(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._links.add(answers)
        try:
            await self._link(client, answers)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # one side has left
        finally:
            self._links.discard(answers)
            self._tasks.discard(task)
            answers.transport.abort()

    async def _link(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        if self._how in _REFUSALS:
            await _refuse(client, answers, *_REFUSALS[self._how])
            return
        server, requests = await asyncio.open_connection(self._url.hostname, self._url.port)
        self._links.add(requests)
        back = asyncio.create_task(_copy(server, answers))
        try:
            while data := await client.read(65536):
                if b"INSERT INTO inbox.boxes" in data and not await self._passes(answers):
                    return
                requests.write(data)
                await requests.drain()
        finally:
            self._links.discard(requests)
            requests.transport.abort()
            back.cancel()
            await asyncio.wait([back])

    async def _until_left(self, answers: asyncio.StreamWriter) -> None:
        """Until the connection is closed, by us or by the caller; nothing is answered."""
        with suppress(ConnectionError):
            await answers.wait_closed()

    async def _passes(self, answers: asyncio.StreamWriter) -> bool:
        """What is done with the first statement of a batch."""
        match self._how:
            case Behaviour.SILENT:
                await self._until_left(answers)
                return False
            case Behaviour.RESETS:
                return False
            case Behaviour.BABBLES:
                answers.write(b"220 mail.example.org ESMTP marked-body\r\n")
                await answers.drain()
                return False
        return True


class Counting:
    """A provider whose world counts what it holds after each call."""

    def __init__(self, provider: InboxProvider, world: PostgresBehindProxy) -> None:
        self._provider = provider
        self._world = world
        self.name = provider.name

    async def open(self) -> None:
        """It is open."""

    async def send(self, job: Job) -> Any:
        answer = await self._provider.send(job)
        await self._world.count()
        return answer

    async def close(self) -> None:
        """The world closes it."""


async def _refuse(client: asyncio.StreamReader, answers: asyncio.StreamWriter, code: str, text: str) -> None:
    """As PostgreSQL answers a start-up message: ErrorResponse (PostgreSQL's documentation, "Message Formats")."""
    size = int.from_bytes(await client.readexactly(4))
    await client.readexactly(size - 4)
    if size == 8:  # SSLRequest
        answers.write(b"N")
        size = int.from_bytes(await client.readexactly(4))
        await client.readexactly(size - 4)
    fields = b"".join(
        f"{kind}{value}\0".encode() for kind, value in (("S", "FATAL"), ("C", code), ("M", text))
    )
    answers.write(b"E" + (len(fields) + 5).to_bytes(4) + fields + b"\0")
    await answers.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # the other side tells
