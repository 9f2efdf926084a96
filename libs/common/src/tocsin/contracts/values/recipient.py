"""A recipient as a message carries one: by id, or inline. Its values are judged here, and nowhere after."""

from typing import Final

from tocsin.contracts.limits import CHATS_PER_RECIPIENT, DEVICES_PER_RECIPIENT
from tocsin.contracts.recipients import ChatPlace, Device, InlineRecipient, valid_chats, valid_devices
from tocsin.contracts.values.chat_place import judge_chat_place
from tocsin.contracts.values.device import judge_device
from tocsin.contracts.values.identifier import recipient_id
from tocsin.contracts.values.json_depth import DEPTH_RULE, too_deep
from tocsin.contracts.values.locale import locale
from tocsin.contracts.values.mail_address import mail_address
from tocsin.contracts.values.phone_number import phone_number
from tocsin.contracts.values.refusal import ValueRefused
from tocsin.contracts.values.time_zone import time_zone
from tocsin.contracts.vocabulary import Reason

DEVICES_RULE: Final = f"At most {DEVICES_PER_RECIPIENT} devices are possible, each id once"
CHATS_RULE: Final = f"At most {CHATS_PER_RECIPIENT} places are possible, each id once"


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
        if recipient.email is not None:
            pointer = "/email"
            recipient.email = mail_address(recipient.email)
        if recipient.phone is not None:
            pointer = "/phone"
            recipient.phone = phone_number(recipient.phone)
        if recipient.locale is not None:
            pointer = "/locale"
            recipient.locale = locale(recipient.locale)
        if recipient.time_zone is not None:
            pointer = "/time_zone"
            time_zone(recipient.time_zone)
        pointer = "/devices"
        _judge_devices(recipient.devices or [])
        pointer = "/chats"
        _judge_chats(recipient.chats or [])
    except ValueRefused as refused:
        raise refused.below(pointer) from None
    if recipient.devices and not valid_devices([device.id for device in recipient.devices]):
        raise ValueRefused(Reason.DEVICE_INVALID, DEVICES_RULE, pointer="/devices")
    if recipient.chats and not valid_chats([place.id for place in recipient.chats]):
        raise ValueRefused(Reason.CHAT_INVALID, CHATS_RULE, pointer="/chats")
    if recipient.attributes and too_deep(recipient.attributes):
        raise ValueRefused(Reason.RECIPIENTS_INVALID, DEPTH_RULE, pointer="/attributes")


def _judge_devices(devices: list[Device]) -> None:
    for index, device in enumerate(devices):
        try:
            judged = judge_device(device)
        except ValueRefused as refused:
            raise refused.below(f"/{index}") from None
        if judged is not device:
            devices[index] = judged


def _judge_chats(places: list[ChatPlace]) -> None:
    for index, place in enumerate(places):
        try:
            judge_chat_place(place)
        except ValueRefused as refused:
            raise refused.below(f"/{index}") from None
