"""What is known of a person: the directory's facts, and what the producer gave for this one message."""

from typing import Any, Final

import msgspec

from tocsin.contracts.recipients import Device, InlineRecipient
from tocsin.contracts.vocabulary import Channel
from tocsin.router.policy.preferences import Preference

ADDRESS_KEY: Final = {Channel.EMAIL: "email", Channel.SMS: "phone"}
"""The address key of a channel with one address; a device's is its id."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the directory holds under one recipient id; preferences and version may stand there without a recipient."""

    known: bool = False
    version: int = 0
    email: str | None = None
    phone: str | None = None
    locale: str | None = None
    time_zone: str | None = None
    attributes: dict[str, Any] = {}
    devices: tuple[Device, ...] = ()
    preferences: tuple[Preference, ...] = ()


UNKNOWN: Final = Facts()


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a message is for, as it stands for this message."""

    id: str
    email: str | None
    phone: str | None
    locale: str | None
    time_zone: str | None
    attributes: dict[str, Any]
    devices: tuple[Device, ...]

    def addresses(self, channel: Channel) -> list[tuple[str, str]]:
        """(address key, address) of every address on the channel."""
        if channel is Channel.PUSH:
            return [(device.id, device.token) for device in self.devices]
        address = self.email if channel is Channel.EMAIL else self.phone
        return [(ADDRESS_KEY[channel], address)] if address else []

    def variables(self) -> dict[str, Any]:
        """What templates see; what is not known is not there, so that printing it is an error."""
        known: dict[str, Any] = {"id": self.id, "attributes": self.attributes}
        for name in ("email", "phone", "locale", "time_zone"):
            value = getattr(self, name)
            if value is not None:
                known[name] = value
        return known


def person_of(recipient: str, facts: Facts, inline: InlineRecipient | None) -> Person | None:
    """The person, or None when neither the directory knows the id nor the producer gave an address.

    What stands in `inline` overrides the directory, attribute by attribute; devices given replace those stored.
    """
    if inline is None:
        return _stored(recipient, facts) if facts.known else None
    if not facts.known and not (inline.email or inline.phone or inline.devices):
        return None
    return Person(
        id=recipient,
        email=inline.email or facts.email,
        phone=inline.phone or facts.phone,
        locale=inline.locale or facts.locale,
        time_zone=inline.time_zone or facts.time_zone,
        attributes={**facts.attributes, **inline.attributes} if inline.attributes else facts.attributes,
        devices=facts.devices if inline.devices is None else tuple(inline.devices),
    )


def actor_of(actor: str | InlineRecipient, facts: Facts) -> Person:
    """Who caused the event; nobody need know them."""
    if isinstance(actor, str):
        return _stored(actor, facts)
    return person_of(actor.id, facts, actor) or Person(
        id=actor.id,
        email=None,
        phone=None,
        locale=actor.locale,
        time_zone=actor.time_zone,
        attributes=actor.attributes or {},
        devices=(),
    )


def _stored(recipient: str, facts: Facts) -> Person:
    return Person(
        id=recipient,
        email=facts.email,
        phone=facts.phone,
        locale=facts.locale,
        time_zone=facts.time_zone,
        attributes=facts.attributes,
        devices=facts.devices,
    )
