"""Whom an event is for: named in a direct request, or resolved from a business event as the workflow says."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final

import msgspec
from jmespath.exceptions import JMESPathError

from tocsin.contracts.events import Event
from tocsin.contracts.ids import valid_recipient
from tocsin.contracts.limits import DEVICES_PER_RECIPIENT
from tocsin.contracts.recipients import InlineRecipient, valid_device_kind, valid_devices
from tocsin.router.worker.directory import PublishedWorkflow

RecipientRef = str | InlineRecipient
"""A recipient as an event names one: by id, or inline with what the producer knows."""

ADDRESS_CHARS: Final = 4096


class RecipientsInvalid(Exception):
    """The event names nobody, or somebody by something that is no id. The message says where, and repeats no value."""


def recipient_id(recipient: RecipientRef) -> str:
    """The id, however the recipient is given."""
    return recipient if isinstance(recipient, str) else recipient.id


def digest(recipients: Iterable[RecipientRef]) -> str:
    """SHA-256 of their ids in this order, each followed by a NUL, which no id contains; hex."""
    return sha256("\0".join([*map(recipient_id, recipients), ""]).encode()).hexdigest()


def deduplicated(recipients: Iterable[RecipientRef]) -> list[RecipientRef]:
    """The recipients in the order given, the first of each id. Raises RecipientsInvalid."""
    by_id: dict[str, RecipientRef] = {}
    for index, recipient in enumerate(recipients):
        if not is_sound(recipient):
            raise RecipientsInvalid(
                f"Recipient {index} is not sound: an id has 1 to 256 bytes and no control characters, "
                f"and of devices there are at most {DEVICES_PER_RECIPIENT}, each once."
            )
        by_id.setdefault(recipient_id(recipient), recipient)
    if not by_id:
        raise RecipientsInvalid("The event names no recipient.")
    return list(by_id.values())


def resolve_recipients(event: Event, decoded_data: Any, published: PublishedWorkflow) -> list[RecipientRef]:
    """The recipients of a business event: its subject, or what the workflow's expression yields. Raises RecipientsInvalid."""
    if published.expression is None:
        if not event.subject:
            raise RecipientsInvalid("The event has no subject, which names the recipient.")
        if not valid_recipient(event.subject):
            raise RecipientsInvalid(
                "The event's subject is no recipient id: 1 to 256 bytes, no control characters."
            )
        return [event.subject]
    view = {"subject": event.subject, "data": decoded_data, "source": event.source, "type": event.type}
    try:
        named = published.expression.search(view)
    except (JMESPathError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise RecipientsInvalid("The workflow's recipients expression fails on this event.") from error
    if named is None:
        named = []
    return deduplicated(map(_recipient_ref, named if isinstance(named, list) else [named]))


def is_sound(recipient: RecipientRef) -> bool:
    """Whether the id is valid, every address is text on one line, and the devices are not too many and all different."""
    if isinstance(recipient, str):
        return valid_recipient(recipient)
    devices = recipient.devices or []
    if not valid_devices([device.id for device in devices]):
        return False
    if not all(valid_device_kind(device.kind) for device in devices):
        return False
    texts = [recipient.email, recipient.phone, recipient.locale, recipient.time_zone]
    for device in devices:
        texts += [device.id, device.token, device.app]
    return valid_recipient(recipient.id) and all(
        text is None or (1 <= len(text) <= ADDRESS_CHARS and text.isprintable()) for text in texts
    )


def _recipient_ref(named: Any) -> RecipientRef:
    if isinstance(named, str):
        return named
    try:
        return msgspec.convert(named, InlineRecipient)
    except msgspec.ValidationError as error:
        raise RecipientsInvalid(
            "The workflow's recipients expression must yield ids, or objects with an `id`."
        ) from error
