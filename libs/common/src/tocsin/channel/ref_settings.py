"""The setting DISPATCH_REF_KEYS: keys of refs, as `id:secret`, two while one is replaced by the other."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from tocsin.channel.ref import RefKey

SECRET_CHARS: Final = 32
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,16}").fullmatch


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _usable(keys: list[SecretStr]) -> list[SecretStr]:
    taken_apart = ref_keys(keys)
    ids = [key.id for key in taken_apart]
    if len(keys) > 2 or not all(map(_KEY_ID, ids)) or len(set(ids)) != len(ids):
        raise ValueError(
            "write one key as id:secret, or two with a comma between while you replace one by the other; an id has 1 to 16 letters, digits, - and _"
        )
    if any(len(key.secret) < SECRET_CHARS for key in taken_apart):
        raise ValueError(f"a secret has at least {SECRET_CHARS} characters")
    return keys


RefKeySetting = Annotated[list[SecretStr], NoDecode, BeforeValidator(_split), AfterValidator(_usable)]


def ref_keys(keys: Sequence[SecretStr]) -> list[RefKey]:
    """The keys, taken apart."""
    parts = (key.get_secret_value().partition(":") for key in keys)
    return [RefKey(key_id, secret) for key_id, _, secret in parts]
