"""An address of a channel, where it comes alone and not with a recipient."""

from typing import Any

from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.recipients import InlineRecipient
from tocsin.contracts.values.device import device_token
from tocsin.contracts.values.recipient import judge_recipient
from tocsin.contracts.vocabulary import Channel


def judge_address(channel: Channel, text: str) -> str:
    """The address in its canonical form, as a recipient's own field would have it. Raises ValueRefused."""
    kind = CHANNELS[channel].address
    if kind.many:
        return device_token(text)
    fields: dict[str, Any] = {kind.field: text}
    recipient = InlineRecipient(id="-", **fields)
    judge_recipient(recipient, address_like=True)
    address: str = getattr(recipient, kind.field)
    return address
