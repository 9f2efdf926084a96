"""An address of a channel, where it comes alone and not with a recipient."""

from typing import Any, Final

from tocsin.contracts.address_kinds import CHAT_PLACE, DEVICE, ENDPOINT
from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.recipients import InlineRecipient
from tocsin.contracts.values.chat_place import chat_address
from tocsin.contracts.values.device import device_token
from tocsin.contracts.values.recipient import judge_recipient
from tocsin.contracts.vocabulary import Channel

_OF_MANY: Final = {DEVICE: device_token, CHAT_PLACE: chat_address, ENDPOINT: device_token}
"""For kinds of which a recipient may have many: each entry has more than its address, so that alone is judged."""


def judge_address(channel: Channel, text: str) -> str:
    """The address in its canonical form, as a recipient's own field would have it. Raises ValueRefused."""
    kind = CHANNELS[channel].address
    if kind.many:
        return _OF_MANY[kind](text)
    fields: dict[str, Any] = {"id": "-", kind.field: text}
    recipient = InlineRecipient(**fields)
    judge_recipient(recipient, address_like=True)
    address: str = getattr(recipient, kind.field)
    return address
