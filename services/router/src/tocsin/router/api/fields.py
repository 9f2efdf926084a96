"""The kinds of values the directory holds, checked and brought into one form when they come in."""

import math
from decimal import Decimal
from functools import partial
from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator, AwareDatetime, Field, JsonValue
from pydantic_core import PydanticCustomError

from tocsin.contracts.values import (
    chat_place,
    device,
    identifier,
    link,
    locale,
    mail_address,
    phone_number,
    time_zone,
)
from tocsin.contracts.values.text import is_text, line
from tocsin.contracts.vocabulary import Channel
from tocsin.router import expressions
from tocsin.web import judged

ATTRIBUTES_BYTES = 32 * 1024
SCHEMA_BYTES = 32 * 1024


def storable(value: Any) -> Any:
    """JSON that PostgreSQL can hold: no NUL, no lone surrogate, in any string or key, no infinite number."""
    waiting = [value]
    while waiting:
        match waiting.pop():
            case str() as text:
                _check_text(text)
            case dict() as members:
                waiting += [*members.keys(), *members.values()]
            case list() as items:
                waiting += items
            case float() as number if not math.isfinite(number):
                raise PydanticCustomError(
                    "number_invalid", "A number is infinite or too large. Send it as a string"
                )
            case _:
                pass
    return value


def _check_text(text: str) -> None:
    if not is_text(text):
        raise PydanticCustomError(
            "text_invalid", "A text contains a NUL character or half a surrogate pair. Remove it"
        )


def _small(value: dict[str, Any]) -> dict[str, Any]:
    if stored_bytes(value) > ATTRIBUTES_BYTES:
        raise PydanticCustomError("too_large", f"At most 32 KiB are possible. Send less{_DIGITS}")
    return value


_DIGITS = "; a number such as 1e300 counts with all its digits"


def stored_bytes(value: Any) -> int:
    """The length of the JSON as PostgreSQL gives it back: it writes 1e300 with 301 digits."""
    size, waiting = len(msgspec.json.encode(value)), [value]
    while waiting:
        match waiting.pop():
            case dict() as members:
                waiting += members.values()
            case list() as items:
                waiting += items
            case float() as number if "e" in (short := repr(number)):
                size += len(f"{Decimal(short):f}") - len(short)
            case _:
                pass
    return size


def expression(value: str) -> str:
    """An expression of the language in which workflows name their recipients."""
    try:
        expressions.compile_expression(value)
    except expressions.ExpressionRefused as refused:
        raise PydanticCustomError("expression_invalid", "{detail}", {"detail": refused.detail}) from None
    return value


def data_schema(value: dict[str, Any]) -> dict[str, Any]:
    """A JSON Schema (draft 2020-12 unless it says otherwise), as far as its size goes. The child judges the rest (`trials`)."""
    if stored_bytes(value) > SCHEMA_BYTES:
        raise PydanticCustomError("too_large", f"At most 32 KiB are possible. Shorten the schema{_DIGITS}")
    return value


def distinct(values: list[Any]) -> list[Any]:
    """Each value once. `EACH_ONCE` says so in the document."""
    if len(set(values)) != len(values):
        raise PydanticCustomError("repeated", "A value is repeated. Write each value once")
    return values


EACH_ONCE: dict[str, JsonValue] = {"uniqueItems": True}


MAIL: dict[str, JsonValue] = {"format": "idn-email"}
PHONE: dict[str, JsonValue] = {"pattern": phone_number.PATTERN}

# A judge of `contracts.values` looks at the length first, and gives the code that every way in gives; the bound beside it is for
# the document. Any other validator stands behind its bound: pydantic goes from left to right.
Email = Annotated[
    str,
    judged(mail_address.mail_address),
    Field(
        max_length=mail_address.LONGEST,
        examples=["ada@example.com"],
        json_schema_extra=MAIL,
    ),
]
Phone = Annotated[
    str,
    judged(phone_number.phone_number),
    Field(
        max_length=phone_number.LONGEST,
        description="Kept in E.164",
        examples=["+493012345678"],
        json_schema_extra=PHONE,
    ),
]
LocaleTag = Annotated[str, judged(locale.locale), Field(max_length=locale.LONGEST, examples=["de-AT"])]
TimeZone = Annotated[
    str, judged(time_zone.time_zone), Field(max_length=time_zone.LONGEST, examples=["Europe/Berlin"])
]
DeviceToken = Annotated[
    str,
    judged(device.device_token),
    Field(
        min_length=1,
        max_length=device.LONGEST_TOKEN,
        description="What the push service knows it by. APNs: in hexadecimal. Web Push: the subscription, as JSON",
    ),
]
DeviceKindWord = Annotated[str, judged(device.device_kind), Field(max_length=32, examples=["fcm"])]
DeviceApp = Annotated[str, judged(device.device_app), Field(max_length=device.LONGEST_APP)]
ChatId = Annotated[
    str,
    judged(chat_place.place_id),
    Field(max_length=chat_place.LONGEST_ID, description="Names the place; it goes into ids and timelines"),
]
ChatKindWord = Annotated[
    str,
    judged(chat_place.chat_kind),
    Field(
        max_length=chat_place.LONGEST_KIND,
        description="`slack`, `slack_webhook`, `teams`, or what a provider of your own serves",
    ),
]
ChatAddress = Annotated[
    str,
    judged(chat_place.chat_address),
    Field(
        min_length=1,
        max_length=chat_place.LONGEST_ADDRESS,
        description="`slack`: the id of a channel or person. `slack_webhook`, `teams`: the URL, which is a secret",
        examples=["C024BE91L"],
    ),
]
Line = Annotated[str, Field(max_length=200), judged(line)]
JsonObject = Annotated[dict[str, Any], AfterValidator(storable)]
Attributes = Annotated[
    JsonObject, AfterValidator(_small), Field(description="Your own facts, for templates; at most 32 KiB")
]
RecipientId = Annotated[
    str,
    judged(partial(identifier.recipient_id, address_like=True)),
    Field(max_length=256, examples=["user-42"]),
]
Key = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,127}$", examples=["order-shipped"])]
Link = Annotated[str, judged(link.link), Field(examples=["https://shop.example/orders/A-1042"])]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", examples=["reminder"])]
"""What a workflow calls its steps and templates: short, and usable in a path and in an expression."""
ChannelWord = Annotated[
    str, Field(json_schema_extra={"x-known-values": [channel.value for channel in Channel]})
]
"""A channel as stored: during an upgrade a newer release may have written one that this release does not know."""
TenantId = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,63}$", examples=["acme"])]
ProviderName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", examples=["ses-eu"])]
Expression = Annotated[str, Field(max_length=expressions.LONGEST), judged(line), AfterValidator(expression)]
DataSchema = Annotated[JsonObject, AfterValidator(data_schema)]
Moment = AwareDatetime
