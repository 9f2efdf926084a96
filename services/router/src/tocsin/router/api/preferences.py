"""`/v1/recipients/{recipient}/preferences`: what a recipient has switched, and what follows from it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.contracts.vocabulary import Channel
from tocsin.observability import get_logger
from tocsin.router import preference_store as store
from tocsin.router.api.fields import ChannelWord, Key, Name
from tocsin.router.api.parameters import RecipientPath
from tocsin.router.api.rows import answer, check_match
from tocsin.router.api.steps import channels_of
from tocsin.router.api.transaction import Db
from tocsin.router.changes import lock_recipient
from tocsin.router.policy import ANY, Preference, effective_preference
from tocsin.router.preference_store import Source, Switch, Switches
from tocsin.router.tables import categories, workflows
from tocsin.web import Fault, IfMatch, Manager, Problem, Reader, RequestBody, codes

log = get_logger(__name__)

router = APIRouter(tags=["Preferences"])


class _NamedSwitch(RequestBody):
    """What a switch is about."""

    channel: Channel | None = None
    category: Key | None = None
    workflow: Key | None = None

    @property
    def switch(self) -> Switch:
        """What it is about, as stored."""
        return Switch(self.channel or ANY, self.category or ANY, self.workflow or ANY)


class PreferenceWrite(_NamedSwitch):
    """One switch. What it does not name it holds for whatever it is; the most specific switch decides."""

    enabled: bool


class PreferenceChange(_NamedSwitch):
    """One switch, as it shall be."""

    enabled: bool | None = Field(description="Null takes the switch back: it says nothing any more")


class StoredPreference(BaseModel):
    """One switch as stored, and who switched it last."""

    channel: ChannelWord | None
    category: str | None
    workflow: str | None
    enabled: bool
    source: str = Field(
        description="Who switched it last: `api`, `unsubscribe_page`, `one_click` (a mail program's button), `recipient` (with a token of their own), `provider`, `complaint`, or what the caller named",
        examples=["unsubscribe_page"],
    )
    changed_at: datetime


MOST_SWITCHES: Final = 1000
"""Of a recipient."""


class PreferencesWrite(RequestBody):
    """All switches of a recipient: one that is left out is taken back, and says nothing any more."""

    preferences: Annotated[list[PreferenceWrite], Field(max_length=MOST_SWITCHES)]
    source: Name = Field(
        default=Source.API,
        description="Who changes them, such as `settings_page` or `import`; kept with each switch that changes",
        examples=["settings_page"],
    )


class EffectivePreference(BaseModel):
    """What holds for one workflow on one channel, or for a category where no workflow says more."""

    channel: ChannelWord
    category: str
    workflow: str | None
    enabled: bool
    rule: str = Field(
        description="What decided: `required`, `default` (the category's), or the switch as channel/category/workflow",
        examples=["sms/marketing/*"],
    )


class Preferences(BaseModel):
    """What is stored, and what is effective."""

    stored: list[StoredPreference]
    effective: list[EffectivePreference]


@router.get("/v1/recipients/{recipient}/preferences")
async def read_preferences(
    caller: Reader, db: Db, recipient: RecipientPath, response: Response
) -> Preferences:
    """What a recipient has switched, and what is effective for each channel, category and workflow.

    Whoever was never stored has preferences too (none): messages may bring their recipient along.
    """
    return await preferences_of(db, caller.tenant, recipient, response)


@router.put("/v1/recipients/{recipient}/preferences")
async def save_preferences(
    *,
    caller: Manager,
    db: Db,
    recipient: RecipientPath,
    body: PreferencesWrite,
    response: Response,
    if_match: IfMatch = None,
) -> Preferences:
    """Replace all switches. What was decided under more and not yet handed over is decided again."""
    await replace_preferences(
        db, caller.tenant, recipient, body.preferences, source=body.source, if_match=if_match
    )
    log.info("preferences saved", tenant=caller.tenant, key=caller.key_id, recipient=recipient)
    return await preferences_of(db, caller.tenant, recipient, response)


async def replace_preferences(
    db: AsyncConnection,
    tenant: str,
    recipient: str,
    preferences: Sequence[PreferenceWrite],
    *,
    source: str,
    if_match: str | None,
) -> None:
    """Make these all that the recipient has switched. Raises the problem of what cannot be, and of an `if_match` that is another's."""
    await lock_recipient(db, tenant, recipient)
    old = store.switches_of(await store.load(db, tenant, recipient))
    check_match(if_match, store.revision_of(old))
    await _refuse_faults(db, tenant, preferences, old)
    new = {preference.switch: preference.enabled for preference in preferences}
    await store.replace(db, tenant, recipient, old, new, source=source)


