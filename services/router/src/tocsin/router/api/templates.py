"""`/v1/workflows/{workflow}/templates`: the words of a message, by channel, name and language, in immutable revisions."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.observability import get_logger
from tocsin.router.api import template_store as store
from tocsin.router.api.fields import ChannelWord, storable
from tocsin.router.api.parameters import ChannelPath, LocalePath, RevisionPath, TemplatePath, WorkflowPath
from tocsin.router.api.rows import answer, check_match, not_found, page_of, page_rows
from tocsin.router.api.template_store import TemplateRef
from tocsin.router.api.transaction import Db
from tocsin.router.api.tried import Tried, refuse_template, template_faults
from tocsin.router.tables import templates
from tocsin.web import Caller, IfMatch, Manager, Page, PagingQuery, Reader, RequestBody

log = get_logger(__name__)

router = APIRouter(tags=["Templates"])

Parts = Annotated[dict[str, str], Field(min_length=1, max_length=50), AfterValidator(storable)]


class TemplateWrite(RequestBody):
    """New words. They become a revision of their own; messages use them once it is published."""

    parts: Parts = Field(
        description="Email: `subject`, `text`, `html`. SMS: `body`. "
        "Push: `title`, `body`, `link`, `image`, `sound`, `badge`, `data.<name>`, `overrides.<kind>.<name>`. "
        "Chat: `text`, `title`, `actions.<1 to 3>.label`, `actions.<1 to 3>.url`. "
        "In the app: `title`, `body`, `link`, `icon`, `data.<name>`, `actions.<1 to 3>.name`, `actions.<1 to 3>.label`, `actions.<1 to 3>.url`. Jinja syntax"
    )
    publish: bool = Field(default=False, description="Publish the revision at once")


class Publication(RequestBody):
    """Which revision to publish."""

    revision: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        default=None, description="The newest if absent"
    )


class Template(BaseModel):
    """One revision of a template."""

    workflow: str
    channel: ChannelWord
    name: str
    locale: str
    revision: int
    parts: dict[str, str]
    published_revision: int | None = Field(description="The revision messages are written with; null: none")
    created_at: datetime


@router.get("/v1/workflows/{workflow}/templates")
async def list_templates(
    *, caller: Reader, db: Db, workflow: WorkflowPath, paging: PagingQuery
) -> Page[Template]:
    """The newest revision of each template of the workflow, by channel, name and language."""
    if await store.load_workflow(db, caller.tenant, workflow) is None:
        raise not_found("workflow")
    newest = store.heads().subquery()
    query = select(newest).where(newest.c.tenant == caller.tenant, newest.c.workflow == workflow)
    rows, after = await page_rows(
        db, query, order=[newest.c.channel, newest.c.name, newest.c.locale], paging=paging
    )
    return page_of([Template(**row) for row in rows], after)


@router.get("/v1/workflows/{workflow}/templates/{channel}/{name}/{locale}")
async def read_template(
    *,
    caller: Reader,
    db: Db,
    workflow: WorkflowPath,
    channel: ChannelPath,
    name: TemplatePath,
    locale: LocalePath,
    response: Response,
) -> Template:
    """The newest revision of a template."""
    return await _answer(db, TemplateRef(caller.tenant, workflow, channel, name, locale), None, response)


@router.put(
    "/v1/workflows/{workflow}/templates/{channel}/{name}/{locale}",
    responses={201: {"model": Template, "description": "A revision was made"}},
)
async def save_template(
    *,
    caller: Manager,
    db: Db,
    turn: Tried,
    workflow: WorkflowPath,
    channel: ChannelPath,
    name: TemplatePath,
    locale: LocalePath,
    body: TemplateWrite,
    response: Response,
    if_match: IfMatch = None,
) -> Template:
    """Add a revision with these words; none is added when the newest says the same. Faults are named line by line."""
    row = await store.load_workflow(db, caller.tenant, workflow, lock=True)
    if row is None:
        raise not_found("workflow")
    refuse_template(await template_faults(turn, body.parts, channel, row["data_schema"], pointer="/parts"))
    ref = TemplateRef(caller.tenant, workflow, channel, name, locale)
    if if_match is not None:
        newest = await store.load(db, ref, None)
        check_match(if_match, None if newest is None else newest["revision"])
    added = await store.add(db, ref, body.parts)
    saved = await _answer(db, ref, None, response)
    if body.publish:
        await store.publish(db, ref, saved.revision)
        saved.published_revision = saved.revision
    response.status_code = 201 if added else 200
    _log("template saved", caller, saved)
    return saved


@router.delete("/v1/workflows/{workflow}/templates/{channel}/{name}/{locale}", status_code=204)
async def delete_template(
    *,
    caller: Manager,
    db: Db,
    workflow: WorkflowPath,
    channel: ChannelPath,
    name: TemplatePath,
    locale: LocalePath,
) -> None:
    """Delete all revisions of a template."""
    await store.load_workflow(db, caller.tenant, workflow, lock=True)
    if not await store.remove(db, TemplateRef(caller.tenant, workflow, channel, name, locale)):
        raise not_found("template")
    log.info("template deleted", tenant=caller.tenant, key=caller.key_id, workflow=workflow, channel=channel)


@router.get("/v1/workflows/{workflow}/templates/{channel}/{name}/{locale}/revisions")
async def list_template_revisions(
    *,
    caller: Reader,
    db: Db,
    workflow: WorkflowPath,
    channel: ChannelPath,
    name: TemplatePath,
    locale: LocalePath,
    paging: PagingQuery,
) -> Page[Template]:
    """All revisions of a template, oldest first."""
    ref = TemplateRef(caller.tenant, workflow, channel, name, locale)
    newest = await store.load(db, ref, None)
    if newest is None:
        raise not_found("template")
    query = select(templates).where(*ref.among(templates))
    rows, after = await page_rows(db, query, order=[templates.c.revision], paging=paging)
    published = newest["published_revision"]
    return page_of([Template(**row, published_revision=published) for row in rows], after)


@router.get("/v1/workflows/{workflow}/templates/{channel}/{name}/{locale}/revisions/{revision}")
async def read_template_revision(
    *,
    caller: Reader,
    db: Db,
    workflow: WorkflowPath,
    channel: ChannelPath,
    name: TemplatePath,
    locale: LocalePath,
    revision: RevisionPath,
    response: Response,
) -> Template:
    """One revision of a template; it never changes."""
    return await _answer(db, TemplateRef(caller.tenant, workflow, channel, name, locale), revision, response)


@router.post("/v1/workflows/{workflow}/templates/{channel}/{name}/{locale}/publish")
async def publish_template(
    *,
    caller: Manager,
    db: Db,
    turn: Tried,
    workflow: WorkflowPath,
    channel: ChannelPath,
    name: TemplatePath,
    locale: LocalePath,
    body: Publication,
    response: Response,
) -> Template:
    """From now on messages are written with this revision; an older one may be published again."""
    row = await store.load_workflow(db, caller.tenant, workflow, lock=True)
    if row is None:
        raise not_found("workflow")
    ref = TemplateRef(caller.tenant, workflow, channel, name, locale)
    chosen = await _answer(db, ref, body.revision, response)
    # the schema may have changed since it was saved
    refuse_template(await template_faults(turn, chosen.parts, channel, row["data_schema"], pointer=""))
    await store.publish(db, ref, chosen.revision)
    chosen.published_revision = chosen.revision
    _log("template published", caller, chosen)
    return chosen


@router.post("/v1/workflows/{workflow}/templates/{channel}/{name}/{locale}/unpublish")
async def unpublish_template(
    *,
    caller: Manager,
    db: Db,
    workflow: WorkflowPath,
    channel: ChannelPath,
    name: TemplatePath,
    locale: LocalePath,
    response: Response,
) -> Template:
    """From now on no message is written with this template."""
    await store.load_workflow(db, caller.tenant, workflow, lock=True)
    ref = TemplateRef(caller.tenant, workflow, channel, name, locale)
    newest = await _answer(db, ref, None, response)
    await store.unpublish(db, ref)
    newest.published_revision = None
    _log("template unpublished", caller, newest)
    return newest


async def _answer(
    db: AsyncConnection, ref: TemplateRef, revision: int | None, response: Response
) -> Template:
    row = await store.load(db, ref, revision)
    if row is None:
        raise not_found("template")
    answer(response, revision=row["revision"])
    return Template(**row)


def _log(what: str, caller: Caller, template: Template) -> None:
    log.info(
        what,
        tenant=caller.tenant,
        key=caller.key_id,
        workflow=template.workflow,
        channel=template.channel,
        template=template.name,
        locale=template.locale,
        revision=template.revision,
    )
