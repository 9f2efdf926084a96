"""What an operator says about dispatch-webhook."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tocsin.channel import DispatcherSettings, ProviderKind
from tocsin.contracts.limits import MESSAGE_LIFE_SECONDS
from tocsin.dispatch_webhook.endpoints import Endpoints
from tocsin.dispatch_webhook.webhook import webhook_kind
from tocsin.runtime import About, Advice, Unwise
from tocsin.runtime.outgoing import AllowedTargets, OutgoingSettings
from tocsin.trust import Seal, SealSettings


def kinds_for(endpoints: Endpoints, allowed: AllowedTargets) -> Mapping[str, ProviderKind[Any]]:
    """The adapters of this dispatcher, by the `kind` that a provider instance names."""
    return {"webhook": webhook_kind(endpoints, allowed)}


KINDS = kinds_for(Endpoints(seal=Seal([])), AllowedTargets())
"""What the file of provider instances is checked against."""


class WebhookSettings(DispatcherSettings):
    """Those of every dispatcher, as `DISPATCH_WEBHOOK_…`, where tenants' URLs may lead, and what opens their secrets.

    Failures are tried for about three days, at growing pauses: a receiver may be away for a weekend.
    """

    kinds = KINDS
    model_config = SettingsConfigDict(env_prefix="DISPATCH_WEBHOOK_", populate_by_name=True, frozen=True)

    outgoing: OutgoingSettings = Field(
        default_factory=OutgoingSettings, description="Where tenants' URLs may lead"
    )
    seal: SealSettings = Field(
        default_factory=SealSettings, description="What opens the secrets of tenants' endpoints"
    )
    retry_first: Annotated[
        float, About(unit="seconds", danger="Longer than a message lives, and it is never tried again")
    ] = Field(
        default=5.0,
        ge=1,
        le=3600,
        description="Seconds: after its n-th attempt a message that its endpoint did not take waits for a random part of this * factor^(n-1)",
    )
    retry_factor: Annotated[float, About(unit="factor")] = Field(
        default=4.0, ge=1, le=10, description="The factor of that"
    )
    retry_cap: Annotated[float, About(unit="seconds")] = Field(
        default=21_600.0, ge=1, le=86_400, description="Seconds it waits at most"
    )
    retry_age: Annotated[
        float,
        About(
            unit="seconds",
            under=Unwise(
                bound=3600,
                harm="an endpoint that is away for an hour loses messages",
                remedy="leave it at three days; a message ends in any case when it expires",
            ),
        ),
    ] = Field(
        default=259_200.0,
        ge=0,
        le=MESSAGE_LIFE_SECONDS,
        description="Seconds after the first attempt after which it ends; it ends no later than it expires",
    )

    def _calls_that_are_cut(self) -> Iterable[Advice]:
        """None: the adapter ends a call of the critical lane before the lane does."""
        return ()
