"""What an operator says about dispatch-push."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tocsin.channel import DispatcherSettings, ProviderKind
from tocsin.dispatch_push.apns import APNS
from tocsin.dispatch_push.fcm import FCM
from tocsin.dispatch_push.webpush import webpush_kind
from tocsin.runtime.outgoing import AllowedTargets, OutgoingSettings


def kinds_for(allowed: AllowedTargets) -> Mapping[str, ProviderKind[Any]]:
    """The adapters of this dispatcher, by the `kind` that a provider instance names; `allowed`: where browsers' endpoints may lead."""
    return {"fcm": FCM, "apns": APNS, "webpush": webpush_kind(allowed)}


KINDS = kinds_for(AllowedTargets())
"""What the file of provider instances is checked against."""


class PushSettings(DispatcherSettings):
    """Those of every dispatcher, as `DISPATCH_PUSH_…`, and where tenants' URLs may lead."""

    kinds = KINDS
    model_config = SettingsConfigDict(env_prefix="DISPATCH_PUSH_", populate_by_name=True, frozen=True)

    outgoing: OutgoingSettings = Field(
        default_factory=OutgoingSettings, description="Where tenants' URLs may lead"
    )
