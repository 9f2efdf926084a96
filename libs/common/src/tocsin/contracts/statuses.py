"""Everything that happened, as one public record: what the ledger projects and anyone may read."""

from datetime import datetime
from typing import Any

import msgspec

from tocsin.contracts.ids import status_id
from tocsin.contracts.intents import Intent
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Channel, Lane, StatusName


class RuleOutcome(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """One rule a decision looked at: what it saw and what followed. Never an address, never a body."""

    rule: str
    outcome: str
    input: Any = None


class Decision(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Every rule looked at, in order. At most 4 KiB encoded; `truncated` says that inputs were left out to fit."""

    rules: list[RuleOutcome]
    truncated: bool = False


class Status(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One thing that happened to an event, a notification or a delivery. Keyed `tenant/recipient`, or `tenant/event`."""

    version: int = 1
    status_id: str
    status: StatusName
    final: bool
    at: datetime
    """When it happened, UTC. For `accepted`: when the broker stored the event."""
    tenant: str
    event_source: str | None = None
    event_id: str | None = None
    notification_id: str | None = None
    delivery_id: str | None = None
    recipient: str | None = None
    workflow: str | None = None
    category: str | None = None
    channel: Channel | None = None
    step: str | None = None
    address_key: str | None = None
    lane: Lane
    provider: str | None = None
    provider_message_id: str | None = None
    provider_code: str | None = None
    attempt: int | None = None
    rule: str | None = None
    reason: str | None = None
    detail: str | None = None
    """One sentence for a person; no address, no body."""
    retryable: bool | None = None
    segments: int | None = None
    """SMS only: how many GSM-7 or UCS-2 segments the body takes."""
    test: bool = False
    locale: str | None = None
    template: str | None = None
    """The name of the template that it was or would have been written with."""
    template_version: int | None = None
    decision: Decision | None = None
    origin: str
    """The record of the event: `topic/partition/offset`."""
    cause: str
    """The record that this one follows from: `topic/partition/offset`."""
    traceparent: str | None = None

    @property
    def subject(self) -> str:
        """The id this status is about: the delivery, else the notification, else the event."""
        return self.delivery_id or self.notification_id or self.event_id or ""


class EventRef(msgspec.Struct, kw_only=True, frozen=True):
    """Names an event as a whole, as far as it is known: a record that is no valid event may name one in its headers."""

    tenant: str
    event_id: str
    event_source: str | None = None
    test: bool = False
    origin: str
    traceparent: str | None = None


def status_of(
    status: StatusName, about: EventRef | Intent | Job, *, lane: Lane, cause: str, at: datetime, **fields: Any
) -> Status:
    """A status of an event, of a notification (its `Intent`) or of a delivery (its `Job`). The only place that builds one.

    The id is computed, `final` follows from the name, and what `about` knows is filled in. `cause` is the record or receipt
    that brought the status about, `lane` that of the topic it is written to. `fields` are further fields of `Status`: with
    `delivery_id`, for example, the status of a notification becomes that of one delivery of it.
    """
    event = about.intent if isinstance(about, Job) else about
    if isinstance(about, Job):
        fields = {
            "delivery_id": about.delivery_id,
            "category": about.category,
            "channel": about.channel,
            "step": about.step,
            "address_key": about.address_key,
            "locale": about.locale,
            "template": about.template,
            "template_version": about.template_version,
            **fields,
        }
    if not isinstance(about, EventRef):
        fields["notification_id"] = about.notification_id
        fields["recipient"] = about.recipient
        fields["workflow"] = about.workflow
    subject = fields.get("delivery_id") or fields.get("notification_id") or event.event_id
    return Status(
        status_id=status_id(subject=subject, status=status, cause=cause),
        status=status,
        final=status.final,
        at=at,
        tenant=about.tenant,
        event_source=event.event_source,
        event_id=event.event_id,
        lane=lane,
        test=about.test,
        origin=about.origin,
        cause=cause,
        traceparent=about.traceparent,
        **fields,
    )
