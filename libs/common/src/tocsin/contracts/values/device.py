"""What a device is: its id, its token, whose token that is, and of which app.

All are kept as written, but for a token of kind `webpush`: that is a subscription, which has a canonical form.
"""

import re
from typing import Final

import msgspec

from tocsin.contracts.recipients import Device
from tocsin.contracts.values.identifier import is_path_segment
from tocsin.contracts.values.refusal import ValueRefused
from tocsin.contracts.values.subscription import subscription
from tocsin.contracts.values.text import is_line
from tocsin.contracts.vocabulary import DeviceKind, Reason

LONGEST_ID: Final = 128
LONGEST_TOKEN: Final = 4096
LONGEST_APP: Final = 200
_ID_RULE: Final = (
    f"Not a device id. It has 1 to {LONGEST_ID} characters, no control characters, and is not `.` or `..`"
)
_TOKEN_RULE: Final = f"Not a device token. It has 1 to {LONGEST_TOKEN} characters of ASCII, no blanks and no control characters"
_KIND_RULE: Final = "Not a kind of device. Write `fcm`, `apns`, `webpush`, or up to 32 of `a-z`, `0-9`, `_` and `-`, a letter first"
_APP_RULE: Final = f"Not the name of an app. It has 1 to {LONGEST_APP} characters and no control characters"
_TOKEN: Final = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_TOKEN}}}").fullmatch
_KIND: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}").fullmatch
_APNS: Final = re.compile(r"(?:[0-9a-fA-F]{2}){32,256}").fullmatch
"""Apple asks not to rely on a length; today it is 32 bytes."""
_APNS_RULE: Final = "Not a device token of APNs. Send it in hexadecimal, 64 or more digits, as the app encodes what iOS gives it"
_SANDBOX: Final = "sandbox-"
"""What the sandbox's special tokens begin with, of whichever kind."""
_COMMON_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.:-]{0,127}").fullmatch


def judge_device(device: Device) -> Device:
    """The device in its canonical form. Raises ValueRefused, with a pointer to the field, for the first field that is refused."""
    known = device.kind == DeviceKind.FCM and device.app is None
    if known and _COMMON_ID(device.id) and _TOKEN(device.token):
        return device
    field = "id"
    try:
        device_id(device.id)
        field = "token"
        device_token(device.token)
        field = "kind"
        device_kind(device.kind)
        field = "app"
        if device.app is not None:
            device_app(device.app)
        field = "token"
        token = token_of_kind(device.token, device.kind)
    except ValueRefused as refused:
        raise refused.below(f"/{field}") from None
    return device if token == device.token else msgspec.structs.replace(device, token=token)


def device_id(text: str) -> str:
    """The id. Raises ValueRefused."""
    if not (1 <= len(text) <= LONGEST_ID and is_line(text) and is_path_segment(text)):
        raise ValueRefused(Reason.DEVICE_INVALID, _ID_RULE)
    return text


def device_token(text: str) -> str:
    """The token. Raises ValueRefused."""
    if not _TOKEN(text):
        raise ValueRefused(Reason.DEVICE_INVALID, _TOKEN_RULE)
    return text


def token_of_kind(token: str, kind: str) -> str:
    """A device's token in the form that its push service has. Raises ValueRefused."""
    if token.startswith(_SANDBOX):
        return token
    match kind:
        case DeviceKind.WEBPUSH:
            return subscription(token)
        case DeviceKind.APNS if not is_apns_token(token):
            raise ValueRefused(Reason.DEVICE_INVALID, _APNS_RULE)
    return token


def is_apns_token(token: str) -> bool:
    """Whether APNs may know it."""
    return _APNS(token) is not None


def device_kind(text: str) -> str:
    """The word for the push service. Raises ValueRefused."""
    if not _KIND(text):
        raise ValueRefused(Reason.DEVICE_INVALID, _KIND_RULE)
    return text


def device_app(text: str) -> str:
    """The app's name. Raises ValueRefused."""
    if not (1 <= len(text) <= LONGEST_APP and is_line(text)):
        raise ValueRefused(Reason.DEVICE_INVALID, _APP_RULE)
    return text
