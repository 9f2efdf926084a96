"""Streams of a box over real HTTP and Kafka: whoever connects anew at any moment sees each item once, whichever process stored it."""

import asyncio
import random

import pytest

from .inbox_callers import SHOP
from .live_site import Site, site

__all__ = ["site"]

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

ITEMS = 120


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
