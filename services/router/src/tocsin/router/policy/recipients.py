"""What is known of a recipient: what the directory stores, and what the producer gave for this one message."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from tocsin.contracts.channels import ADDRESS_FIELDS, ADDRESS_KINDS
from tocsin.contracts.recipients import ChatPlace, Device, InlineRecipient
from tocsin.router.policy.preferences import Preference

_VARIABLES: Final = (*ADDRESS_FIELDS, "locale", "time_zone")


class StoredRecipient(msgspec.Struct, frozen=True, kw_only=True):
    """What the directory stores under one recipient id. Preferences and a version may exist without a recipient."""

    known: bool = False
    version: int = 0
    email: str | None = None
    phone: str | None = None
    locale: str | None = None
    time_zone: str | None = None
    attributes: dict[str, Any] = {}
    devices: tuple[Device, ...] = ()
    chats: tuple[ChatPlace, ...] = ()
    preferences: tuple[Preference, ...] = ()
    suppressed_channels: Sequence[str] = ()
    """On which channels any address of the tenant is suppressed: nobody need look on the others."""


UNKNOWN: Final = StoredRecipient()


class MessageRecipient(msgspec.Struct, frozen=True, kw_only=True):
    """Whom one message is for: what is stored, with what the producer gave for this message put over it."""

    id: str
    email: str | None
    phone: str | None
    locale: str | None
    time_zone: str | None
    attributes: dict[str, Any]
    devices: tuple[Device, ...]
    chats: tuple[ChatPlace, ...]

    def variables(self) -> dict[str, Any]:
        """What templates see. A value that is not known is left out, so that printing it is an error."""
        known: dict[str, Any] = {"id": self.id, "attributes": self.attributes}
        for name in _VARIABLES:
            value = getattr(self, name)
            if value is not None:
                known[name] = value
        return known


def recipient_of(
    recipient: str, stored: StoredRecipient, inline: InlineRecipient | None
) -> MessageRecipient | None:
    """The recipient; None if the directory does not know the id and the producer gave no address either.

    What stands in `inline` overrides the directory, attribute by attribute; devices and chats given replace those stored.
    """
    if inline is None:
        return _as_stored(recipient, stored) if stored.known else None
    if not stored.known and not any(kind.destinations(inline) for kind in ADDRESS_KINDS):
        return None
    return MessageRecipient(
        id=recipient,
        email=inline.email or stored.email,
        phone=inline.phone or stored.phone,
        locale=inline.locale or stored.locale,
        time_zone=inline.time_zone or stored.time_zone,
        attributes={**stored.attributes, **inline.attributes} if inline.attributes else stored.attributes,
        devices=stored.devices if inline.devices is None else tuple(inline.devices),
        chats=stored.chats if inline.chats is None else tuple(inline.chats),
    )


def actor_of(actor: str | InlineRecipient, stored: StoredRecipient) -> MessageRecipient:
    """Who caused the event, for templates. An actor may be unknown to the directory."""
    if isinstance(actor, str):
        return _as_stored(actor, stored)
    return recipient_of(actor.id, stored, actor) or MessageRecipient(
        id=actor.id,
        email=None,
        phone=None,
        locale=actor.locale,
        time_zone=actor.time_zone,
        attributes=actor.attributes or {},
        devices=(),
        chats=(),
    )


def _as_stored(recipient: str, stored: StoredRecipient) -> MessageRecipient:
    return MessageRecipient(
        id=recipient,
        email=stored.email,
        phone=stored.phone,
        locale=stored.locale,
        time_zone=stored.time_zone,
        attributes=stored.attributes,
        devices=stored.devices,
        chats=stored.chats,
    )
