"""Jobs for tests of dispatchers and providers: whole, valid, with markers that a search of logs will find."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tocsin.contracts.address_kinds import CHAT_PLACE, DEVICE, ENDPOINT, MAIL_ADDRESS, PHONE_NUMBER, RECIPIENT
from tocsin.contracts.channels import CHANNELS, TemplatePart
from tocsin.contracts.contents import Content
from tocsin.contracts.intents import Intent, IntentPrivate
from tocsin.contracts.jobs import Job, JobPrivate, SenderIdentity
from tocsin.contracts.vocabulary import Channel, ChatKind, DeviceKind, Lane

_ADDRESS = {
    MAIL_ADDRESS: "marked-address@example.org",
    PHONE_NUMBER: "+4915112345678",
    DEVICE: "marked-address-device-token",
    CHAT_PLACE: "C0MARKEDADDRESS",
    ENDPOINT: "marked-address-endpoint",
    RECIPIENT: "ada",
}
_TOKENS = {
    DeviceKind.FCM.value: _ADDRESS[DEVICE],
    DeviceKind.APNS.value: b"marked-address-of-an-iphone-----".hex(),
}
"""Of each kind of device."""
_TARGETS = {DEVICE: DeviceKind.FCM.value, CHAT_PLACE: ChatKind.SLACK.value}
"""Of jobs that name none."""
_SENDER = {
    MAIL_ADDRESS: SenderIdentity(address="shop@example.com", name="Shop", reply_to="help@example.com"),
    PHONE_NUMBER: SenderIdentity(address="+4915100000000"),
}
MARKERS = (
    "marked-address",
    "C0MARKEDADDRESS",
    "marked-body",
    "+4915112345678",
    "4915112345678",
    b"marked-address".hex(),
)
"""What must never be found in a log, an answer or a metric."""


def content_for(channel: Channel) -> Content:
    """Content with every part of free text that the channel's templates may have."""
    spec = CHANNELS[channel]
    texts = {part.name: _text(part) for part in spec.parts if part.form is None}
    if spec.named_parts is not None:
        texts[f"{spec.named_parts}.order"] = "4711"
    return spec.content_of(texts)


def _text(part: TemplatePart) -> str:
    if part.html:
        return "<p>marked-body</p>"
    return f"marked-body {part.name}" if part.one_line else "marked-body"


def job_for(channel: Channel, **fields: Any) -> Job:
    """A job of `channel`, expiring in an hour; `fields` replace its own, those of `private` by their own names. A `target` brings a
    token of its kind."""
    now = datetime.now(UTC)
    spec = CHANNELS[channel]
    target = fields.get("target", _TARGETS.get(spec.address))
    intent = Intent(
        tenant="acme",
        notification_id="c1d3a1f0-2f6e-5a2b-9a67-0d7a3b1c2e4f",
        event_source="tests",
        event_id="event-1",
        event_type="com.example.tested",
        event_time=now,
        workflow="order-shipped",
        recipient="ada",
        private=IntentPrivate(),
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
        target=target,
        address_hash="test.AAAAAAAAAAAAAAAA",
        private=JobPrivate(
            address=_TOKENS.get(target or "", _ADDRESS[spec.address]), content=content_for(channel)
        ),
        sender=_SENDER.get(spec.address) if spec.has_sender else None,
        template_version=1,
        event_time=now,
        expires_at=now + timedelta(hours=1),
        intent=intent,
        origin=intent.origin,
        cause="tocsin.intents.transactional/0/1",
    )
    private = {name: fields.pop(name) for name in JobPrivate.__struct_fields__ if name in fields}
    return msgspec.structs.replace(job, private=msgspec.structs.replace(job.private, **private), **fields)
