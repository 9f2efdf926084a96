"""Streams of a box over real HTTP and Kafka: whoever connects anew at any moment sees each item once, whichever process stored it."""

import asyncio
import json
import random
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
from .inbox_callers import SHOP, InboxApi, key_table

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

SEAL = Seal([("k1", "s" * 32)])
ITEMS = 120


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
    server = HttpServer(name="api", app=app, settings=HttpSettings(host="127.0.0.1", port=0))
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


async def test_who_connects_again_at_any_moment_sees_each_item_once(site: Site):
    chance = random.Random(3)

    async def write() -> None:
        stored = 0
        while stored < ITEMS:
            many = min(chance.randrange(1, 5), ITEMS - stored)
            await site.store(*(["ada"] * many + ["ben"]))
            stored += many
            await asyncio.sleep(0)

    writing = asyncio.create_task(write())
    seen: list[int] = []
    while len(seen) < ITEMS:
        where = chance.choice([site.first, site.second])
        async with where.stream(last=seen[-1] if seen else 0) as stream:
            for _ in range(chance.randrange(1, 15)):
                event = await stream.next("item")
                assert event.id == event.data["seq"]
                seen.append(event.data["seq"])
                if len(seen) == ITEMS:
                    break
    await writing
    assert seen == list(range(1, ITEMS + 1))


async def test_a_stream_begins_with_the_counts_and_hears_what_another_process_did(site: Site):
    (id_,) = await site.store("ada")
    async with site.second.stream() as stream, site.first.caller() as ada:
        assert (await stream.next()).data == {"unseen": 1, "unread": 1, "last_seq": 1}
        (newer,) = await site.store("ada")
        event = await stream.next()
        assert (event.name, event.id, event.data["id"]) == ("item", 2, newer)
        assert (await stream.next()).data == {"unseen": 2, "unread": 2, "last_seq": 2}
        await ada.patch(f"/v1/inbox/items/{id_}", json={"read": True})
        await site.tell({("acme", "ada"): [id_]})
        event = await stream.next("changed")
        assert (event.id, event.data["id"], "read_at" in event.data) == (None, id_, True)
        assert (await stream.next("counts")).data == {"unseen": 1, "unread": 1, "last_seq": 2}


async def test_a_stream_shows_nothing_of_others(site: Site):
    async with site.first.stream(after=0) as stream:
        await stream.next("counts")
        (bens,) = await site.store("ben")
        await site.tell({("acme", "ada"): [bens]})  # also where a record names it
        await site.store("ada")
        assert (await stream.next("item", "changed")).data["seq"] == 1


async def test_a_stream_ends_with_its_token_and_with_its_process(site: Site):
    async with site.first.stream() as stream, site.second.stream() as other:
        await stream.next("counts")
        await other.next("counts")
        site.first.api.clock.advance(3601)
        await site.store("ada")
        assert (await stream.next("expired")).data == {}
        site.second.watchers.end()
        with pytest.raises(AssertionError, match="ended"):
            await other.next("expired")


async def test_what_is_no_ticket_opens_nothing(site: Site):
    async with site.first.caller() as ada:
        ticket = (await ada.post("/v1/inbox/tickets")).json()
        assert ticket["expires_in"] == 60
        good = ticket["ticket"]
        for bad in (
            "",
            "x",
            "acme.",
            good[:-2],
            good.replace("acme", "beta"),
            "." * 1000,
            site.first.api.token(),
        ):
            answer = await ada.get("/v1/inbox/events", params={"ticket": bad})
            assert (answer.status_code, answer.json()["code"]) in {
                (401, "token_invalid"),
                (422, "invalid_request"),
            }
        for header in ("x", "-1", str(2**63), "1.0"):
            answer = await ada.get(
                "/v1/inbox/events", params={"ticket": good}, headers={"last-event-id": header}
            )
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        page = await ada.get(
            "/v1/inbox/events", params={"ticket": good}, headers={"origin": "https://beta.example"}
        )
        assert page.status_code == 403
        site.first.api.clock.advance(61)
        late = await ada.get("/v1/inbox/events", params={"ticket": good}, headers={"origin": SHOP})
        assert (late.status_code, late.json()["code"]) == (401, "token_expired")
