"""What an operator says about dispatch-sms."""

from collections.abc import Mapping
from typing import Any

from pydantic_settings import SettingsConfigDict

from tocsin.channel import DispatcherSettings, ProviderKind
from tocsin.dispatch_sms.twilio import TWILIO

KINDS: Mapping[str, ProviderKind[Any]] = {"twilio": TWILIO}
"""The adapters of this dispatcher, by the `kind` that a provider instance names."""


class SmsSettings(DispatcherSettings):
    """Those of every dispatcher, as `DISPATCH_SMS_…`."""

    kinds = KINDS
    model_config = SettingsConfigDict(env_prefix="DISPATCH_SMS_", populate_by_name=True, frozen=True)
