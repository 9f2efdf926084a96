"""What an operator says about dispatch-push."""

from pathlib import Path

from pydantic import field_validator
from pydantic_settings import SettingsConfigDict

from tocsin.channel import DispatcherSettings, usable_providers
from tocsin.dispatch_push.fcm import FCM

KINDS = {"fcm": FCM}
"""The adapters of this dispatcher, by the `kind` that a provider instance names."""


class PushSettings(DispatcherSettings):
    """The file of provider instances is read while settings are checked: its faults stop the start like any other."""

    model_config = SettingsConfigDict(env_prefix="DISPATCH_PUSH_", populate_by_name=True, frozen=True)

    @field_validator("providers_file")
    @classmethod
    def _usable(cls, path: Path) -> Path:
        return usable_providers(path, KINDS)
