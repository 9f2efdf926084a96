"""What an operator says about dispatch-inapp."""

from typing import Final, NoReturn

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tocsin.channel import DispatcherSettings
from tocsin.database import DatabaseSettings
from tocsin.dispatch_inapp.inbox import InboxConfig, kinds_for
from tocsin.runtime import Clock, HttpSettings
from tocsin.trust import SealSettings


def _only_checked(_config: InboxConfig, _clock: Clock) -> NoReturn:
    raise RuntimeError("The file is checked with these kinds; providers are made by those of `app`.")


KINDS: Final = kinds_for(_only_checked)
"""What the file of provider instances is checked against."""


class InappSettings(DispatcherSettings):
    """Those of every dispatcher, as `DISPATCH_INAPP_…`, and where inboxes lie."""

    kinds = KINDS
    model_config = SettingsConfigDict(env_prefix="DISPATCH_INAPP_", populate_by_name=True, frozen=True)

    http: HttpSettings = Field(default_factory=HttpSettings, description="Where the API listens")
    database: DatabaseSettings = Field(default_factory=DatabaseSettings, description="PostgreSQL")
    seal: SealSettings = Field(
        default_factory=SealSettings, description="What opens the secrets that tenants enter"
    )
