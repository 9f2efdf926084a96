"""One rendered delivery to one address, ready to hand to a provider."""

from datetime import datetime
from typing import Literal

import msgspec

from tocsin.contracts.actions import Action
from tocsin.contracts.channels import AnyContent
from tocsin.contracts.contents import (
    ChatContent,
    Content,
    EmailContent,
    InappContent,
    PushContent,
    SmsContent,
    WebhookContent,
)
from tocsin.contracts.intents import Intent, RetryMemory
from tocsin.contracts.vocabulary import DEFAULT_TEMPLATE, Channel, Lane

__all__ = [
    "Action",
    "ChatContent",
    "Content",
    "DeliveryClass",
    "EmailContent",
    "InappContent",
    "Job",
    "JobPrivate",
    "PushContent",
    "SenderIdentity",
    "SmsContent",
    "Tracking",
    "WebhookContent",
]


# `gc=False` here, in content and in intents: they are trees, and dispatchers hold ten thousands of them. With 10,000 jobs held a full
# garbage collection takes 8 instead of 23 ms, during which nothing is sent.
DeliveryClass = Literal["at_least_once", "at_most_once"]
Tracking = Literal["off", "aggregate", "individual"]
"""Whether it is told that a message was opened and what in it was clicked: not at all, counted without a person, or of each recipient."""


class SenderIdentity(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """A tenant's sender identity on one channel. SMS: an E.164 number, a short code or an alphanumeric sender."""

    address: str
    name: str | None = None
    reply_to: str | None = None


class JobPrivate(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """What of a job identifies a person, beside its intent's own. Never logged, never in a status."""

    address: str
    """Where it goes: a mail address, an E.164 number, a device token, an endpoint's key."""
    content: AnyContent
    told: msgspec.Raw = msgspec.Raw(b"")
    """Of a job that tells of a status: the event that is sent, as it stands, in place of the content. Otherwise empty."""
    unsubscribe_url: str | None = None


class Job(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One record of `jobs.<channel>.<lane>`, keyed `tenant/recipient`."""

    version: int = 1
    delivery_id: str
    notification_id: str
    tenant: str
    recipient: str
    recipient_version: int
    """The recipient's version when this was decided: under a smaller one than `stops` knows, it goes back for a recheck."""
    workflow: str
    category: str
    channel: Channel
    lane: Lane
    step: str
    address_key: str
    target: str | None = None
    """Which kind of provider knows the address, as a device's `kind`: `fcm`, `apns`, `webpush`, or a word that only newer
    releases know. None on channels with one kind, such as email."""
    app: str | None = None
    """Of a device: which of the tenant's apps it is. A provider may need to know it."""
    address_hash: str
    """Which address it is, without the address: `<key id>.<16 characters of base64url>`. Every status repeats it."""
    private: JobPrivate
    required: bool = False
    """Whether its category is required: it goes out even while nobody can know what was taken away from the recipient just now."""
    delivery_class: DeliveryClass = "at_least_once"
    """`at_most_once`: what may have been sent is not sent again."""
    resend_elsewhere: bool = False
    """Whether another provider may be asked while nobody knows if the former one has sent it."""
    tracking: Tracking = "off"
    """What its category says of that, on channels that can; `off` where the category is required."""
    sender: SenderIdentity | None = None
    providers: list[str] = []
    """Provider instances in order of preference; empty: the dispatcher's default."""
    locale: str | None = None
    template: str = DEFAULT_TEMPLATE
    """The template's name."""
    template_version: int
    test: bool = False
    settled: bool = False
    """It tells of what has happened, so nothing that a recipient changes takes it away. It is never decided again: a retry keeps the job."""
    attempt: int = 1
    retry: RetryMemory | None = None
    """None: no attempt was made before this record."""
    event_time: datetime
    expires_at: datetime
    intent: Intent
    """What it was decided from, so that it can be rechecked."""
    origin: str
    """The record of the event: `topic/partition/offset`."""
    cause: str
    """The record that this one follows from: `topic/partition/offset`."""
    traceparent: str | None = None

    @property
    def may_be_late_to_stop(self) -> bool:
        """Whether it goes out even while nobody can know what was taken away from the recipient just now."""
        return self.required or self.settled
