"""`/v1/workflows`: what triggers a notification, whom it reaches, in which steps."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Response
from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, computed_field, field_validator
from sqlalchemy import ARRAY, Text, cast, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.contracts.vocabulary import Lane
from tocsin.observability import get_logger
from tocsin.router.api.fields import (
    EACH_ONCE,
    ChannelWord,
    DataSchema,
    Expression,
    Key,
    Line,
    distinct,
)
from tocsin.router.api.parameters import WorkflowPath
from tocsin.router.api.rows import answer, check_match, not_found, page_of, page_rows, put_row
from tocsin.router.api.steps import Channels, Steps, StoredStep, require_one_form, short_form, stored_steps
from tocsin.router.api.template_store import published_faults, published_refs
from tocsin.router.api.transaction import Db
from tocsin.router.api.tried import Tried
from tocsin.router.changes import note_changed, note_unchanged
from tocsin.router.refused_revisions import unusable_until, workflow_unusable_until
from tocsin.router.tables import categories, workflows
from tocsin.router.trials import Turn
from tocsin.web import (
    Fault,
    IfMatch,
    Manager,
    Page,
    PagingQuery,
    Problem,
    Reader,
    RequestBody,
    codes,
    json_pointer,
)

log = get_logger(__name__)

router = APIRouter(tags=["Workflows"])

MOST_SUBSCRIBERS: Final = 20
"""Workflows of a tenant that one type of event triggers: it bounds what one event makes others wait."""

_UNUSABLE = unusable_until().label("unusable_until")

EventType = Annotated[Line, Field(min_length=1, max_length=255, examples=["com.shop.order.shipped"])]


class ThrottleWrite(RequestBody):
    """At most `limit` notifications for one recipient within `seconds`."""

    limit: int = Field(ge=1, le=1000)
    seconds: int = Field(ge=1, le=31 * 86_400)


class WorkflowWrite(RequestBody):
    """A workflow whole: what is left out takes its default."""

    name: Line = ""
    event_types: Annotated[
        list[EventType], Field(max_length=100, json_schema_extra=EACH_ONCE), AfterValidator(distinct)
    ] = Field(
        default=[], description="CloudEvents types that trigger it; it can always be requested by its key"
    )
    recipients: Expression | None = Field(
        default=None,
        description="JMESPath over the event (`subject`, `data`, `source`, `type`) that yields its recipients; the subject if absent",
        examples=["data.order.customer_id"],
    )
    category: Key
    lane: Lane = Field(default=Lane.TRANSACTIONAL, description="The fastest lane its messages may ride")
    channels: Channels | None = Field(
        default=None,
        description="Short for one step named `1` with the template `default`; instead of `steps`",
    )
    steps: Steps | None = Field(
        default=None,
        validate_default=True,
        description="What is sent, step by step; instead of `channels`",
    )
    data_schema: DataSchema | None = Field(
        default=None,
        description="JSON Schema the event's data must meet; it stands alone, `$ref` stays inside",
    )
    throttle: ThrottleWrite | None = Field(
        default=None, description="At most so many of its notifications for one recipient; more are skipped"
    )
    published: bool = Field(default=True, description="Whether events and requests reach it")

    @field_validator("steps")
    @classmethod
    def _one_form(cls, steps: Steps | None, info: ValidationInfo) -> Steps | None:
        if "channels" in info.data:  # else they have a fault of their own
            require_one_form(info.data["channels"], steps)
        return steps

    def stored(self) -> dict[str, Any]:
        """The values of its row."""
        return {
            **self.model_dump(exclude={"channels", "steps"}),
            "steps": stored_steps(self.channels, self.steps),
        }


class Workflow(BaseModel):
    """A workflow as stored."""

    key: str
    name: str
    event_types: list[str]
    recipients: str | None
    category: str
    lane: Lane
    steps: list[StoredStep]
    data_schema: dict[str, Any] | None
    throttle: dict[str, int] | None
    published: bool
    revision: int = Field(description="Raised by every change")
    unusable_until: datetime | None = Field(
        default=None,
        description="Until when this revision, or a published template, is refused, because a router ended while it ran it; "
        "null where it can be used. A new revision is used at once",
    )
    created_at: datetime
    updated_at: datetime

    @computed_field(  # type: ignore[prop-decorator]  # pydantic's documented way
        description="The channels, where `steps` is one step named `1` with the template `default`; null otherwise"
    )
    @property
    def channels(self) -> list[ChannelWord] | None:
        """The short form, where there is one."""
        return short_form(self.steps)


@router.get("/v1/workflows")
async def list_workflows(*, caller: Reader, db: Db, paging: PagingQuery) -> Page[Workflow]:
    """All workflows, by key."""
    query = select(workflows, _UNUSABLE).where(workflows.c.tenant == caller.tenant)
    rows, after = await page_rows(db, query, order=[workflows.c.key], paging=paging)
    return page_of([Workflow(**row) for row in rows], after)


@router.get("/v1/workflows/{workflow}")
async def read_workflow(*, caller: Reader, db: Db, workflow: WorkflowPath, response: Response) -> Workflow:
    """One workflow."""
    query = select(workflows, _UNUSABLE).where(
        workflows.c.tenant == caller.tenant, workflows.c.key == workflow
    )
    row = (await db.execute(query)).mappings().first()
    if row is None:
        raise not_found("workflow")
    answer(response, revision=row["revision"])
    return Workflow(**row)


@router.put("/v1/workflows/{workflow}", responses={201: {"model": Workflow, "description": "It was created"}})
async def save_workflow(
    *,
    caller: Manager,
    db: Db,
    turn: Tried,
    workflow: WorkflowPath,
    body: WorkflowWrite,
    response: Response,
    if_match: IfMatch = None,
) -> Workflow:
    """Create the workflow, or make it what the body says. Sent twice, it changes nothing more.

    Refused when a published template uses data that the new schema does not have.
    """
    await _require_category(db, caller.tenant, body.category)
    await _require_room(db, caller.tenant, workflow, body.event_types)
    await _try(turn, body)
    key = {"tenant": caller.tenant, "key": workflow}
    row, outcome = await put_row(db, workflows, key=key, values=body.stored(), if_match=if_match)
    if faults := await published_faults(db, turn, caller.tenant, workflow, body.data_schema):
        raise Problem(
            codes.INVALID_REQUEST,
            "Published templates use data that this schema does not have; `errors` says which. Change the schema or the templates.",
            errors=faults,
        )
    if outcome != "unchanged":
        await note_changed(db, "workflow", caller.tenant, workflow)
    else:
        await note_unchanged(db, "workflow", caller.tenant, workflow)
    answer(response, revision=row["revision"], outcome=outcome)
    log.info("workflow saved", tenant=caller.tenant, key=caller.key_id, workflow=workflow, outcome=outcome)
    return Workflow(**row, unusable_until=await workflow_unusable_until(db, caller.tenant, workflow))


@router.delete("/v1/workflows/{workflow}", status_code=204)
async def delete_workflow(
    *, caller: Manager, db: Db, workflow: WorkflowPath, if_match: IfMatch = None
) -> None:
    """Delete the workflow with all its templates."""
    here = (workflows.c.tenant == caller.tenant, workflows.c.key == workflow)
    revision = (await db.execute(select(workflows.c.revision).where(*here).with_for_update())).scalar()
    if revision is None:
        raise not_found("workflow")
    check_match(if_match, revision)
    for ref in await published_refs(db, caller.tenant, workflow):
        await note_changed(db, "template", *ref)
    await db.execute(delete(workflows).where(*here))
    await note_changed(db, "workflow", caller.tenant, workflow)
    log.info("workflow deleted", tenant=caller.tenant, key=caller.key_id, workflow=workflow)


async def _try(turn: Turn, body: WorkflowWrite) -> None:
    """Return when the schema can be used, and neither it nor the expression exceeds anything when it is run."""
    schema = body.data_schema
    if schema is not None:
        refused = await turn.run("try_schema", pointer="/data_schema", data_schema=schema)
        if refused is not None:
            raise _schema_invalid(*refused)
    if body.recipients is not None:
        await turn.run(
            "try_expression", pointer="/recipients", expression=body.recipients, data_schema=schema
        )


def _schema_invalid(path: list[str | int], why: str) -> Problem:
    detail = f"Not a JSON Schema that can be used, at {json_pointer(path) or 'its root'}: {why}"
    return Problem(
        codes.INVALID_REQUEST,
        "The data schema cannot be used; `errors` says what to change.",
        errors=[Fault(pointer="/data_schema", code="schema_invalid", detail=detail)],
    )


async def _require_category(db: AsyncConnection, tenant: str, category: str) -> None:
    """Return when the category exists, and stays until the transaction ends."""
    query = select(categories.c.key).where(categories.c.tenant == tenant, categories.c.key == category)
    if (await db.execute(query.with_for_update(read=True, key_share=True))).first() is None:
        fault = Fault(
            pointer="/category",
            code="unknown_category",
            detail="No category has this key. Create it first, or correct the key",
        )
        raise Problem(
            codes.UNKNOWN_CATEGORY,
            "This workflow names a category that does not exist. Create it with `PUT /v1/categories/{category}`.",
            errors=[fault],
        )


async def _require_room(db: AsyncConnection, tenant: str, workflow: str, event_types: list[str]) -> None:
    """Return when no type of event triggers too many other workflows already. Two saved at the same moment may be one too many."""
    if not event_types:
        return
    others = (
        select(func.unnest(workflows.c.event_types).label("event_type"))
        .where(
            workflows.c.tenant == tenant,
            workflows.c.key != workflow,
            workflows.c.event_types.op("&&")(cast(event_types, ARRAY(Text))),
        )
        .subquery()
    )
    query = select(others.c.event_type).group_by(others.c.event_type).having(func.count() >= MOST_SUBSCRIBERS)
    full = set((await db.execute(query)).scalars()).intersection(event_types)
    if full:
        raise Problem(
            codes.INVALID_REQUEST,
            "Too many workflows have a type of event in common; `errors` says which.",
            errors=[
                Fault(
                    pointer=json_pointer(["event_types", index]),
                    code="too_many_workflows",
                    detail=f"This type of event triggers {MOST_SUBSCRIBERS} workflows already, which is the most. Take it from one of them first",
                )
                for index, event_type in enumerate(event_types)
                if event_type in full
            ],
        )
