"""Whom an event is for: named in a direct request, or found in a business event as the workflow says."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final

import msgspec
from jmespath.exceptions import JMESPathError

from tocsin.contracts.events import Event
from tocsin.contracts.ids import valid_recipient
from tocsin.contracts.limits import DEVICES_PER_RECIPIENT
from tocsin.contracts.recipients import InlineRecipient, valid_devices
from tocsin.router.worker.directory import PublishedWorkflow

Recipient = str | InlineRecipient

ADDRESS_CHARS: Final = 4096


class AudienceInvalid(Exception):
    """The event names nobody, or somebody by what is no id. The message says where, and repeats no value."""


def recipient_id(recipient: Recipient) -> str:
    """The id, however the recipient is given."""
    return recipient if isinstance(recipient, str) else recipient.id


def digest(recipients: Iterable[Recipient]) -> str:
    """SHA-256 of their ids in this order, each followed by a NUL, which no id contains; hex."""
    return sha256("".join(f"{recipient_id(one)}\0" for one in recipients).encode()).hexdigest()


def each_once(recipients: Iterable[Recipient]) -> list[Recipient]:
    """The recipients in the order given, the first of each id. Raises AudienceInvalid."""
    found: dict[str, Recipient] = {}
    for place, recipient in enumerate(recipients):
        if not is_sound(recipient):
            raise AudienceInvalid(
                f"Recipient {place} is not sound: an id has 1 to 256 bytes and no control characters, "
                f"and of devices there are at most {DEVICES_PER_RECIPIENT}, each once."
            )
        found.setdefault(recipient_id(recipient), recipient)
    if not found:
        raise AudienceInvalid("The event names no recipient.")
    return list(found.values())


def found_in(event: Event, data: Any, published: PublishedWorkflow) -> list[Recipient]:
    """The recipients of a business event: its subject, or what the workflow's expression yields. Raises AudienceInvalid."""
    if published.expression is None:
        if not event.subject:
            raise AudienceInvalid("The event has no subject, which names the recipient.")
        if not valid_recipient(event.subject):
            raise AudienceInvalid(
                "The event's subject is no recipient id: 1 to 256 bytes, no control characters."
            )
        return [event.subject]
    view = {"subject": event.subject, "data": data, "source": event.source, "type": event.type}
    try:
        found = published.expression.search(view)
    except (JMESPathError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise AudienceInvalid("The workflow's recipients expression fails on this event.") from error
    if found is None:
        found = []
    return each_once(map(_recipient, found if isinstance(found, list) else [found]))


def is_sound(recipient: Recipient) -> bool:
    """Whether the id is one, every address a text on one line, and the devices few and different ones."""
    if isinstance(recipient, str):
        return valid_recipient(recipient)
    devices = recipient.devices or []
    if not valid_devices([device.id for device in devices]):
        return False
    texts = [recipient.email, recipient.phone, recipient.locale, recipient.time_zone]
    for device in devices:
        texts += [device.id, device.token]
    return valid_recipient(recipient.id) and all(
        text is None or (1 <= len(text) <= ADDRESS_CHARS and text.isprintable()) for text in texts
    )


def _recipient(found: Any) -> Recipient:
    if isinstance(found, str):
        return found
    try:
        return msgspec.convert(found, InlineRecipient)
    except msgspec.ValidationError as error:
        raise AudienceInvalid(
            "The workflow's recipients expression must yield ids, or objects with an `id`."
        ) from error
