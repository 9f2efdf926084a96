"""Suppressed addresses, as the API takes and gives them. An address comes in, and never goes out."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, ValidationInfo, WrapValidator, field_validator, model_validator
from pydantic_core import PydanticCustomError

from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.address import judge_address
from tocsin.contracts.values.text import line
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.router.api.fields import ChannelWord, Key, Moment, Name
from tocsin.router.policy import CAUSES
from tocsin.runtime import KEY_ID
from tocsin.web import RequestBody, judged
from tocsin.web.problem import ProblemError

PER_REQUEST = 1_000
"""Rows of an import in one request."""
Cause = Literal["bounce", "complaint", "manual", "gone"]
Hash = Annotated[
    str,
    Field(
        pattern=rf"^{KEY_ID}\.[A-Za-z0-9_-]{{16}}$",
        description="Stands for the address in statuses and decisions",
        examples=["2026.q83Vz5Zk1yQw0rTb"],
    ),
]
KeyOrAll = Annotated[
    str,
    Field(pattern=r"^(\*|[a-z0-9][a-z0-9._-]{0,127})$", examples=["marketing"]),
]
"""A category's key, or `*`."""
CauseWord = Annotated[str, Field(json_schema_extra={"x-known-values": [cause.value for cause in CAUSES]})]


class NamedAddress(RequestBody):
    """An address on a channel, in clear or by its hash. It stands in the body, because URLs are logged everywhere."""

    channel: Channel
    address: Annotated[str, Field(min_length=1, max_length=4096)] | None = Field(
        default=None, description="A mail address, a phone number or a push token, as the channel has it"
    )
    address_hash: Hash | None = None

    @field_validator("address")
    @classmethod
    def _canonical(cls, value: str | None, info: ValidationInfo) -> str | None:
        channel = info.data.get("channel")
        if value is None or channel is None:
            return value
        try:
            return judge_address(channel, value)
        except ValueRefused as refused:
            raise PydanticCustomError(refused.code, "{detail}", {"detail": refused.detail}) from None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.address is None) == (self.address_hash is None):
            raise PydanticCustomError(
                "address_or_hash", "Give the address or its hash: one of `address` and `address_hash`"
            )
        return self


class SuppressionWrite(NamedAddress):
    """An address to which nothing is to go."""

    cause: Cause = Field(
        default="manual",
        description="Why. Give another than `manual` where you bring along what another provider has learnt",
    )
    category: Key | None = Field(default=None, description="Only messages of this category; all if absent")
    until: Moment | None = Field(default=None, description="For good if absent")
    spares_required: bool = Field(
        default=False,
        description="Messages of required categories go there all the same. Only with the cause `manual`",
    )
    source: Name = Field(default="api", description="Who says so, in a word of yours", examples=["crm"])

    @field_validator("spares_required")
    @classmethod
    def _only_by_hand(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("cause") not in {Reason.MANUAL, None}:
            raise PydanticCustomError(
                "spares_contradicts",
                "Only what is suppressed with the cause `manual` may spare required categories. Leave it out",
            )
        return value


def _as_sent(value: Any, _: Any) -> Any:
    return value


class SuppressionImport(RequestBody):
    """Up to 1,000 addresses. Each is looked at alone: the faults of one do not keep out the others."""

    suppressions: Annotated[
        list[Annotated[SuppressionWrite, WrapValidator(_as_sent)]],
        Field(min_length=1, max_length=PER_REQUEST),
    ]


class ImportedRow(BaseModel):
    """What became of one of them, in the order sent. `unchanged`: it stood already, as long or longer, or stands in a row before."""

    result: Literal["created", "updated", "unchanged", "refused"]
    errors: list[ProblemError] = Field(
        default=[], description="Why it was refused; pointers into the whole body"
    )


class ImportedRows(BaseModel):
    """One answer for each row."""

    items: list[ImportedRow]


class SuppressionRemoval(NamedAddress):
    """What is to be suppressed no more."""

    reason: Annotated[str, Field(min_length=1, max_length=200), judged(line)] = Field(
        description="Why, for whoever asks later. It is kept with your key's id"
    )
    category: KeyOrAll | None = Field(
        default=None,
        description="Only what holds for this category; `*`: only what holds for all of them",
    )
    cause: Cause | None = Field(default=None, description="Only what has this cause")
    spares_required: bool | None = Field(
        default=None, description="Only what spares messages of required categories, or only what does not"
    )


class Removed(BaseModel):
    """How many were removed."""

    removed: int


class StoredSuppression(BaseModel):
    """One reason why nothing goes to an address."""

    channel: ChannelWord
    address_hash: str
    category: str | None = Field(description="Only messages of this category; null: of all")
    cause: CauseWord
    source: str = Field(
        description="Who said so: `provider`, `api`, `import`, or a word of the caller's",
        examples=["provider"],
    )
    code: str | None = Field(description="The provider's own code", examples=["550 5.1.1"])
    notification_id: str | None = Field(description="The message of which the provider said so")
    key_id: str | None = Field(description="The API key that added it")
    spares_required: bool
    until: datetime | None = Field(description="null: for good")
    created_at: datetime


class Suppressions(BaseModel):
    """All that is stored of one address; empty where it is not suppressed."""

    data: list[StoredSuppression]


class StoredRemoval(BaseModel):
    """What was suppressed and is no more."""

    removed_at: datetime
    key_id: str = Field(description="The API key that removed it")
    reason: str
    channel: ChannelWord
    address_hash: str
    category: str | None
    cause: CauseWord
    spares_required: bool
    source: str
    code: str | None
    notification_id: str | None
    until: datetime | None
    suppressed_at: datetime
