"""What the router has yet to decide: a notification for one recipient, or the rest of a fan-out."""

from datetime import datetime

import msgspec

from tocsin.contracts.events import Event
from tocsin.contracts.recipients import InlineRecipient
from tocsin.contracts.vocabulary import ChannelWord, Lane


class DeliveryRef(msgspec.Struct, kw_only=True, frozen=True):
    """Names one delivery of a notification: `address_key` is `email`, `phone` or the device's id, never an address."""

    channel: ChannelWord
    step: str
    address_key: str


class Run(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """Where a notification that has waited goes on."""

    turn: int
    """How often it has waited."""


class IntentPrivate(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What of an intent identifies a person. Nothing outside it does, so that it can be sealed as a whole."""

    inline: InlineRecipient | None = None
    actor: str | InlineRecipient | None = None
    link: str | None = None
    """Where a reader goes from the message: http or https."""
    data: msgspec.Raw = msgspec.Raw(b"{}")


class Intent(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="notification"):
    """One notification for one recipient; or, where `delivery` is set, the recheck of that one delivery of it."""

    version: int = 1
    tenant: str
    notification_id: str
    event_source: str
    event_id: str
    event_type: str
    event_time: datetime
    """When the broker stored the event (log append), UTC."""
    workflow: str
    recipient: str
    private: IntentPrivate
    lane: Lane
    expires_at: datetime | None = None
    """As the producer asked; None leaves it to the category's or the lane's time to live."""
    due_at: datetime | None = None
    """When it is to be sent, where that was not at once; its time to live counts from here."""
    run: Run | None = None
    """None: it has not waited yet."""
    test: bool = False
    delivery: DeliveryRef | None = None
    origin: str
    """The record of the event: `topic/partition/offset`."""
    cause: str
    """The record that this one follows from: `topic/partition/offset`."""
    traceparent: str | None = None


class Continuation(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="continuation"):
    """The rest of a fan-out: the event and how far it has come. Keyed `tenant/event`."""

    version: int = 1
    event: Event
    event_time: datetime
    lane: Lane
    workflow: str
    cursor: int
    """Index of the first recipient that has no intent yet, in the order in which the event names them."""
    revision: int | None = None
    """The workflow's, when the fan-out began."""
    recipients_sha256: str | None = None
    """Of all their ids in this order, hex: `cursor` counts in no other list. Each id is followed by a NUL. None: not compared."""
    origin: str
    """The record of the event: `topic/partition/offset`."""
    cause: str
    """The record that this one follows from: `topic/partition/offset`."""
    traceparent: str | None = None


IntentRecord = Intent | Continuation
"""Every record of `intents.<lane>`."""
