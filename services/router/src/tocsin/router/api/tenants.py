"""`/v1/tenant`: the caller's own settings. `/v1/tenants`: all tenants, for those who operate the installation."""

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import RowMapping, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.contracts.values import ValueRefused
from tocsin.contracts.values.phone_number import phone_number
from tocsin.contracts.vocabulary import Channel
from tocsin.observability import get_logger
from tocsin.router.api.fields import (
    EACH_ONCE,
    Attributes,
    ChannelWord,
    Email,
    Line,
    LocaleTag,
    ProviderName,
    TenantId,
    distinct,
)
from tocsin.router.api.parameters import TenantPath
from tocsin.router.api.rows import answer, not_found, page_of, page_rows, put_row
from tocsin.router.api.transaction import Db
from tocsin.router.changes import note_changed, note_unchanged
from tocsin.router.tables import tenants
from tocsin.web import (
    Fault,
    IfMatch,
    Manager,
    Operator,
    Page,
    PagingQuery,
    Problem,
    Reader,
    RequestBody,
    codes,
    judged,
)

log = get_logger(__name__)

router = APIRouter(tags=["Tenants"])

_SMS_SENDER = re.compile(r"[0-9]{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}").fullmatch


def _sms_sender(value: str) -> str:
    if value.startswith("+"):
        return phone_number(value)
    if not _SMS_SENDER(value):
        raise ValueRefused(
            "sender_invalid",
            "Not a sender of SMS. Write an E.164 number, a short code, or up to 11 letters and digits",
        )
    return value


if TYPE_CHECKING:
    ChannelName = str
else:
    ChannelName = Literal[tuple(channel.value for channel in Channel)]


class EmailSender(RequestBody):
    """What mails come from."""

    address: Email
    name: Line | None = None
    reply_to: Email | None = None


class SmsSender(RequestBody):
    """What SMS come from."""

    address: Annotated[str, judged(_sms_sender)]


class Senders(RequestBody):
    """Sender identities, by channel; a dispatcher's own where one is absent."""

    email: EmailSender | None = None
    sms: SmsSender | None = None


Providers = dict[
    ChannelName,
    Annotated[
        list[ProviderName], Field(max_length=10, json_schema_extra=EACH_ONCE), AfterValidator(distinct)
    ],
]


ProviderWeights = dict[
    ChannelName,
    Annotated[dict[ProviderName, Annotated[int, Field(ge=1, le=1000)]], Field(min_length=1, max_length=10)],
]


class TenantWrite(RequestBody):
    """A tenant's settings whole: what is left out takes its default."""

    name: Line = ""
    default_locale: LocaleTag = "en"
    attributes: Attributes = Field(default_factory=dict)
    senders: Senders = Senders()
    providers: Providers = Field(
        default={}, description="By channel, the dispatcher's provider instances to use, the preferred first"
    )
    provider_weights: ProviderWeights = Field(
        default={},
        description="By channel, instead of an order in `providers`: how many messages each of the dispatcher's provider instances gets of "
        "all. With `{a: 3, b: 1}` three of four are tried at `a` first, and every one at the other if that does not take it",
    )
    address_like_ids: bool = Field(
        default=False,
        description="Take recipients' ids that look like addresses: with `@`, or with a leading `+`. Ids appear in timelines and logs",
    )

    shared_devices: bool = Field(
        default=False,
        description="A push token may stand with several recipients. If false, registering it for one takes it from the others",
    )

    @field_validator("provider_weights")
    @classmethod
    def _order_or_weights(cls, value: ProviderWeights, info: ValidationInfo) -> ProviderWeights:
        if both := sorted(value.keys() & info.data.get("providers", {})):
            raise PydanticCustomError(
                "order_contradicts",
                "`{channel}` stands in `providers`, too. Give each channel an order there or weights here",
                {"channel": both[0]},
            )
        return value

    def columns(self) -> dict[str, Any]:
        """As the table holds it."""
        return self.model_dump(exclude={"senders"}) | {"senders": self.senders.model_dump(exclude_none=True)}


PerSecond = Annotated[int, Field(ge=1, le=1_000_000)]


class Limits(RequestBody):
    """How much a tenant may send over HTTP in a second, all instances of ingest together. Where one is absent, the settings of ingest hold."""

    requests_per_second: PerSecond | None = None
    recipients_per_second: PerSecond | None = None
    key_requests_per_second: PerSecond | None = Field(default=None, description="Of each API key")
    key_recipients_per_second: PerSecond | None = Field(default=None, description="Of each API key")
    messages_per_day: int | None = Field(
        default=None,
        ge=1,
        le=10**12,
        description="Notifications a day (UTC), however they come; what is over waits for the next day",
    )


class OperatedTenantWrite(TenantWrite):
    """A tenant's settings whole, with those that only an operator changes."""

    limits: Limits | None = None

    def columns(self) -> dict[str, Any]:
        """As the table holds it."""
        limits = None if self.limits is None else self.limits.model_dump(exclude_none=True)
        return super().columns() | {"limits": limits, "quota_reached_on": None}


class NewTenant(OperatedTenantWrite):
    """A tenant that does not exist yet."""

    id: TenantId


