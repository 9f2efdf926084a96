"""Bodies of `/v1/webhook-endpoints`, and what their values may be."""

import base64
import binascii
import re
from datetime import datetime
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from tocsin.contracts.directory import EVERY
from tocsin.contracts.subscriptions import NAMES
from tocsin.contracts.values.nearest import did_you_mean
from tocsin.router.api.fields import EACH_ONCE, Line, Link, distinct
from tocsin.web import RequestBody

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how each of them begins
SECRET_BYTES: Final = 32
"""Of one that is made here. Standard Webhooks asks for 24 to 64 (its specification, "Signature scheme")."""
_SECRET: Final = re.compile(r"whsec_[A-Za-z0-9+/]{32,88}={0,2}").fullmatch
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}").fullmatch
_HEADER_VALUE: Final = re.compile(r"[!-~]([ -~]{0,1022}[!-~])?").fullmatch
MOST_HEADERS: Final = 20
_TAKEN: Final = frozenset(
    {
        "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "cookie", "date", "expect", "host",
        "keep-alive", "te", "traceparent", "tracestate", "trailer", "transfer-encoding", "upgrade", "user-agent",
    }
)  # fmt: skip
_TAKEN_PREFIXES: Final = ("webhook-", "proxy-", "sec-", "x-forwarded-")


def _whsec(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True) if _SECRET(text) else b""
    except binascii.Error:
        key = b""
    if not 24 <= len(key) <= 64:
        raise PydanticCustomError(
            "secret_invalid",
            "Not a secret of Standard Webhooks. Write `whsec_` and the base64 of 24 to 64 random bytes",
        )
    return secret


def _headers(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    if len({name.lower() for name in headers}) < len(headers):
        raise PydanticCustomError("repeated", "A header is there twice. Write each name once")
    for name, value in headers.items():
        if not _HEADER_NAME(name):
            raise PydanticCustomError(
                "header_invalid", "A header's name has letters, digits and `-`, at most 64. Rename it"
            )
        if name.lower() in _TAKEN or name.lower().startswith(_TAKEN_PREFIXES):
            raise PydanticCustomError(
                "header_taken", "Tocsin or HTTP itself sets the header `{name}`. Leave it out", {"name": name}
            )
        if not _HEADER_VALUE(value.get_secret_value()):
            raise PydanticCustomError(
                "header_invalid",
                "The value of `{name}` has to be 1 to 1024 printable characters of ASCII, without blanks at its ends. Write another one",
                {"name": name},
            )
    return headers


Secret = Annotated[SecretStr, Field(max_length=100), AfterValidator(_whsec)]
Headers = Annotated[dict[str, SecretStr], Field(max_length=MOST_HEADERS), AfterValidator(_headers)]


def _status(name: str) -> str:
    if name not in {*NAMES, EVERY}:
        raise PydanticCustomError(
            "status_unknown",
            "There is no such status. {nearest}",
            {"nearest": did_you_mean(name, NAMES).rstrip(".")},
        )
    return name


StatusWord = Annotated[
    Line, Field(min_length=1, max_length=64, examples=["delivered", "bounced"]), AfterValidator(_status)
]
EventType = Annotated[Line, Field(min_length=1, max_length=255, examples=["com.shop.order.shipped"])]


class WebhookEndpointWrite(RequestBody):
    """An endpoint whole: what is left out takes its default, but `secrets` and `headers`, which stay as they are."""

    name: Line = Field(default="", description="For you")
    url: Link = Field(description="Where webhooks go, of https. It is no place for a password: use a header")
    event_types: Annotated[
        list[EventType],
        Field(max_length=100, json_schema_extra=EACH_ONCE),
        AfterValidator(distinct),
    ] = Field(
        default=[EVERY],
        description="Types of events whose messages on the channel `webhook` come here. `*` alone: all of them; empty: none",
    )
    statuses: Annotated[
        list[StatusWord],
        Field(max_length=len(NAMES), json_schema_extra=EACH_ONCE),
        AfterValidator(distinct),
    ] = Field(
        default=[],
        description="Statuses of your messages that are told here, whatever their channel, but for those of webhooks. `*` alone: all of them; empty: none",
    )
    secrets: Annotated[list[Secret], Field(min_length=1, max_length=2)] | None = Field(
        default=None,
        description="With which calls are signed, each with each; stored sealed and never shown again. Left out: they stay, and a new "
        "endpoint gets one, which the answer shows once",
    )
    headers: Headers | None = Field(
        default=None,
        description="Sent with each call, such as `Authorization`. Values are stored sealed and never shown again. Left out: they stay",
    )
    ordered: bool = Field(
        default=False,
        description="Whether a message about a recipient waits until the former one's first attempt has ended",
    )
    enabled: bool = Field(
        default=True,
        description="False: nothing is sent, and its messages end as `failed` with the reason `endpoint_disabled`",
    )

    @field_validator("event_types", "statuses")
    @classmethod
    def _all_or_some(cls, words: list[str]) -> list[str]:
        if EVERY in words and len(words) > 1:
            raise PydanticCustomError(
                "types_contradict", "`*` stands for all of them. Write it alone, or leave it out"
            )
        return words


class SecretRotation(RequestBody):
    """A new secret beside the one in use."""

    secret: Secret | None = Field(
        default=None, description="Yours. Left out: one is made, which the answer shows"
    )


class WebhookEndpoint(BaseModel):
    """An endpoint as stored, without its secrets and the values of its headers."""

    key: str
    name: str
    url: str
    event_types: list[str]
    statuses: list[str]
    secrets: int = Field(description="How many there are: 2 while one is replaced")
    header_names: list[str]
    ordered: bool
    enabled: bool
    disabled_reason: str | None = Field(
        description="Why Tocsin has disabled it: `gone` where it answered 410, `failing` where it took nothing for five days. Null: it is enabled, "
        "or you have disabled it"
    )
    disabled_at: datetime | None
    failing_since: datetime | None = Field(
        description="Since when it has taken nothing. Null: its last answer was good, or it was not called since it was enabled"
    )
    last_error: str | None = Field(
        description="While it fails, its last answer, such as `HTTP 503`; or `unreachable` where there was none"
    )
    created_at: datetime
    updated_at: datetime
    new_secret: str | None = Field(
        default=None, description="The secret that was made by this request, shown in its answer alone"
    )
