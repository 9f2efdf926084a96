"""listmonk: its campaigns, and its transactional API."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import asyncpg

from peers.listmonk import installation
from peers.message import NAME, Message, PeerOrder, PeerResult
from peers.peer import Ground, process
from tocsin.dev import StartFailed
from tocsin.dev.postgres import create_database
from tocsin.dev.processes import free_port

CONCURRENCY, CONNECTIONS = 50, 20
REQUESTS_IN_FLIGHT = 50
START_SECONDS = 30.0
_SUBSCRIBERS = """
INSERT INTO subscribers (uuid, email, name, attribs, status)
SELECT gen_random_uuid(), address, split_part(address, '@', 1), '{}', 'enabled' FROM unnest($1::text[]) AS address
ON CONFLICT DO NOTHING
"""
_ON_LIST = """
INSERT INTO subscriber_lists (subscriber_id, list_id, status)
SELECT id, $2, 'confirmed' FROM subscribers WHERE email = ANY($1::text[])
"""


class _Listmonk:
    """One running listmonk."""

    def missing(self) -> str | None:
        """What is not there."""
        return installation.missing()

    @asynccontextmanager
    async def running(self, ground: Ground) -> AsyncIterator[Mapping[str, int]]:
        """Itself and its database."""
        binary = await asyncio.to_thread(installation.build)
        with installation.database(ground.folder) as database:
            url = create_database(database.url, "listmonk")
            port = free_port()
            installation.lay_out(ground.folder, port=port, database_url=url)
            token = await installation.install(binary, ground.folder)
            await installation.set_up(
                url, smtp_port=ground.sink.port, concurrency=CONCURRENCY, connections=CONNECTIONS
            )
            headers = {"Authorization": f"token {installation.USER}:{token}"}
            log = ground.folder / "listmonk.log"
            self._connection: Any = await asyncpg.connect(url)
            async with (
                process([str(binary)], env={}, log=log, cwd=ground.folder) as pid,
                aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as self._client,
            ):
                await self._until_healthy()
                await self._prepare()
                yield {"listmonk": pid, "database": database.pid or 0}
            await self._connection.close()

    async def _prepare(self) -> None:
        """What has to stand before anything is sent."""

    async def _until_healthy(self) -> None:
        async with asyncio.timeout(START_SECONDS):
            while True:
                try:
                    async with self._client.get("/health") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.1)

    async def _ask(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        async with self._client.request(method, path, json=body) as answer:
            if answer.status != 200:
                raise StartFailed(f"listmonk answered {method} {path} with {await answer.text()}")
            return (await answer.json())["data"]

    async def _subscribe(self, order: PeerOrder) -> None:
        await self._connection.execute(_SUBSCRIBERS, order.recipients)


class Campaign(_Listmonk):
    """A list and one campaign to it; who is on the list is known before."""

    name = "listmonk, campaign"
    count = 20_000
    paced = False

    async def send(self, order: PeerOrder) -> PeerResult:
        """Start the campaign."""
        message = Message()
        await self._subscribe(order)
        known = await self._ask("POST", "/api/lists", {"name": "bench", "type": "private", "optin": "single"})
        await self._connection.execute(_ON_LIST, order.recipients, known["id"])
        campaign = {
            "name": "bench",
            "subject": message.subject,
            "lists": [known["id"]],
            "from_email": message.sender,
            "type": "regular",
            "content_type": "html",
            "messenger": "email",
            "body": message.html.replace(NAME, "{{ .Subscriber.Name }}"),
            "altbody": message.text.replace(NAME, "{{ .Subscriber.Name }}"),
        }
        made = await self._ask("POST", "/api/campaigns", campaign)
        began = time.time()
        await self._ask("PUT", f"/api/campaigns/{made['id']}/status", {"status": "running"})
        return PeerResult(planned=[began] * len(order.ids), cpu_seconds=0)


class Transactional(_Listmonk):
    """One request a message; the answer comes before the mail is handed over, and nothing is kept."""

    name = "listmonk, transactional"
    count = 4_000
    paced = True

    async def _prepare(self) -> None:
        message = Message()
        template = {
            "name": "bench",
            "type": "tx",
            "subject": message.subject,
            "body": message.html.replace(NAME, "{{ .Subscriber.Name }}"),
        }
        self._template = (await self._ask("POST", "/api/templates", template))["id"]

    async def send(self, order: PeerOrder) -> PeerResult:
        """Requests as fast as they are answered, or at planned times."""
        await self._subscribe(order)
        room = asyncio.Semaphore(REQUESTS_IN_FLIGHT)
        planned: list[float] = []
        began, cpu = time.time(), time.process_time()

        async def ask(message_id: str, recipient: str) -> None:
            body = {
                "subscriber_email": recipient,
                "template_id": self._template,
                "from_email": Message().sender,
                "content_type": "html",
                "headers": [{Message().header: message_id}],
            }
            try:
                await self._ask("POST", "/api/tx", body)
            finally:
                room.release()

        async with asyncio.TaskGroup() as asking:
            for number, (message_id, recipient) in enumerate(zip(order.ids, order.recipients, strict=True)):
                at = time.time() if order.rate is None else began + number / order.rate
                await asyncio.sleep(max(0.0, at - time.time()))
                await room.acquire()
                planned.append(at)
                asking.create_task(ask(message_id, recipient))
        return PeerResult(planned=planned, cpu_seconds=time.process_time() - cpu)
