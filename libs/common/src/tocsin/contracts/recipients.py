"""A recipient as messages carry one: by id, or inline with what the producer knows."""

from collections.abc import Collection
from typing import Any

import msgspec

from tocsin.contracts.limits import DEVICES_PER_RECIPIENT
from tocsin.contracts.vocabulary import DeviceKind


class Device(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """One installation of an app that takes push messages."""

    id: str
    token: str
    kind: str = DeviceKind.FCM.value
    """Which push service knows the token: `fcm`, `apns`, `webpush`, or a word that only newer releases know."""
    app: str | None = None
    """Which of the tenant's apps this is, in the tenant's own words."""


class InlineRecipient(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A recipient given with the event. What stands here overrides the directory for this one message;
    preferences are still those stored under `id`."""

    id: str
    email: str | None = None
    phone: str | None = None
    devices: list[Device] | None = None
    locale: str | None = None
    time_zone: str | None = None
    attributes: dict[str, Any] | None = None


class GivenDevice(Device, kw_only=True, omit_defaults=True, frozen=True, forbid_unknown_fields=True):
    """A device as a producer writes it: a field that nobody knows is a fault."""


class GivenRecipient(InlineRecipient, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An inline recipient as a producer writes it: a field that nobody knows is a fault. Records of Tocsin's own may get new ones."""

    devices: list[GivenDevice] | None = None  # type: ignore[assignment]  # read only, where a list of the narrower is one of the wider


def valid_devices(ids: Collection[str]) -> bool:
    """Whether devices with these ids may be those of one recipient: not too many, and each id once, as it names a delivery."""
    return len(ids) <= DEVICES_PER_RECIPIENT and len(set(ids)) == len(ids)
