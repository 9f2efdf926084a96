"""What the router has yet to decide: a notification for one recipient, the rest of a fan-out, or what a re-drive sends again."""

from datetime import datetime

import msgspec

from tocsin.contracts.attachments import Attachment
from tocsin.contracts.events import Event
from tocsin.contracts.recipients import InlineRecipient
from tocsin.contracts.vocabulary import ChannelWord, Lane


class DeliveryRef(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """Names one delivery of a notification: `address_key` is `email`, `phone` or the device's id, never an address."""

    channel: ChannelWord
    step: str
    address_key: str


class Run(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True, gc=False):
    """Where a notification that has waited goes on."""

    turn: int
    """How often it has waited."""


class RetryMemory(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True, gc=False):
    """What was tried for a delivery before this record."""

    attempt: int
    """How many attempts were made."""
    first_at: datetime
    """When the first was made, UTC."""
    uncertain: str | None = None
    """The provider instance that may have sent the message although nobody knows: no other is asked, unless the category allows it, and
    what ends the delivery otherwise ends it as `unknown`."""


class IntentPrivate(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """What of an intent identifies a person. Nothing outside it does, so that it can be sealed as a whole."""

    inline: InlineRecipient | None = None
    actor: str | InlineRecipient | None = None
    link: str | None = None
    """Where a reader goes from the message: http or https."""
    data: msgspec.Raw = msgspec.Raw(b"{}")
    attachments: list[Attachment] = []
    """Files for its mails. Jobs of other channels carry none."""


class Intent(
    msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="notification", gc=False
):
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
    cancel_key: str | None = None
    """Under which its producer may cancel it."""
    delivery: DeliveryRef | None = None
    retry: RetryMemory | None = None
    """Of one delivery that was tried before. Deciding again copies it."""
    redrive: str | None = None
    """The re-drive that had it decided, or decided again."""
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
    redrive: str | None = None
    """The re-drive with which it goes on."""
    subject: str | None = None
    """The dead letter that the re-drive sends again; None in what the router writes. `redrive` and `subject` are claimed, as an event is."""
    origin: str
    """The record of the event: `topic/partition/offset`."""
    cause: str
    """The record that this one follows from: `topic/partition/offset`."""
    traceparent: str | None = None


class Redrive(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="redrive"):
    """What a re-drive sends again: one delivery, one notification as a whole, or an event that was a dead letter.

    The router derives everything anew from the event, by the directory as it then stands. Keyed `tenant/recipient`, or
    `tenant/event` where it is an event. `redrive` and `subject` are claimed, as an event is: of two equal records one counts.
    """

    version: int = 1
    redrive: str
    """The re-drive's id."""
    subject: str
    """The id of what is sent again: a delivery, a notification, or a dead letter."""
    event: Event
    """Of a direct request to many only the recipient is left that this is for."""
    event_time: datetime
    """When the broker stored the event (log append), UTC."""
    lane: Lane
    notification_id: str | None = None
    """Set with `workflow` and `recipient`, unless it is an event."""
    workflow: str | None = None
    recipient: str | None = None
    delivery: DeliveryRef | None = None
    """The one delivery; None: the notification as a whole, which had ended before there was a delivery."""
    workflows: list[str] = []
    """Of an event: the workflows that refused it, where others did not. Empty: all that it triggers."""
    origin: str
    """The record of the event: `topic/partition/offset`."""
    cause: str
    """The record that told of the end: `topic/partition/offset`."""
    traceparent: str | None = None


IntentRecord = Intent | Continuation | Redrive
"""Every record of `intents.<lane>`."""
