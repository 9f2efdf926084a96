"""What an operator says about dispatch-email."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import field_validator
from pydantic_settings import SettingsConfigDict

from tocsin.channel import DispatcherSettings, ProviderKind, usable_providers
from tocsin.dispatch_email.sendgrid import SENDGRID
from tocsin.dispatch_email.smtp import SMTP

KINDS: Mapping[str, ProviderKind[Any]] = {"smtp": SMTP, "sendgrid": SENDGRID}
"""The adapters of this dispatcher, by the `kind` that a provider instance names."""


class EmailSettings(DispatcherSettings):
    """The file of provider instances is read while settings are checked: its faults stop the start like any other."""

    model_config = SettingsConfigDict(env_prefix="DISPATCH_EMAIL_", populate_by_name=True, frozen=True)

    @field_validator("providers_file")
    @classmethod
    def _usable(cls, path: Path) -> Path:
        return usable_providers(path, KINDS)
