"""Settings that are keys of the installation, written `id:secret,id:secret`: what one key made names its id, so that a second stands
beside it while the first is replaced."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from tocsin.runtime.settings import split_at_commas

SECRET_CHARS: Final = 32
"""So long is a secret at least, an operator's and a tenant's."""
KEY_ID: Final = r"[A-Za-z0-9_-]{1,32}"
"""What the id of a key may be, as a regular expression."""
_is_key_id: Final = re.compile(KEY_ID).fullmatch


def key_parts(keys: list[SecretStr]) -> list[tuple[str, str]]:
    """The id and the secret of each."""
    parts = (key.get_secret_value().partition(":") for key in keys)
    return [(key_id, secret) for key_id, _, secret in parts]


def _usable(keys: list[SecretStr]) -> list[SecretStr]:
    parts = key_parts(keys)
    ids = [key_id for key_id, _ in parts]
    if not all(map(_is_key_id, ids)) or len(set(ids)) != len(ids):
        raise ValueError("write id:secret,id:secret, each id once, of letters, digits, - and _")
    if any(len(secret) < SECRET_CHARS for _, secret in parts):
        raise ValueError(f"a secret has at least {SECRET_CHARS} characters")
    return keys


SecretList = Annotated[list[SecretStr], NoDecode, BeforeValidator(split_at_commas), AfterValidator(_usable)]
"""Keys written with commas in one variable, in the order in which they stand there."""
