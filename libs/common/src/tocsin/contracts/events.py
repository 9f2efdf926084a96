"""What producers write: CloudEvents 1.0, of any business type, the direct request for a notification, or a cancellation."""

from datetime import datetime

import msgspec

from tocsin.contracts.attachments import GivenAttachment
from tocsin.contracts.recipients import GivenRecipient
from tocsin.contracts.vocabulary import Lane

NOTIFICATION_REQUESTED = "tocsin.notification.requested.v1"
"""The type of the direct request; its data is a `NotificationRequest`."""
CANCELLATION_REQUESTED = "tocsin.cancellation.requested.v1"
"""The type of the event that takes back what was sent before it; its data is a `CancellationRequest`."""
ENDPOINT_FAILING = "tocsin.webhook.endpoint.failing.v1"
"""Tocsin's own, to a tenant: an endpoint of its webhooks fails, and will be disabled."""
ENDPOINT_DISABLED = "tocsin.webhook.endpoint.disabled.v1"
"""Tocsin's own, to a tenant: an endpoint of its webhooks has failed for too long and was disabled."""


class Event(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A CloudEvent that passed validation. `data` is JSON, unparsed; `time` is the producer's claim, never relied on."""

    tenant: str
    source: str
    id: str
    type: str
    subject: str | None = None
    time: datetime | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")
    test: bool = False
    traceparent: str | None = None
    send_at: datetime | None = None
    delay: int | None = None
    """Seconds. What follows from the event is sent so much later, or at `send_at`: extension attributes `delay` and `sendat`."""
    cancel_key: str | None = None
    """Under which its producer may cancel what follows from it: extension attribute `cancelkey`."""


class NotificationRequest(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The direct request: which workflow, for whom, with what data. A field that nobody knows is a fault."""

    workflow: str
    recipients: list[str | GivenRecipient]
    data: msgspec.Raw = msgspec.Raw(b"{}")
    actor: str | GivenRecipient | None = None
    """Who caused it."""
    link: str | None = None
    """Where a reader goes from the message. `contracts.values.link` says what it may be."""
    lane: Lane | None = None
    expires_at: datetime | None = None
    send_at: datetime | None = None
    delay: int | None = None
    """Seconds after the event. At most one of the two says when it is sent; without them, at once."""
    cancel_key: str | None = None
    """Under which it may be cancelled; in place of the event's `cancelkey`."""
    attachments: list[GivenAttachment] = []
    """Files for its mails. `contracts.values.attachments` says what they may be."""


class CancellationRequest(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is to be cancelled: one notification, or all events with a key that were stored before this one."""

    notification_id: str | None = None
    key: str | None = None
