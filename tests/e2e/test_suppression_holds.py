"""What a provider says of an address holds for everyone who has it, also for what was decided before."""

import asyncio
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from confluent_kafka import Producer
from tests.e2e.test_stops_hold import caught_of, frozen, routed, saved, sent

from tocsin.contracts.codec import decode_status, encode
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane, Reason
from tocsin.kafka import KafkaSettings, read_to_end
from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

STOPPED = "+15005550004"
"""The catcher refuses it as Twilio refuses whoever has answered STOP (21610)."""
COUNT = 60
PROMISED = 5.0
"""Seconds from a provider's word until it holds everywhere (docs/suppression.md)."""


async def is_suppressed(tocsin: Any, channel: str, address: str) -> bool:
    answer = await tocsin.api.post("/v1/suppressions/search", json={"channel": channel, "address": address})
    assert answer.status_code == 200, answer.text
    return bool(answer.json()["data"])


async def workflow_on(tocsin: Any, key: str, channel: str, *, default: str, parts: dict[str, str]) -> None:
    await saved(tocsin, f"/v1/categories/{key}", {"default": default})
    workflow = {"category": key, "channels": [channel], "lane": "bulk"}
    await saved(tocsin, f"/v1/workflows/{key}", workflow)
    template = {"parts": parts, "publish": True}
    await saved(tocsin, f"/v1/workflows/{key}/templates/{channel}/default/en", template)


async def share(tocsin: Any, address: str, *people: Any) -> None:
    """All of them have this mail address, each other one in small letters."""
    for place, person in enumerate(people):
        email = address.lower() if place % 2 else address
        await saved(tocsin, f"/v1/recipients/{person.id}", {"email": email})


async def ends(tocsin: Any, notification: str) -> list[tuple[str, str | None, str | None]]:
    statuses = await tocsin.until_final(notification, deliveries=1)
    return [(s["status"], s.get("rule"), s.get("reason")) for s in statuses if s["final"]]


async def test_who_answered_stop_to_one_gets_nothing_as_another_even_if_it_is_required(tocsin: Any) -> None:
    first, second = await tocsin.person(), await tocsin.person()
    key = f"code-{first.id}"
    await workflow_on(tocsin, key, "sms", default="required", parts={"body": "{{ data.order }}"})
    for person in (first, second):
        await saved(tocsin, f"/v1/recipients/{person.id}", {"phone": STOPPED})
    assert await ends(tocsin, await sent(tocsin, key, first.id)) == [("failed", None, "recipient_stopped")]
    await until(partial(is_suppressed, tocsin, "sms", STOPPED), seconds=60, every=0.1)
    try:
        for person in (first, second):
            told = await ends(tocsin, await sent(tocsin, key, person.id))
            assert told == [("skipped", "suppression", "complaint")]
    finally:
        body = {"channel": "sms", "address": STOPPED, "reason": "other tests use the number"}
        assert (await tocsin.admin.post("/v1/suppressions/remove", json=body)).is_success


async def test_a_mailbox_that_is_gone_gets_nothing_whoever_else_has_it(tocsin: Any) -> None:
    """The mail server itself says so, 550 5.1.1, of one message; nothing more is sent there, also as another recipient, and it is required."""
    first, second = await tocsin.person(), await tocsin.person()
    key = f"receipt-{first.id}"
    await workflow_on(
        tocsin, key, "email", default="required", parts={"subject": "Receipt", "text": "{{ data.order }}"}
    )
    address = f"No-Such-Mailbox-{first.id}@person.example"
    await share(tocsin, address, first, second)
    assert await ends(tocsin, await sent(tocsin, key, first.id)) == [("failed", None, "address_gone")]
    await until(partial(is_suppressed, tocsin, "email", address), seconds=60, every=0.1)
    for person in (first, second):
        told = await ends(tocsin, await sent(tocsin, key, person.id))
        assert told == [("skipped", "suppression", "bounce")]


@pytest.mark.nightly
async def test_a_bounce_reaches_a_bulk_backlog_of_everyone_who_has_the_address(tocsin: Any) -> None:
    """The receipt comes while a dispatcher holds messages for another recipient with the same address."""
    bounced, other = await tocsin.person(), await tocsin.person()
    key = f"offers-{bounced.id}"
    await workflow_on(
        tocsin, key, "email", default="on", parts={"subject": "Offers", "text": "{{ data.order }}"}
    )
    address = f"Shared-{bounced.id}@person.example"
    await share(tocsin, address, bounced, other)
    before = await sent(tocsin, key, bounced.id)
    assert await ends(tocsin, before) == [("sent", None, None)]
    with frozen(tocsin.endpoints()["processes"]["dispatch-email"]["pid"]):
        waiting = await asyncio.gather(*(sent(tocsin, key, other.id) for _ in range(COUNT)))
        for notification in waiting:
            await until(partial(routed, tocsin, notification), seconds=60, every=0.1)
        await tell_bounced(tocsin, before)
        told = time.monotonic()
        await until(partial(is_suppressed, tocsin, "email", address), seconds=60, every=0.1)
        # A dispatcher that wakes within the 5 s that are promised may still believe its copy.
        await until(lambda: time.monotonic() - told > PROMISED, seconds=60, every=0.1)
    for notification in waiting:
        assert await ends(tocsin, notification) == [("skipped", "suppression", "bounce")]
    assert not await caught_of(tocsin, waiting)


async def tell_bounced(tocsin: Any, notification: str) -> None:
    """As a provider's receipt for the mail of this notification is told."""
    topic = Topics().status(Lane.BULK)
    settings = KafkaSettings(bootstrap_servers=tocsin.stack["kafka"])
    records = [r async for batch in read_to_end(settings=settings, topic=topic, deadline=60) for r in batch]
    statuses = [decode_status(record.value or b"") for record in records]
    (mail,) = (
        s for s in statuses if getattr(s, "status", None) == "sent" and s.notification_id == notification
    )
    mail.status, mail.reason, mail.at = "bounced", Reason.HARD_BOUNCE, datetime.now(UTC)
    mail.status_id, mail.cause = f"{mail.status_id[:-4]}beef", "receipt-1"
    producer = Producer({"bootstrap.servers": tocsin.stack["kafka"], "partitioner": "murmur2_random"})
    producer.produce(topic, key=recipient_key(mail.tenant, mail.recipient or ""), value=encode(mail))
    assert producer.flush(30) == 0
