"""What an operator says about dispatch-sms."""

from collections.abc import Mapping
from typing import Any

from pydantic_settings import SettingsConfigDict

from tocsin.channel import DispatcherSettings, ProviderKind
from tocsin.dispatch_sms.aws_sms import AWS_SMS
from tocsin.dispatch_sms.sns import SNS
from tocsin.dispatch_sms.twilio import TWILIO
from tocsin.dispatch_sms.vonage import VONAGE

KINDS: Mapping[str, ProviderKind[Any]] = {
    "twilio": TWILIO,
    "vonage": VONAGE,
    "aws_sms": AWS_SMS,
    "sns": SNS,
}
"""The adapters of this dispatcher, by the `kind` that a provider instance names."""


class SmsSettings(DispatcherSettings):
    """Those of every dispatcher, as `DISPATCH_SMS_…`."""

    kinds = KINDS
    model_config = SettingsConfigDict(env_prefix="DISPATCH_SMS_", populate_by_name=True, frozen=True)
