"""The setting DISPATCH_REF_KEYS: keys of refs, as `id:secret`, two while one is replaced by the other."""

from typing import Annotated, Final

from pydantic import AfterValidator, SecretStr

from tocsin.channel.ref import RefKey
from tocsin.runtime import SecretList, key_parts

ID_CHARS: Final = 16
"""The id travels with each ref, and takes room from the longest of them."""


def _short_and_two_at_most(keys: list[SecretStr]) -> list[SecretStr]:
    if len(keys) > 2:
        raise ValueError("write one key, or two while you replace one by the other: id:secret,id:secret")
    if any(len(key_id) > ID_CHARS for key_id, _ in key_parts(keys)):
        raise ValueError(f"an id has at most {ID_CHARS} characters")
    return keys


RefKeySetting = Annotated[SecretList, AfterValidator(_short_and_two_at_most)]


def ref_keys(keys: list[SecretStr]) -> list[RefKey]:
    """The keys, taken apart."""
    return [RefKey(key_id, secret) for key_id, secret in key_parts(keys)]
