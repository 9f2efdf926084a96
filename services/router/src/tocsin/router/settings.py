"""The router's settings."""

import re
from collections.abc import Iterable
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from tocsin.contracts.vocabulary import Lane
from tocsin.database import DatabaseSettings, pool_for_shards
from tocsin.kafka import KafkaSettings
from tocsin.programs import ProgramSettings
from tocsin.router.secret_keys import SecretKey
from tocsin.runtime import (
    About,
    Advice,
    HttpSettings,
    Lanes,
    LaneSettings,
    SecretList,
    Shards,
    Unwise,
    key_parts,
)
from tocsin.runtime.outgoing import OutgoingSettings
from tocsin.trust import SealSettings

_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}


def _without_slash(url: str | None) -> str | None:
    if url is None:
        return None
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", url):
        raise ValueError("write an address such as https://notify.example.com")
    return url.rstrip("/")


def _one_or_two(keys: list[SecretStr]) -> list[SecretStr]:
    if not 1 <= len(keys) <= 2:
        raise ValueError("write one key, or two while you replace one by the other: id:secret,id:secret")
    return keys


HashKeys = Annotated[SecretList, AfterValidator(_one_or_two)]


def _taken_apart(keys: list[SecretStr]) -> list[SecretKey]:
    return [SecretKey(key_id, secret) for key_id, secret in key_parts(keys)]


class RouterSettings(LaneSettings):
    """What both roles read."""

    model_config = SettingsConfigDict(env_prefix="ROUTER_", populate_by_name=True, frozen=True)

    http: HttpSettings = Field(
        default_factory=HttpSettings, description="Where the API listens, in the roles api and all"
    )
    kafka: KafkaSettings = Field(description="Kafka")
    database: DatabaseSettings = Field(description="PostgreSQL")
    seal: SealSettings = Field(
        default_factory=SealSettings, description="What seals the secrets that tenants enter"
    )
    outgoing: OutgoingSettings = Field(
        default_factory=OutgoingSettings, description="Where tenants' URLs may lead"
    )
    programs: ProgramSettings = Field(
        default_factory=ProgramSettings, description="What tenants write and the worker runs"
    )
    lanes: Lanes = Field(
        default=list(Lane), validation_alias="LANES", description="Lanes whose messages the worker decides"
    )
    shards: Shards = 4
    default_tenant: Annotated[
        str | None,
        About(
            danger="Events of a producer that forgot its tenant are sent in this one's name, to its recipients"
        ),
    ] = Field(
        default=None,
        validation_alias="DEFAULT_TENANT",
        pattern=r"^[a-z0-9-]{1,63}$",
        description="Tenant of Kafka events that name none; without it such an event is refused",
    )
    duplicate_window: Annotated[
        float,
        About(
            unit="seconds",
            under=Unwise(
                bound=3600,
                harm="an event that its producer repeats after an outage is sent twice",
                remedy="leave it at a day",
            ),
            over=Unwise(
                bound=7 * 86_400,
                harm="the table of claims keeps a row of about 270 bytes for each event of that time",
                remedy="keep it under a week: Kafka keeps events no longer",
            ),
        ),
    ] = Field(default=86_400.0, gt=0, description="Seconds for which a repeated event id is a duplicate")
    public_url: Annotated[
        str | None,
        AfterValidator(_without_slash),
        About(danger="Links in messages that were sent lead to the former address for ever"),
    ] = Field(
        default=None,
        validation_alias="PUBLIC_URL",
        description="Address under which recipients reach the unsubscribe page; required when any category is optional",
    )
    second_prefix: Annotated[
        str | None,
        About(
            example="tocsin12.",
            change="roll the API's processes",
            danger="While it is set, changes come into force only when the topics of both prefixes can be written",
        ),
    ] = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
        description="A second topic prefix under which the role api publishes directory and stops as well, while you move to it",
    )
    unsubscribe_keys: Annotated[
        SecretList,
        About(
            example="2026:32-random-characters-or-more-are-right",
            danger="Links that were signed with a key that is gone are refused: put new keys first and keep old ones",
        ),
    ] = Field(
        default=[],
        description="Keys that sign unsubscribe links, as id:secret,id:secret; the first signs, all are accepted; required with PUBLIC_URL",
    )

    hash_keys: Annotated[
        HashKeys,
        About(
            example="2026:32-other-random-characters-or-more",
            danger="Addresses that were hashed with a key that is gone are found no more, and are suppressed no more: put the new key first, and keep the old one as long as its suppressions are to hold",
        ),
    ] = Field(
        description="Keys that hash addresses for statuses, as id:secret or id:secret,id:secret; the first hashes, both are recognised",
    )

    @model_validator(mode="after")
    def _links_can_be_signed(self) -> Self:
        if self.public_url is not None and not self.unsubscribe_keys:
            raise ValueError(
                "PUBLIC_URL is set, so set ROUTER_UNSUBSCRIBE_KEYS to id:secret: it signs the links to that address"
            )
        return self

    def advice(self) -> Iterable[Advice]:
        """The pool against the shards, and links that anyone on the way can read."""
        yield from super().advice()
        yield from pool_for_shards(self.database, shards=self.shards)
        url = urlsplit(self.public_url or "")
        if url.scheme == "http" and url.hostname not in _THIS_MACHINE:
            yield Advice(
                variable="PUBLIC_URL",
                harm="begins with http: anyone on the way can use the unsubscribe links, and mail providers distrust them",
                remedy="give an address with https",
            )

    @model_validator(mode="after")
    def _prefixes_differ(self) -> Self:
        prefix = getattr(
            self.kafka, "topic_prefix", None
        )  # without it where these settings are refused themselves
        if self.second_prefix is not None and self.second_prefix == prefix:
            raise ValueError(
                "ROUTER_SECOND_PREFIX is KAFKA_TOPIC_PREFIX: give it the prefix of the other topics, or take it away"
            )
        return self

    @property
    def signing_keys(self) -> list[SecretKey]:
        """The keys of unsubscribe links, taken apart."""
        return _taken_apart(self.unsubscribe_keys)

    @property
    def address_keys(self) -> list[SecretKey]:
        """The keys of address hashes, taken apart."""
        return _taken_apart(self.hash_keys)
