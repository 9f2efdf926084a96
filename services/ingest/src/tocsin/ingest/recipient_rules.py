"""What an inline recipient's fields must look like. Each is a pure predicate."""

import re
from functools import cache
from zoneinfo import available_timezones

from tocsin.contracts.ids import valid_recipient
from tocsin.contracts.recipients import Device, InlineRecipient, valid_device_kind, valid_devices

_EMAIL = re.compile(
    r'[^\s@<>()\[\]",:;\\\x00-\x1f\x7f]{1,64}@[^\s@<>()\[\]",:;\\\x00-\x1f\x7f]{1,255}'
).fullmatch
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}").fullmatch
_LOCALE = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*").fullmatch

EMAIL_RULE = "Must be a mail address: name@domain, without display name."
PHONE_RULE = "Must be an E.164 number: `+`, country code and number, digits only, such as +4915112345678."
LOCALE_RULE = "Must be a BCP 47 language tag, such as `de` or `pt-BR`."
TIME_ZONE_RULE = "Must be an IANA time zone, such as `Europe/Berlin`."
RECIPIENT_RULE = "Must be 1 to 256 bytes of UTF-8 without control characters."
DEVICE_RULE = "Must be 1 to 4,096 printable characters."
DEVICES_RULE = "Must be devices of different ids."
APP_CHARS = 200
KIND_RULE = "Must name a push service, such as `fcm`: up to 32 of `a-z`, `0-9`, `_` and `-`, a letter first."
APP_RULE = f"Must be 1 to {APP_CHARS} printable characters."


def is_email(text: str) -> bool:
    """True for `name@domain` that no header could be smuggled through."""
    return _EMAIL(text) is not None and len(text) <= 254 and text.isprintable()


def is_phone(text: str) -> bool:
    """True for an E.164 number."""
    return _PHONE(text) is not None


def is_locale(text: str) -> bool:
    """True for what has the form of a language tag, with `-` or `_`."""
    return len(text) <= 35 and _LOCALE(text) is not None


def is_time_zone(text: str) -> bool:
    """True for a zone this machine's tz database knows."""
    return text in _zones()


def is_device_text(text: str) -> bool:
    """True for what can be a device's id or token."""
    return 1 <= len(text) <= 4096 and text.isprintable()


def is_app(text: str) -> bool:
    """True for what can be the name of an app."""
    return 1 <= len(text) <= APP_CHARS and text.isprintable()


def is_sound(recipient: str | InlineRecipient) -> bool:
    """Whether a recipient, by id or inline, obeys every rule."""
    if isinstance(recipient, str):
        return valid_recipient(recipient)
    return (
        valid_recipient(recipient.id)
        and (recipient.email is None or is_email(recipient.email))
        and (recipient.phone is None or is_phone(recipient.phone))
        and (recipient.locale is None or is_locale(recipient.locale))
        and (recipient.time_zone is None or is_time_zone(recipient.time_zone))
        and (recipient.devices is None or _devices_are_sound(recipient.devices))
    )


def _devices_are_sound(devices: list[Device]) -> bool:
    return valid_devices([one.id for one in devices]) and all(
        is_device_text(one.id)
        and is_device_text(one.token)
        and valid_device_kind(one.kind)
        and (one.app is None or is_app(one.app))
        for one in devices
    )


@cache
def _zones() -> set[str]:
    return available_timezones()
