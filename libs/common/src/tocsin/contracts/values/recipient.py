"""A recipient as a message carries one: by id, or inline. Its values are judged here, and nowhere after."""

from typing import Final

from tocsin.contracts.limits import DEVICES_PER_RECIPIENT
from tocsin.contracts.recipients import InlineRecipient, valid_devices
from tocsin.contracts.values.device import device_id, device_token
from tocsin.contracts.values.identifier import recipient_id
from tocsin.contracts.values.locale import locale
from tocsin.contracts.values.mail_address import mail_address
from tocsin.contracts.values.phone_number import phone_number
from tocsin.contracts.values.refusal import ValueRefused
from tocsin.contracts.values.time_zone import time_zone
from tocsin.contracts.vocabulary import Reason

DEVICES_RULE: Final = f"At most {DEVICES_PER_RECIPIENT} devices are possible, each id once"
_JUDGES: Final = (
    ("email", mail_address),
    ("phone", phone_number),
    ("locale", locale),
    ("time_zone", time_zone),
)


def judge_recipient(recipient: str | InlineRecipient, *, address_like: bool) -> None:
    """Bring an inline recipient's values into their canonical form, in place. Raises ValueRefused for the first that is refused.

    `address_like`: the tenant's ids may look like addresses.
    """
    if isinstance(recipient, str):
        recipient_id(recipient, address_like=address_like)
        return
    pointer = "/id"
    try:
        recipient_id(recipient.id, address_like=address_like)
        for field, judge in _JUDGES:
            value = getattr(recipient, field)
            if value is not None:
                pointer = f"/{field}"
                setattr(recipient, field, judge(value))
        for index, device in enumerate(recipient.devices or ()):
            pointer = f"/devices/{index}/id"
            device_id(device.id)
            pointer = f"/devices/{index}/token"
            device_token(device.token)
    except ValueRefused as refused:
        raise refused.below(pointer) from None
    if recipient.devices and not valid_devices([device.id for device in recipient.devices]):
        raise ValueRefused(Reason.DEVICE_INVALID, DEVICES_RULE, pointer="/devices")
