"""The kinds of values the directory holds, checked and brought into one form when they come in."""

import math
import re
from decimal import Decimal
from functools import cache
from typing import Annotated, Any
from zoneinfo import available_timezones

import jmespath
import jsonschema_rs
import msgspec
import phonenumbers
from babel import Locale, UnknownLocaleError
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from tocsin.contracts.ids import valid_recipient
from tocsin.contracts.links import LINK_RULE, valid_link
from tocsin.web import json_pointer

ATTRIBUTES_BYTES = 32 * 1024
SCHEMA_BYTES = 1024 * 1024
"""Leaves a workflow's other fields room in a record of topic `directory`."""

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*").fullmatch
_DOMAIN = re.compile(
    r"([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
).fullmatch
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]").search


class Body(BaseModel):
    """What a caller sends: a field nobody knows is a fault, not a silent nothing."""

    model_config = ConfigDict(extra="forbid")


def email(value: str) -> str:
    """A mail address of ASCII, as SMTP without extensions carries it."""
    local, at, domain = value.rpartition("@")
    usable = at and len(local) <= 64 and len(value) <= 254 and _LOCAL(local) and _DOMAIN(domain)
    if not usable:
        raise PydanticCustomError(
            "email_invalid",
            "Not a mail address. Write `name@domain` in ASCII, an international domain in its xn-- form",
        )
    return value


def phone(value: str) -> str:
    """An E.164 number."""
    try:
        number = phonenumbers.parse(value, None)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise PydanticCustomError(
            "phone_invalid", "Not a phone number. Write it with its country code, such as +493012345678"
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def locale(value: str) -> str:
    """A BCP 47 tag in its usual capitals: `de`, `de-AT`, `zh-Hant-TW`."""
    try:
        return str(Locale.parse(value.replace("_", "-"), sep="-")).replace("_", "-")
    except (ValueError, UnknownLocaleError):
        raise PydanticCustomError(
            "locale_unknown", "Not a known language tag. Write a tag such as `de` or `de-AT`"
        ) from None


def time_zone(value: str) -> str:
    """A zone of the IANA database."""
    if value not in _zones():
        raise PydanticCustomError(
            "time_zone_unknown",
            "Not a known time zone. Write a name of the IANA database, such as `Europe/Berlin`",
        )
    return value


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def one_line(value: str) -> str:
    """Text without control characters: names, senders, keys of other systems."""
    if _CONTROL(value):
        raise PydanticCustomError(
            "control_character",
            "Control characters, such as line breaks and tabs, are not allowed here. Remove them",
        )
    return value


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
    if "\x00" in text or (
        not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)
    ):
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


def link(value: str) -> str:
    """A link that a notification may have."""
    if not valid_link(value):
        raise PydanticCustomError("link_invalid", LINK_RULE.removesuffix("."))
    return value


def recipient_id(value: str) -> str:
    """1 to 256 bytes without control characters."""
    if not valid_recipient(value):
        raise PydanticCustomError(
            "recipient_id_invalid",
            "Not a recipient id. It has 1 to 256 bytes of UTF-8 and no control characters",
        )
    return value


def jmespath_expression(value: str) -> str:
    """An expression that compiles."""
    try:
        jmespath.compile(value)
    except JMESPathError as error:
        at = getattr(error, "lex_position", None)
        where = f" near character {at}" if at is not None else ""
        raise PydanticCustomError(
            "jmespath_invalid",
            f"Not a JMESPath expression{where}. Write one such as `data.order.customer_id`",
        ) from None
    return value


def data_schema(value: dict[str, Any]) -> dict[str, Any]:
    """A JSON Schema (draft 2020-12 unless it says otherwise) that stands alone."""
    if stored_bytes(value) > SCHEMA_BYTES:
        raise PydanticCustomError("too_large", f"At most 1 MiB is possible. Shorten the schema{_DIGITS}")
    try:
        jsonschema_rs.validator_for(value, retriever=_refuse)
    except jsonschema_rs.ValidationError as error:
        path = json_pointer(error.instance_path)
        raise PydanticCustomError(
            "schema_invalid",
            "Not a JSON Schema, at {path}: {what}",
            {"what": error.message, "path": path or "its root"},
        ) from None
    return value


def _refuse(_uri: str) -> Any:
    raise ValueError("schemas are not fetched from other places: copy it under `$defs`")


def distinct(values: list[Any]) -> list[Any]:
    """Each value once."""
    if len(set(values)) != len(values):
        raise PydanticCustomError("repeated", "A value is repeated. Write each value once")
    return values


Email = Annotated[str, AfterValidator(email), Field(max_length=254, examples=["ada@example.com"])]
Phone = Annotated[
    str, AfterValidator(phone), Field(max_length=32, description="Kept in E.164", examples=["+493012345678"])
]
LocaleTag = Annotated[str, AfterValidator(locale), Field(max_length=35, examples=["de-AT"])]
TimeZone = Annotated[str, AfterValidator(time_zone), Field(max_length=64, examples=["Europe/Berlin"])]
Line = Annotated[str, AfterValidator(one_line), Field(max_length=200)]
JsonObject = Annotated[dict[str, Any], AfterValidator(storable)]
Attributes = Annotated[
    JsonObject, AfterValidator(_small), Field(description="Your own facts, for templates; at most 32 KiB")
]
RecipientId = Annotated[str, AfterValidator(recipient_id), Field(max_length=256, examples=["user-42"])]
DeviceToken = Annotated[
    str,
    AfterValidator(one_line),
    Field(min_length=1, max_length=4096, description="What the push service knows it by"),
]
DeviceKindWord = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$", examples=["fcm"])]
Key = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,127}$", examples=["order-shipped"])]
Link = Annotated[str, AfterValidator(link), Field(examples=["https://shop.example/orders/A-1042"])]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", examples=["reminder"])]
"""What a workflow calls its steps and templates: short, and usable in a path and in an expression."""
TenantId = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,63}$", examples=["acme"])]
ProviderName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", examples=["ses-eu"])]
Expression = Annotated[
    str, AfterValidator(one_line), AfterValidator(jmespath_expression), Field(max_length=1000)
]
DataSchema = Annotated[JsonObject, AfterValidator(data_schema)]
Moment = AwareDatetime
