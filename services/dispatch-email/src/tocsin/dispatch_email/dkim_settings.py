"""How an instance of kind `smtp` is told to sign: `[[providers.dkim]]`, one for each key, at most two for a domain."""

from collections import Counter
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from tocsin.channel import SecretFile

_MOST_OF_A_DOMAIN = 2


def _is_key(secret: SecretStr) -> SecretStr:
    # Only here: an instance that does not sign loads no cryptography.
    from tocsin.dispatch_email.dkim import KeyUnusable, private_key  # noqa: PLC0415

    try:
        private_key(secret.get_secret_value())
    except KeyUnusable as unusable:
        raise ValueError(str(unusable)) from unusable
    return secret


class DkimConfig(BaseModel):
    """One key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    domain: str = Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")
    """Signs mails whose sender's address has this domain, or one below it."""
    selector: str = Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)*$")
    """The public key stands in DNS at `<selector>._domainkey.<domain>`."""
    key_file: Annotated[SecretFile, AfterValidator(_is_key)]


def _rotating_at_most(keys: tuple[DkimConfig, ...]) -> tuple[DkimConfig, ...]:
    if any(count > _MOST_OF_A_DOMAIN for count in Counter(key.domain for key in keys).values()):
        raise ValueError(
            "a domain has two keys at most: the new one beside the old one, or RSA beside Ed25519"
        )
    if len({(key.domain, key.selector) for key in keys}) < len(keys):
        raise ValueError("a selector stands twice; each key of a domain has one of its own")
    return keys


DkimKeys = Annotated[tuple[DkimConfig, ...], AfterValidator(_rotating_at_most)]


def keys_for(domain: str, keys: tuple[DkimConfig, ...]) -> list[DkimConfig]:
    """Those of the longest domain that the sender's domain is, or lies below; none where there is none."""
    fitting = [key for key in keys if f".{domain}".endswith(f".{key.domain}")]
    longest = max((len(key.domain) for key in fitting), default=0)
    return [key for key in fitting if len(key.domain) == longest]
