"""A recipient as messages carry one: by id, or inline with what the producer knows."""

from collections.abc import Collection
from typing import Any

import msgspec

from tocsin.contracts.limits import CHATS_PER_RECIPIENT, DEVICES_PER_RECIPIENT
from tocsin.contracts.vocabulary import DeviceKind


class Device(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """One installation of an app that takes push messages."""

    id: str
    token: str
    kind: str = DeviceKind.FCM.value
    """Which push service knows the token: `fcm`, `apns`, `webpush`, or a word that only newer releases know."""
    app: str | None = None
    """Which of the tenant's apps this is, in the tenant's own words."""


class ChatPlace(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """A place in a chat where a recipient reads: a channel, a conversation."""

    id: str
    """Names the place among the recipient's; it goes into ids and timelines."""
    kind: str
    """Which way leads there: `slack`, `slack_webhook`, `teams`, or a word that only newer releases know."""
    address: str
    """What the chat knows it by. Of a webhook it is a URL, and a secret: who knows it can write there."""


class InlineRecipient(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A recipient given with the event. What stands here overrides the directory for this one message;
    preferences are still those stored under `id`."""

    id: str
    email: str | None = None
    phone: str | None = None
    devices: list[Device] | None = None
    chats: list[ChatPlace] | None = None
    locale: str | None = None
    time_zone: str | None = None
    attributes: dict[str, Any] | None = None


class GivenDevice(Device, kw_only=True, omit_defaults=True, frozen=True, forbid_unknown_fields=True):
    """A device as a producer writes it: a field that nobody knows is a fault."""


class GivenChatPlace(ChatPlace, kw_only=True, omit_defaults=True, frozen=True, forbid_unknown_fields=True):
    """A place in a chat as a producer writes it: a field that nobody knows is a fault."""


class GivenRecipient(InlineRecipient, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An inline recipient as a producer writes it: a field that nobody knows is a fault. Records of Tocsin's own may get new ones."""

    devices: list[GivenDevice] | None = None  # type: ignore[assignment]  # read only, where a list of the narrower is one of the wider
    chats: list[GivenChatPlace] | None = None  # type: ignore[assignment]  # as `devices`


def valid_devices(ids: Collection[str]) -> bool:
    """Whether devices with these ids may be those of one recipient: not too many, and each id once, as it names a delivery."""
    return len(ids) <= DEVICES_PER_RECIPIENT and len(set(ids)) == len(ids)


def valid_chats(ids: Collection[str]) -> bool:
    """Whether places with these ids may be those of one recipient."""
    return len(ids) <= CHATS_PER_RECIPIENT and len(set(ids)) == len(ids)