class StoredEmailSender(BaseModel):
    """What mails come from."""

    address: str
    name: str | None = None
    reply_to: str | None = None


class StoredSmsSender(BaseModel):
    """What SMS come from."""

    address: str


class StoredSenders(BaseModel):
    """Sender identities, by channel; those of channels that only a newer release knows are shown as they are."""

    model_config = ConfigDict(extra="allow")

    email: StoredEmailSender | None = None
    sms: StoredSmsSender | None = None


class Tenant(BaseModel):
    """A tenant as stored."""

    id: str
    name: str
    default_locale: str
    attributes: dict[str, Any]
    senders: StoredSenders
    providers: dict[ChannelWord, list[str]]
    provider_weights: dict[ChannelWord, dict[str, int]]
    address_like_ids: bool
    limits: dict[str, int] | None = Field(
        description="How much it may send in a second, where an operator has said so"
    )
    quota_reached_on: date | None = Field(
        description="The last day (UTC) on which it sent as many notifications as it may"
    )
    shared_devices: bool
    created_at: datetime
    updated_at: datetime


@router.get("/v1/tenant")
async def read_own_tenant(caller: Reader, db: Db, response: Response) -> Tenant:
    """The tenant the key belongs to."""
    return await _answer(db, caller.tenant, response)


@router.put("/v1/tenant")
async def save_own_tenant(
    caller: Manager, db: Db, body: TenantWrite, response: Response, if_match: IfMatch = None
) -> Tenant:
    """Change the settings of the tenant the key belongs to."""
    saved = await _save(db, caller.tenant, body, response, if_match)
    log.info("tenant saved", tenant=caller.tenant, key=caller.key_id)
    return saved


@router.get("/v1/tenants")
async def list_tenants(caller: Operator, db: Db, paging: PagingQuery) -> Page[Tenant]:  # noqa: ARG001 - asking for the caller is asking for the scope
    """All tenants, by id."""
    rows, after = await page_rows(db, select(tenants), order=[tenants.c.id], paging=paging)
    return page_of([Tenant(**row) for row in rows], after)


@router.post("/v1/tenants", status_code=201)
async def create_tenant(caller: Operator, db: Db, body: NewTenant, response: Response) -> Tenant:
    """Create a tenant. Its first key is made with `POST /v1/tenants/{tenant}/api-keys`."""
    if await load(db, body.id) is not None:
        fault = Fault(pointer="/id", code="already_exists", detail="Another tenant has this id")
        raise Problem(
            codes.ALREADY_EXISTS,
            "A tenant with this id exists. Choose another id, or change that tenant with `PUT /v1/tenants/{tenant}`.",
            errors=[fault],
        )
    values = {name: value for name, value in body.columns().items() if name != "id"}
    row, _ = await put_row(db, tenants, key={"id": body.id}, values=values, if_match=None)
    await note_changed(db, "tenant", body.id)
    answer(response, revision=row["revision"])
    log.info("tenant created", tenant=body.id, key=caller.key_id)
    return Tenant(**row)


@router.get("/v1/tenants/{tenant}")
async def read_tenant(caller: Operator, db: Db, tenant: TenantPath, response: Response) -> Tenant:  # noqa: ARG001 - asking for the caller is asking for the scope
    """One tenant."""
    return await _answer(db, tenant, response)


@router.put("/v1/tenants/{tenant}")
async def save_tenant(
    *,
    caller: Operator,
    db: Db,
    tenant: TenantPath,
    body: OperatedTenantWrite,
    response: Response,
    if_match: IfMatch = None,
) -> Tenant:
    """Change a tenant's settings."""
    saved = await _save(db, tenant, body, response, if_match)
    log.info("tenant saved", tenant=tenant, key=caller.key_id)
    return saved


async def load(db: AsyncConnection, tenant: str) -> RowMapping | None:
    """The tenant's row."""
    return (await db.execute(select(tenants).where(tenants.c.id == tenant))).mappings().first()


async def address_like_ids(db: AsyncConnection, tenant: str) -> bool:
    """Whether the tenant's ids of recipients may look like addresses."""
    query = select(tenants.c.address_like_ids).where(tenants.c.id == tenant)
    return bool((await db.execute(query)).scalar())


async def create_bare(db: AsyncConnection, tenant: str) -> None:
    """A tenant with default settings."""
    await db.execute(insert(tenants).values(id=tenant))
    await note_changed(db, "tenant", tenant)


async def _answer(db: AsyncConnection, tenant: str, response: Response) -> Tenant:
    row = await load(db, tenant)
    if row is None:
        raise not_found("tenant")
    answer(response, revision=row["revision"])
    return Tenant(**row)


async def _save(
    db: AsyncConnection, tenant: str, body: TenantWrite, response: Response, if_match: str | None
) -> Tenant:
    if await load(db, tenant) is None:
        raise not_found("tenant")
    row, outcome = await put_row(db, tenants, key={"id": tenant}, values=body.columns(), if_match=if_match)
    if outcome != "unchanged":
        await note_changed(db, "tenant", tenant)
    else:
        await note_unchanged(db, "tenant", tenant)
    answer(response, revision=row["revision"])
    return Tenant(**row)
