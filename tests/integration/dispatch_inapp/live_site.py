"""Two processes that keep inboxes, over real HTTP, Kafka and PostgreSQL, and those who follow a box."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.integration.kafka.conftest import KafkaStage

from tocsin.contracts.topics import Topics
from tocsin.dispatch_inapp.api import create_app
from tocsin.dispatch_inapp.live_boxes import LiveBoxes, Watchers
from tocsin.dispatch_inapp.moved_boxes import moved
from tocsin.kafka import KafkaSettings
from tocsin.runtime import Health
from tocsin.runtime.http import HttpServer, HttpSettings
from tocsin.testing import ManualClock
from tocsin.trust import Seal

from .conftest import NOW, Inboxes, item
from .inbox_callers import InboxApi, key_table

SEAL = Seal([("k1", "s" * 32)])


@dataclass(frozen=True)
class Instance:
    """A process that keeps inboxes, as far as streams are concerned."""

    api: InboxApi
    url: str
    watchers: Watchers

    @asynccontextmanager
    async def caller(self, recipient: str = "ada") -> AsyncIterator[httpx.AsyncClient]:
        head = {"authorization": f"Bearer {self.api.token(recipient)}"}
        async with httpx.AsyncClient(base_url=self.url, headers=head, timeout=30) as client:
            yield client

    @asynccontextmanager
    async def stream(
        self, *, recipient: str = "ada", last: int | None = None, after: int | None = None
    ) -> AsyncIterator["Stream"]:
        """A stream of this recipient; it has begun."""
        async with self.caller(recipient) as client:
            ticket = (await client.post("/v1/inbox/tickets")).json()["ticket"]
            query: dict[str, Any] = {"ticket": ticket} | ({} if after is None else {"after": after})
            head = {} if last is None else {"last-event-id": str(last)}
            async with client.stream("GET", "/v1/inbox/events", params=query, headers=head) as answer:
                assert answer.status_code == 200, await answer.aread()
                assert answer.headers["content-type"].startswith("text/event-stream")
                yield Stream(answer.aiter_lines())


@dataclass(frozen=True)
class Event:
    name: str
    id: int | None
    data: Any


@dataclass(frozen=True)
class Stream:
    lines: AsyncIterator[str]

    async def next(self, *names: str) -> Event:
        """The next event, of those names where they are given."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(30):
            async for line in self.lines:
                if line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif fields:
                    event = Event(
                        fields["event"],
                        int(fields["id"]) if "id" in fields else None,
                        json.loads(fields["data"]),
                    )
                    fields = {}
                    if not names or event.name in names:
                        return event
        raise AssertionError("the stream has ended")


@dataclass(frozen=True)
class Site:
    inboxes: Inboxes
    stage: KafkaStage
    first: Instance
    second: Instance

    async def store(self, *recipients: str) -> list[str]:
        """As the provider does it: committed, then told."""
        items = [item(recipient) for recipient in recipients]
        await self.inboxes.store(*items)
        await self.tell({(each.tenant, each.recipient): [] for each in items})
        return [str(each.id) for each in items]

    async def tell(self, boxes: dict[tuple[str, str], list[str]]) -> None:
        await self.stage.publish(*moved(Topics(self.stage.settings.topic_prefix), boxes))


@asynccontextmanager
async def instance(inboxes: Inboxes, settings: KafkaSettings) -> AsyncIterator[Instance]:
    clock, watchers, health = ManualClock(NOW), Watchers(), Health()
    app = create_app(
        database=inboxes.database, directory=key_table(clock), watchers=watchers, seal=SEAL, clock=clock
    )
    boxes = LiveBoxes(
        watchers=watchers,
        settings=settings,
        topic=Topics(settings.topic_prefix).inbox,
        check=health.check("inbox"),
    )
    await boxes.open()
    stop = asyncio.Event()
    running = asyncio.create_task(boxes.run(stop))
    server = HttpServer(
        name="api", app=app, settings=HttpSettings(host="127.0.0.1", port=0), sockets=app.state.sockets
    )
    await server.start()
    try:
        yield Instance(InboxApi(app, clock), f"http://127.0.0.1:{server.port}", watchers)
    finally:
        stop.set()
        await running
        await server.finish()
        await boxes.close()


@pytest.fixture
async def site(inboxes: Inboxes, kafka_server: str, topic_prefix: str) -> AsyncIterator[Site]:
    stage = KafkaStage(KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=topic_prefix))
    await stage.topics("inbox", partitions=1)
    async with instance(inboxes, stage.settings) as first, instance(inboxes, stage.settings) as second:
        yield Site(inboxes, stage, first, second)
    await stage.close()
