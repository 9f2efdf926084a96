"""The keys with which an installation seals what tenants enter."""

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from tocsin.runtime.secret_lists import SecretList, key_parts
from tocsin.runtime.setting_facts import About
from tocsin.runtime.settings import Settings

if TYPE_CHECKING:
    from tocsin.trust.sealing import Seal


def _two_at_most(keys: list[SecretStr]) -> list[SecretStr]:
    if len(keys) > 2:
        raise ValueError("write one key, or two while you replace one by the other: id:secret,id:secret")
    return keys


class SealSettings(Settings):
    """The same names and values in every service that seals or opens."""

    model_config = SettingsConfigDict(env_prefix="SEAL_", frozen=True)

    keys: Annotated[
        SecretList,
        AfterValidator(_two_at_most),
        About(
            example="2026:32-more-random-characters-at-least",
            danger="What was sealed with a key that is gone cannot be opened: keep the old one until tenants have entered their secrets again",
        ),
    ] = Field(
        default=[],
        description="Keys that seal the secrets that tenants enter, as id:secret or id:secret,id:secret; the first seals, both open; without one such secrets are refused",
    )

    @property
    def seal(self) -> "Seal":
        """What seals and opens with these keys."""
        from tocsin.trust.sealing import Seal  # noqa: PLC0415 - only some roles of a service need it

        return Seal(key_parts(self.keys))