async def change_preferences(
    db: AsyncConnection, tenant: str, recipient: str, changes: Sequence[PreferenceChange], *, source: str
) -> None:
    """Make these switches what is asked for, and leave the others. Raises the problem of what cannot be."""
    await lock_recipient(db, tenant, recipient)
    old = store.switches_of(await store.load(db, tenant, recipient))
    await _refuse_faults(db, tenant, changes, old)
    asked = {change.switch: change.enabled for change in changes}
    new = {switch: enabled for switch, enabled in (old | asked).items() if enabled is not None}
    if len(new) > MOST_SWITCHES:
        detail = (
            f"The recipient would have more than {MOST_SWITCHES} switches, the most possible. Take some back."
        )
        raise Problem(codes.CONFLICT, detail)
    await store.replace(db, tenant, recipient, old, new, source=source)


async def preferences_of(db: AsyncConnection, tenant: str, recipient: str, response: Response) -> Preferences:
    """What a recipient has switched, and what follows; their ETag goes on the response."""
    stored = await store.load(db, tenant, recipient)
    answer(response, revision=store.revision_of(store.switches_of(stored)))
    kinds = (
        await db.execute(select(categories).where(categories.c.tenant == tenant).order_by(categories.c.key))
    ).mappings()
    flows = (
        await db.execute(select(workflows).where(workflows.c.tenant == tenant).order_by(workflows.c.key))
    ).mappings()
    return Preferences(
        stored=[_shown(preference) for preference in stored],
        effective=list(_effective(stored, kinds.all(), flows.all())),
    )


def _effective(
    stored: Sequence[Preference], kinds: Sequence[RowMapping], flows: Sequence[RowMapping]
) -> Iterator[EffectivePreference]:
    for kind in kinds:
        members = [flow for flow in flows if flow["category"] == kind["key"]]
        for channel in Channel:
            reached = [flow["key"] for flow in members if channel in channels_of(flow["steps"])]
            for workflow in (None, *reached):
                effective = effective_preference(
                    stored,
                    channel=channel,
                    category=kind["key"],
                    category_default=kind["default"],
                    workflow=workflow or "",
                )
                yield EffectivePreference(
                    channel=channel,
                    category=kind["key"],
                    workflow=workflow,
                    enabled=effective.enabled,
                    rule=effective.decided_by,
                )


def _shown(preference: Preference) -> StoredPreference:
    return StoredPreference.model_validate(
        {name: None if value == ANY else value for name, value in preference._asdict().items()}
    )


async def _refuse_faults(
    db: AsyncConnection,
    tenant: str,
    preferences: Sequence[PreferenceWrite | PreferenceChange],
    old: Switches,
) -> None:
    """Raise the problem that names every switch that cannot be; those stored before may stay."""
    kinds = {
        row.key: row.default
        for row in await db.execute(
            select(categories.c.key, categories.c.default).where(categories.c.tenant == tenant)
        )
    }
    flows = {
        row.key: row.category
        for row in await db.execute(
            select(workflows.c.key, workflows.c.category).where(workflows.c.tenant == tenant)
        )
    }
    faults: list[Fault] = []
    seen: set[Switch] = set()
    for index, preference in enumerate(preferences):
        if preference.switch in seen:
            faults.append(
                _fault(
                    index,
                    "",
                    "repeated",
                    "The request has this channel, category and workflow twice. Remove one of the two",
                )
            )
        seen.add(preference.switch)
        if preference.enabled is not None and old.get(preference.switch) is not preference.enabled:
            faults += _faults(index, preference, kinds, flows)
    if faults:
        only_required = all(fault.code == codes.CATEGORY_REQUIRED.name for fault in faults)
        code = codes.CATEGORY_REQUIRED if only_required else codes.INVALID_REQUEST
        raise Problem(
            code,
            "Some preferences cannot be saved; `errors` says which and why. Nothing was changed.",
            errors=faults,
        )


def _faults(
    index: int, preference: PreferenceWrite | PreferenceChange, kinds: dict[str, str], flows: dict[str, str]
) -> Iterator[Fault]:
    if preference.category is not None and preference.category not in kinds:
        yield _fault(
            index,
            "/category",
            "unknown_category",
            "No category has this key. Create it first, or correct the key",
        )
    if preference.workflow is not None and preference.workflow not in flows:
        yield _fault(
            index,
            "/workflow",
            "unknown_workflow",
            "No workflow has this key. Create it first, or correct the key",
        )
    category = preference.category or flows.get(preference.workflow or "")
    if not preference.enabled and category is not None and kinds.get(category) == "required":
        detail = (
            f"The category `{category}` is required, so it cannot be switched off. Leave this preference out"
        )
        yield _fault(index, "/enabled", codes.CATEGORY_REQUIRED.name, detail)


def _fault(index: int, member: str, code: str, detail: str) -> Fault:
    return Fault(pointer=f"/preferences/{index}{member}", code=code, detail=detail)
