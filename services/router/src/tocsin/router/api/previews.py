"""`/v1/workflows/{workflow}/preview`: what a message would say, without sending it."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.contracts.channels import ADDRESS_FIELDS
from tocsin.contracts.directory import TemplateRecord
from tocsin.contracts.vocabulary import DEFAULT_TEMPLATE, Channel
from tocsin.router.api import recipient_store, tenants
from tocsin.router.api import template_store as store
from tocsin.router.api.fields import (
    Attributes,
    Email,
    JsonObject,
    Link,
    LocaleTag,
    Name,
    Phone,
    RecipientId,
    TimeZone,
)
from tocsin.router.api.parameters import WorkflowPath
from tocsin.router.api.rows import not_found
from tocsin.router.api.template_store import TemplateRef
from tocsin.router.api.templates import Parts
from tocsin.router.api.transaction import Db
from tocsin.router.api.tried import Tried, refuse_template, template_faults
from tocsin.router.policy import StoredRecipient, locale_candidates, recipient_of
from tocsin.router.tokens import unsubscribe_url
from tocsin.router.trials import Turn
from tocsin.web import Fault, Previewer, Problem, RequestBody, codes

router = APIRouter(tags=["Templates"])

SAMPLE_ID = "sample-recipient"
SAMPLE_LINK = "preview"
"""Stands in a preview's unsubscribe link where a message has a token: such a link does nothing."""


class SampleRecipient(RequestBody):
    """Whom the message is for: what stands here overrides what is stored under `id`."""

    id: RecipientId = SAMPLE_ID
    email: Email | None = None
    phone: Phone | None = None
    locale: LocaleTag | None = None
    time_zone: TimeZone | None = None
    attributes: Attributes = Field(default_factory=dict)


class PreviewRequest(RequestBody):
    """What to render, and for whom."""

    channel: Channel
    template: Name = Field(default=DEFAULT_TEMPLATE, description="The template's name")
    locale: LocaleTag | None = Field(
        default=None, description="The language; the recipient's if absent, then the tenant's"
    )
    parts: Parts | None = Field(default=None, description="Content that is not saved")
    revision: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        default=None, description="A saved revision; the published one if absent, then the newest"
    )
    data: JsonObject = Field(default_factory=dict, description="The event's data")
    recipient: SampleRecipient = SampleRecipient()
    actor: SampleRecipient | None = None
    link: Link | None = Field(default=None, description="Where a reader goes from the message")


class Button(BaseModel):
    """A button that opens a link; of a message in the app one that may open none."""

    name: str | None = Field(default=None, description="How the app knows it, in a message in the app")
    label: str
    url: str | None = None


class Preview(BaseModel):
    """The message as it would be handed over; the parts of its channel are set."""

    channel: Channel
    locale: str
    revision: int | None = Field(description="The revision rendered; null for content that is not saved")
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    title: str | None = None
    body: str | None = None
    link: str | None = None
    image: str | None = None
    icon: str | None = None
    sound: str | None = None
    badge: int | None = None
    data: dict[str, str] | None = None
    overrides: dict[str, dict[str, Any]] | None = None
    actions: list[Button] | None = None


@router.post("/v1/workflows/{workflow}/preview")
async def preview_message(
    *, caller: Previewer, db: Db, turn: Tried, workflow: WorkflowPath, body: PreviewRequest, request: Request
) -> Preview:
    """Render a message of this workflow for a recipient and a language, from saved or unsaved words. Nothing is sent or kept."""
    flow = await store.load_workflow(db, caller.tenant, workflow)
    tenant = await tenants.load(db, caller.tenant)
    if flow is None or tenant is None:
        raise not_found("workflow")
    person = await _variables(db, caller.tenant, body.recipient)
    candidates = locale_candidates(body.locale or person.get("locale"), tenant["default_locale"])
    template, revision = await _template(
        db, turn, tenant=caller.tenant, flow=flow, body=body, candidates=candidates
    )
    public_url = request.app.state.public_url or str(request.base_url)
    context: dict[str, Any] = {
        "recipient": person,
        "tenant": {"id": caller.tenant, "name": tenant["name"], "attributes": tenant["attributes"]},
        "data": body.data,
        "links": {"unsubscribe": unsubscribe_url(public_url, SAMPLE_LINK)},
    }
    if body.link is not None:
        context["link"] = body.link
    if body.actor is not None:
        context["actor"] = await _variables(db, caller.tenant, body.actor)
    shown = await turn.run(
        "preview", pointer="/parts" if body.parts else "", template=template, context=context
    )
    if "content" not in shown:
        raise Problem(
            codes.RENDER_FAILED,
            "The template cannot be rendered with this data; `errors` says what to change.",
            errors=[Fault(pointer=f"/parts/{shown['part']}", code="render_failed", detail=shown["detail"])],
        )
    return Preview(channel=body.channel, locale=template.locale, revision=revision, **shown["content"])


async def _template(
    db: AsyncConnection,
    turn: Turn,
    *,
    tenant: str,
    flow: RowMapping,
    body: PreviewRequest,
    candidates: tuple[str, ...],
) -> tuple[TemplateRecord, int | None]:
    """The template to render and its revision; the first language of `candidates` that has one."""
    refs = [TemplateRef(tenant, flow["key"], body.channel, body.template, locale) for locale in candidates]
    if body.parts is not None:
        refuse_template(
            await template_faults(turn, body.parts, body.channel, flow["data_schema"], pointer="/parts")
        )
        return _record(refs[0], 0, body.parts), None
    for ref in refs:
        newest = await store.load(db, ref, body.revision)
        if newest is None:
            continue
        published = newest["published_revision"]
        if body.revision is None and published not in {None, newest["revision"]}:
            newest = await store.load(db, ref, published) or newest
        return _record(ref, newest["revision"], newest["parts"]), newest["revision"]
    raise Problem(
        codes.NOT_FOUND,
        f"This workflow has no {body.channel} template `{body.template}` for {' or '.join(candidates)}. "
        "Save one, or send `parts`.",
    )


async def _variables(db: AsyncConnection, tenant: str, sample: SampleRecipient) -> dict[str, Any]:
    """What the template sees of a person, by the same rules as in a message."""
    match await recipient_store.load(db, tenant, sample.id):
        case (known, _revision):
            stored = known.model_dump(include={*ADDRESS_FIELDS, "locale", "time_zone", "attributes"})
        case None:
            stored = {}
    given = sample.model_dump(exclude={"id", "attributes"}, exclude_none=True)
    attributes = {**stored.get("attributes", {}), **sample.attributes}
    person = StoredRecipient(known=True, **{**stored, **given, "attributes": attributes})
    shown = recipient_of(sample.id, person, None)
    return shown.variables() if shown is not None else {}


def _record(ref: TemplateRef, revision: int, parts: dict[str, str]) -> TemplateRecord:
    return TemplateRecord(
        tenant=ref.tenant,
        workflow=ref.workflow,
        channel=Channel(ref.channel),
        name=ref.name,
        locale=ref.locale,
        revision=revision,
        parts=parts,
    )
