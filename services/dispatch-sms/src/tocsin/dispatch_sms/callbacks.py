"""The role `callbacks`: which kinds of providers tell what became of a text message."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic_settings import SettingsConfigDict

from tocsin.channel.callbacks_role import CallbackSettings
from tocsin.channel.receipts import ReceiptsKind
from tocsin.dispatch_sms.aws_sms_receipts import AWS_SMS_RECEIPTS
from tocsin.dispatch_sms.twilio_receipts import TWILIO_RECEIPTS
from tocsin.dispatch_sms.vonage_receipts import VONAGE_RECEIPTS

RECEIPTS: Final[Mapping[str, ReceiptsKind[Any]]] = {
    "twilio": TWILIO_RECEIPTS,
    "vonage": VONAGE_RECEIPTS,
    "aws_sms": AWS_SMS_RECEIPTS,
}
"""By the `kind` of the provider instance."""


class SmsCallbackSettings(CallbackSettings):
    """Those of every such role, as `DISPATCH_SMS_…`."""

    receipts = RECEIPTS
    model_config = SettingsConfigDict(env_prefix="DISPATCH_SMS_", populate_by_name=True, frozen=True)
