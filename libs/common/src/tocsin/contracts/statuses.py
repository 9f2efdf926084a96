"""Everything that happened, as one public record: what the ledger projects and anyone may read."""

from datetime import datetime
from typing import Any

import msgspec

from tocsin.contracts.ids import status_id
from tocsin.contracts.vocabulary import Channel, Lane, StatusName


class Consideration(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """One rule a decision looked at: what it saw and what followed. Never an address, never a body."""

    rule: str
    outcome: str
    input: Any = None


class Decision(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Every rule looked at, in order. At most 4 KiB encoded; `truncated` says that inputs were left out to fit."""

    rules: list[Consideration]
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
    template_version: int | None = None
    decision: Decision | None = None
    origin: str
    cause: str
    traceparent: str | None = None

    @property
    def subject(self) -> str:
        """The id this status is about: the delivery, else the notification, else the event."""
        return self.delivery_id or self.notification_id or self.event_id or ""


def status_of(
    status: StatusName,
    *,
    subject: str,
    cause: str,
    at: datetime,
    tenant: str,
    lane: Lane,
    origin: str,
    **fields: Any,
) -> Status:
    """A status with its deterministic id and its `final` flag filled in; `fields` are further fields of `Status`."""
    return Status(
        status_id=status_id(subject=subject, status=status, cause=cause),
        status=status,
        final=status.final,
        at=at,
        tenant=tenant,
        lane=lane,
        origin=origin,
        cause=cause,
        **fields,
    )
