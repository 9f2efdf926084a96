"""A box over a WebSocket, heard by aiohttp's client: the frames of the stream, nothing missed between two connections, an end that says why."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tocsin.testing.until import until

from .inbox_callers import SHOP
from .live_site import Instance, Site, site

__all__ = ["site"]

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

ITEMS = 60
Socket = aiohttp.ClientWebSocketResponse


async def ticket(where: Instance) -> str:
    async with where.caller() as ada:
        return str((await ada.post("/v1/inbox/tickets")).json()["ticket"])


@asynccontextmanager
async def socket(where: Instance, **query: Any) -> AsyncIterator[Socket]:
    asked = {"ticket": await ticket(where)} | query
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(f"{where.url}/v1/inbox/socket", params=asked, origin=SHOP) as opened,
    ):
        yield opened


async def hear(opened: Socket, *names: str) -> dict[str, Any]:
    """The next event, of those names where they are given."""
    while True:
        event: dict[str, Any] = await opened.receive_json(timeout=30)
        if not names or event["event"] in names:
            return event


async def test_it_tells_the_events_of_the_stream(site: Site):
    (id_,) = await site.store("ada")
    async with socket(site.second) as opened, site.first.caller() as ada:
        assert await hear(opened) == {"event": "counts", "data": {"unseen": 1, "unread": 1, "last_seq": 1}}
        (newer,) = await site.store("ada")
        event = await hear(opened)
        assert (event["event"], event["id"], event["data"]["id"]) == ("item", 2, newer)
        assert (await hear(opened))["data"] == {"unseen": 2, "unread": 2, "last_seq": 2}
        await ada.patch(f"/v1/inbox/items/{id_}", json={"read": True})
        await site.tell({("acme", "ada"): [id_]})
        event = await hear(opened, "changed")
        assert ("id" in event, event["data"]["id"], "read_at" in event["data"]) == (False, id_, True)


async def test_who_connects_again_at_any_moment_sees_each_item_once(site: Site):
    chance = random.Random(5)

    async def write() -> None:
        for _ in range(ITEMS):
            await site.store("ada", "ben")

    writing = asyncio.create_task(write())
    seen: list[int] = []
    while len(seen) < ITEMS:
        async with socket(chance.choice([site.first, site.second]), after=len(seen)) as opened:
            many = min(chance.randrange(1, 12), ITEMS - len(seen))
            seen += [(await hear(opened, "item"))["id"] for _ in range(many)]
    await writing
    assert seen == list(range(1, ITEMS + 1))


async def test_it_ends_with_its_token_and_with_its_process(site: Site):
    async with socket(site.first) as opened, socket(site.second) as other:
        await hear(opened, "counts")
        await hear(other, "counts")
        site.first.api.clock.advance(3601)
        await site.store("ada")
        assert await hear(opened, "expired") == {"event": "expired", "data": {}}
        assert (await opened.receive(timeout=30)).type is aiohttp.WSMsgType.CLOSE
        assert opened.close_code == 4401
        site.second.watchers.end()
        while (await other.receive(timeout=30)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert other.close_code == 1012


async def test_who_leaves_or_speaks_is_watched_no_longer_and_others_are(site: Site):
    async with socket(site.first) as staying:
        await hear(staying, "counts")
        async with socket(site.first) as speaking, socket(site.first) as leaving:
            await hear(speaking, "counts")
            await hear(leaving, "counts")
            await speaking.send_str("hello")
            assert (await speaking.receive(timeout=30)).type is aiohttp.WSMsgType.CLOSE
            assert speaking.close_code == 1008
        await until(lambda: site.first.watchers.count == 1)
        await site.store("ada")
        assert (await hear(staying, "item"))["id"] == 1
    await until(lambda: site.first.watchers.count == 0)


async def test_what_is_no_ticket_opens_nothing_and_says_why(site: Site):
    good = await ticket(site.first)
    cases: list[tuple[dict[str, str], str, int, str]] = [
        ({}, SHOP, 401, "token_invalid"),
        ({"ticket": "x" * 2000}, SHOP, 401, "token_invalid"),
        ({"ticket": site.first.api.token()}, SHOP, 401, "token_invalid"),
        ({"ticket": good}, "https://beta.example", 403, "forbidden"),
        ({"ticket": good, "after": "-1"}, SHOP, 422, "invalid_request"),
        ({"ticket": good, "after": "9" * 19}, SHOP, 422, "invalid_request"),
        ({"ticket": good} | {f"p{number}": "x" for number in range(20)}, SHOP, 422, "invalid_request"),
    ]
    async with aiohttp.ClientSession() as client:
        for query, origin, status, code in cases:
            head = {
                "connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "origin": origin,
                "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
            }  # fmt: skip
            async with client.get(f"{site.first.url}/v1/inbox/socket", params=query, headers=head) as answer:
                problem = await answer.json(content_type="application/problem+json")
                assert (answer.status, problem["code"]) == (status, code), query
        site.first.api.clock.advance(61)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(f"{site.first.url}/v1/inbox/socket", params={"ticket": good})
        assert refused.value.status == 401
