"""The tenant whose messages are measured: a thousand recipients, one workflow a lane, one mail of about 1.5 KB."""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from environment import TENANT
from tocsin.contracts.cloudevents import write_kafka
from tocsin.contracts.codec import encode
from tocsin.contracts.events import NOTIFICATION_REQUESTED, Event, NotificationRequest
from tocsin.contracts.ids import INGEST_SOURCE, event_key, notification_id, recipient_key
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.dev.api import Api
from tocsin.kafka import ProducerRecord

KEY_SECONDS = 30.0
RECIPIENTS = [f"user-{number:04}" for number in range(1000)]
EVERYWHERE = [f"everywhere-{number:04}" for number in range(200)]
"""Those who are also reached by SMS and push."""
DATA = {"order": "A-1042", "carrier": "DHL", "arrives": "27.11."}

TEXT = """\
Hello {{ recipient.attributes.first_name }},

your order {{ data.order }} left our warehouse today. {{ data.carrier }} brings it on {{ data.arrives }}.
You need not be at home: tell the carrier where to leave it, or choose another day.

If anything is missing or broken, answer this mail within two weeks and we shall put it right.

Unsubscribe: {{ links.unsubscribe }}
"""
HTML = """\
<!doctype html>
<html lang="en"><body style="font-family: system-ui, sans-serif; color: #1f2933">
<h1 style="font-size: 20px">On its way, {{ recipient.attributes.first_name }}!</h1>
<p>Your order <strong>{{ data.order }}</strong> left our warehouse today. {{ data.carrier }} brings it on {{ data.arrives }}.</p>
<p>You need not be at home: tell the carrier where to leave it, or choose another day.</p>
<p>If anything is missing or broken, answer this mail within two weeks and we shall put it right.</p>
<p style="color: #616e7c; font-size: 12px">You get this mail because you ordered something from us.
<a href="{{ links.unsubscribe }}">Unsubscribe</a></p>
</body></html>
"""
_SHORT = "Your order {{ data.order }} is on its way. {{ data.carrier }} brings it on {{ data.arrives }}."
SUBJECT = "Your order {{ data.order }} is on its way"
_PARTS = {"subject": SUBJECT, "text": TEXT, "html": HTML}
PARTS_OF = {
    Channel.EMAIL: _PARTS,
    Channel.SMS: {"body": _SHORT},
    Channel.PUSH: {"title": "On its way", "body": _SHORT},
}


def workflow_of(lane: Lane, *, everywhere: bool = False) -> str:
    """The key of the lane's workflow: by mail, or on three channels."""
    return f"everywhere-{lane}" if everywhere else f"shipped-{lane}"


async def settle(api: Api) -> None:
    """Make the tenant, through the public API, once its key is known there."""
    async with asyncio.timeout(KEY_SECONDS):
        while (await api.call("GET", "/v1/tenant"))[0] == 401:  # noqa: ASYNC110 - the condition lies in another process
            await asyncio.sleep(0.05)
    sender = {"address": "orders@bench.example", "name": "Bench shop", "reply_to": "help@bench.example"}
    senders = {"email": sender, "sms": {"address": "+14155550100"}}
    await api.do("PUT", "/v1/tenant", {"name": "Bench", "senders": senders})
    await api.do("PUT", "/v1/categories/orders", {"name": "Your orders", "default": "on"})
    for lane in Lane:
        await make_workflow(api, workflow_of(lane), lane, {Channel.EMAIL: _PARTS})
        await make_workflow(api, workflow_of(lane, everywhere=True), lane, PARTS_OF)
    await api.do("POST", "/v1/recipients/bulk", {"recipients": [_person(who) for who in RECIPIENTS]})
    reached = [_person(who) | {"phone": f"+1415555{number:04}"} for number, who in enumerate(EVERYWHERE)]
    await api.do("POST", "/v1/recipients/bulk", {"recipients": reached})
    for who in EVERYWHERE:
        await api.do("PUT", f"/v1/recipients/{who}/devices/phone", {"token": f"token-of-{who}"})


async def make_workflow(
    api: Api, key: str, lane: Lane, parts: Mapping[Channel, Mapping[str, str]], *, category: str = "orders"
) -> None:
    """One that takes `DATA`, on these channels with these parts."""
    schema = {
        "type": "object",
        "required": list(DATA),
        "properties": {name: {"type": "string"} for name in DATA},
    }
    workflow = {"name": "Shipped", "category": category, "lane": lane, "channels": list(parts)}
    await api.do("PUT", f"/v1/workflows/{key}", {**workflow, "data_schema": schema})
    for channel, written in parts.items():
        path = f"/v1/workflows/{key}/templates/{channel}/default/en"
        await api.do("PUT", path, {"parts": written, "publish": True})


def _person(who: str) -> dict[str, object]:
    return {
        "id": who,
        "email": f"{who}@bench.example",
        "locale": "en",
        "attributes": {"first_name": f"Ada {who}"},
    }


def notification(
    event: str, recipient: str, lane: Lane, *, everywhere: bool = False, source: str = INGEST_SOURCE
) -> str:
    """The id of the notification that an event becomes for one recipient."""
    workflow = workflow_of(lane, everywhere=everywhere)
    return notification_id(
        tenant=TENANT, source=source, event_id=event, recipient=recipient, workflow=workflow
    )


def record(
    event_id: str, recipients: Sequence[str], *, lane: Lane, topics: Topics, everywhere: bool = False
) -> ProducerRecord:
    """The event as ingest would store it: with one recipient, in that recipient's partition."""
    request = NotificationRequest(
        workflow=workflow_of(lane, everywhere=everywhere),
        recipients=list(recipients),
        data=msgspec.Raw(encode(DATA)),
    )
    event = Event(
        tenant=TENANT,
        source=INGEST_SOURCE,
        id=event_id,
        type=NOTIFICATION_REQUESTED,
        data=msgspec.Raw(encode(request)),
    )
    key = recipient_key(TENANT, recipients[0]) if len(recipients) == 1 else event_key(TENANT, event_id)
    headers, value = write_kafka(event)
    return ProducerRecord(topics.events(lane), key, value, tuple(headers))
