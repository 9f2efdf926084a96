"""What an operator says about dispatch-push."""

from collections.abc import Mapping
from typing import Any

from pydantic_settings import SettingsConfigDict

from tocsin.channel import DispatcherSettings, ProviderKind
from tocsin.dispatch_push.apns import APNS
from tocsin.dispatch_push.fcm import FCM

KINDS: Mapping[str, ProviderKind[Any]] = {"fcm": FCM, "apns": APNS}
"""The adapters of this dispatcher, by the `kind` that a provider instance names."""


class PushSettings(DispatcherSettings):
    """Those of every dispatcher, as `DISPATCH_PUSH_…`."""

    kinds = KINDS
    model_config = SettingsConfigDict(env_prefix="DISPATCH_PUSH_", populate_by_name=True, frozen=True)
