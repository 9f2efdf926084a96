"""The intent of one notification, or one delivery of it, that a re-drive sends again: derived from its event anew."""

from datetime import datetime
from typing import Any, Final

import msgspec

from tocsin.contracts.codec import UNREADABLE_ERRORS, decode_request
from tocsin.contracts.events import NOTIFICATION_REQUESTED, NotificationRequest
from tocsin.contracts.intents import Intent, IntentPrivate, Redrive
from tocsin.contracts.recipients import InlineRecipient
from tocsin.contracts.send_times import CLOCK_TOLERANCE, due_of
from tocsin.contracts.values import ValueRefused
from tocsin.router.worker.directory import PublishedDirectory
from tocsin.router.worker.recipients import RecipientRef, RecipientsInvalid, recipient_id, resolve_recipients


def redriven_intent(redrive: Redrive, directory: PublishedDirectory, *, cause: str) -> Intent:
    """What is to be decided again, whatever the workflow makes of its event today.

    Raises one of `UNREADABLE_ERRORS` where a direct request has a form that this release does not know.
    """
    event, recipient = redrive.event, redrive.recipient or ""
    request, expires_at, cancel_key = None, None, event.cancel_key
    if event.type == NOTIFICATION_REQUESTED:
        request = decode_request(event.data)
        private = IntentPrivate(
            inline=_inline(request.recipients, recipient),
            actor=request.actor,
            link=request.link,
            data=request.data,
            attachments=list(request.attachments),
        )
        expires_at = request.expires_at
        cancel_key = request.cancel_key or cancel_key
    else:
        private = IntentPrivate(inline=_resolved(redrive, directory), data=event.data)
    return Intent(
        tenant=event.tenant,
        notification_id=redrive.notification_id or "",
        event_source=event.source,
        event_id=event.id,
        event_type=event.type,
        event_time=redrive.event_time,
        workflow=redrive.workflow or "",
        recipient=recipient,
        private=private,
        lane=redrive.lane,
        expires_at=expires_at,
        due_at=_due(redrive, request),
        test=event.test,
        cancel_key=cancel_key,
        delivery=redrive.delivery,
        redrive=redrive.redrive,
        origin=redrive.origin,
        cause=cause,
        traceparent=redrive.traceparent,
    )


def _due(redrive: Redrive, request: NotificationRequest | None) -> datetime | None:
    """When it was due: its time to live counts from there."""
    try:
        return due_of(redrive.event, request, event_time=redrive.event_time, tolerance=CLOCK_TOLERANCE)
    except ValueRefused:  # by the rules of the release that took it, it was in order
        return None


def _inline(recipients: Any, recipient: str) -> InlineRecipient | None:
    """What the producer gave with this recipient; None where it named only the id."""
    for given in recipients:
        if not isinstance(given, str) and given.id == recipient:
            return given  # type: ignore[no-any-return]
    return None


def _resolved(redrive: Redrive, directory: PublishedDirectory) -> InlineRecipient | None:
    """What the workflow's expression finds of this recipient today. None: what the directory knows of them counts."""
    event = redrive.event
    published = directory.workflow(event.tenant, redrive.workflow or "")
    if published is None or published.unusable or published.workflow.recipients is None:
        return None
    recipients: list[RecipientRef] = []
    try:
        address_like = directory.address_like_ids(event.tenant)
        recipients = resolve_recipients(event, _decode(event.data), published, address_like=address_like)
    except (RecipientsInvalid, *UNREADABLE_ERRORS):
        pass  # the workflow has changed since: it finds nobody in this event now
    named = (each for each in recipients if recipient_id(each) == redrive.recipient)
    ref = next(named, None)
    return None if isinstance(ref, str) else ref


_decode: Final = msgspec.json.decode
