"""Jobs for tests of dispatchers and providers: whole, valid, with markers that a search of logs will find."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tocsin.contracts.intents import Intent
from tocsin.contracts.jobs import Content, EmailContent, Job, PushContent, Sender, SmsContent
from tocsin.contracts.vocabulary import Channel, Lane

_ADDRESS = {
    Channel.EMAIL: "marked-address@example.org",
    Channel.SMS: "+4915112345678",
    Channel.PUSH: "marked-address-device-token",
}
_CONTENT: dict[Channel, Content] = {
    Channel.EMAIL: EmailContent(subject="marked-body subject", text="marked-body", html="<p>marked-body</p>"),
    Channel.SMS: SmsContent(body="marked-body"),
    Channel.PUSH: PushContent(title="marked-body title", body="marked-body", data={"order": "4711"}),
}
_SENDER = {
    Channel.EMAIL: Sender(address="shop@example.com", name="Shop", reply_to="help@example.com"),
    Channel.SMS: Sender(address="+4915100000000"),
    Channel.PUSH: None,
}
MARKERS = ("marked-address", "marked-body", "+4915112345678", "4915112345678")
"""What must never be found in a log, an answer or a metric."""


def job_for(channel: Channel, **fields: Any) -> Job:
    """A job of `channel`, expiring in an hour; `fields` replace its own."""
    now = datetime.now(UTC)
    intent = Intent(
        tenant="acme",
        notification_id="c1d3a1f0-2f6e-5a2b-9a67-0d7a3b1c2e4f",
        event_source="tests",
        event_id="event-1",
        event_type="com.example.tested",
        event_time=now,
        workflow="order-shipped",
        recipient="ada",
        lane=Lane.TRANSACTIONAL,
        origin="tocsin.events.transactional/0/1",
        cause="tocsin.events.transactional/0/1",
    )
    job = Job(
        delivery_id="3b0f6c1e-9d4b-5a53-8e33-1f2a4cbb1d10",
        notification_id=intent.notification_id,
        tenant="acme",
        recipient="ada",
        recipient_version=1,
        workflow="order-shipped",
        category="orders",
        channel=channel,
        lane=Lane.TRANSACTIONAL,
        step="send",
        address_key=str(channel),
        address=_ADDRESS[channel],
        content=_CONTENT[channel],
        sender=_SENDER[channel],
        template_version=1,
        event_time=now,
        expires_at=now + timedelta(hours=1),
        intent=intent,
        origin=intent.origin,
        cause="tocsin.intents.transactional/0/1",
    )
    return msgspec.structs.replace(job, **fields)
