"""The keys with which an installation seals what tenants enter."""

import re
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode, SettingsConfigDict

from tocsin.runtime.setting_facts import About
from tocsin.runtime.settings import Settings

if TYPE_CHECKING:
    from tocsin.trust.sealing import Seal

SECRET_CHARS: Final = 32
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}").fullmatch


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _usable(keys: list[SecretStr]) -> list[SecretStr]:
    ids = [key.get_secret_value().partition(":")[0] for key in keys]
    if len(keys) > 2 or len(set(ids)) != len(ids) or not all(map(_KEY_ID, ids)):
        raise ValueError(
            "write id:secret, or two of them with a comma between while you replace one by the other; each id once, of letters, digits, - and _"
        )
    if any(len(key.get_secret_value().partition(":")[2]) < SECRET_CHARS for key in keys):
        raise ValueError(f"a secret has at least {SECRET_CHARS} characters")
    return keys


class SealSettings(Settings):
    """The same names and values in every service that seals or opens."""

    model_config = SettingsConfigDict(env_prefix="SEAL_", frozen=True)

    keys: Annotated[
        list[SecretStr],
        NoDecode,
        BeforeValidator(_split),
        AfterValidator(_usable),
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

        parts = (key.get_secret_value().partition(":") for key in self.keys)
        return Seal([(key_id, secret) for key_id, _, secret in parts])
