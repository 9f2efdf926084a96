"""What an operator says about dispatch-chat."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tocsin.channel import DispatcherSettings, ProviderKind
from tocsin.dispatch_chat.slack import SLACK
from tocsin.dispatch_chat.slack_webhook import slack_webhook_kind
from tocsin.dispatch_chat.teams import teams_kind
from tocsin.runtime.outgoing import AllowedTargets, OutgoingSettings


def kinds_for(allowed: AllowedTargets) -> Mapping[str, ProviderKind[Any]]:
    """The adapters of this dispatcher, by the `kind` that a provider instance names; `allowed`: where webhooks may lead."""
    return {"slack": SLACK, "slack_webhook": slack_webhook_kind(allowed), "teams": teams_kind(allowed)}


KINDS = kinds_for(AllowedTargets())
"""What the file of provider instances is checked against."""


class ChatSettings(DispatcherSettings):
    """Those of every dispatcher, as `DISPATCH_CHAT_…`, and where tenants' URLs may lead."""

    kinds = KINDS
    model_config = SettingsConfigDict(env_prefix="DISPATCH_CHAT_", populate_by_name=True, frozen=True)

    outgoing: OutgoingSettings = Field(
        default_factory=OutgoingSettings, description="Where tenants' URLs may lead"
    )
