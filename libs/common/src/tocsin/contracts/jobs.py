"""One rendered delivery to one address, ready to hand to a provider."""

from datetime import datetime

import msgspec

from tocsin.contracts.intents import Intent
from tocsin.contracts.vocabulary import Channel, Lane


class EmailContent(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="email"):
    """Rendered parts of a mail; at least one of `text` and `html` is set."""

    subject: str
    text: str | None = None
    html: str | None = None


class SmsContent(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="sms"):
    """The rendered text of an SMS."""

    body: str


class PushContent(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="push"):
    """The rendered push message. `data` reaches the app as strings, as FCM and APNs want it."""

    title: str
    body: str
    data: dict[str, str] = {}


Content = EmailContent | SmsContent | PushContent


class Sender(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A tenant's sender identity on one channel. SMS: an E.164 number, a short code or an alphanumeric sender."""

    address: str
    name: str | None = None
    reply_to: str | None = None


class Job(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One record of `jobs.<channel>.<lane>`, keyed `tenant/recipient`."""

    version: int = 1
    delivery_id: str
    notification_id: str
    tenant: str
    recipient: str
    recipient_version: int
    """The recipient's version when this was decided: under a smaller one than `stops` knows, it is decided again."""
    workflow: str
    category: str
    channel: Channel
    lane: Lane
    step: str
    address_key: str
    address: str
    """Where it goes: a mail address, an E.164 number, a device token. Never logged, never in a status."""
    content: Content
    sender: Sender | None = None
    unsubscribe_url: str | None = None
    providers: list[str] = []
    """Provider instances in order of preference; empty: the dispatcher's default."""
    locale: str | None = None
    template_version: int
    test: bool = False
    attempt: int = 1
    event_time: datetime
    expires_at: datetime
    intent: Intent
    """What it was decided from, so that it can be decided again."""
    origin: str
    cause: str
    traceparent: str | None = None
