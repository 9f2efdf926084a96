"""Templates in PostgreSQL: immutable revisions, and a pointer at the published one."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import RowMapping, Select, Table, and_, delete, func, insert, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.contracts.vocabulary import Channel
from tocsin.router.changes import note_changed
from tocsin.router.tables import template_pointers, templates, workflows
from tocsin.router.templates import check_template
from tocsin.web import Fault


class TemplateName(NamedTuple):
    """What names a template: whose it is, and for which channel and language."""

    tenant: str
    workflow: str
    channel: str
    locale: str

    def among(self, table: Table) -> list[Any]:
        """The conditions that pick its rows."""
        return [getattr(table.c, name) == value for name, value in self._asdict().items()]


def heads() -> Select[Any]:
    """The newest revision of every template, with the published revision (null: none) as `published_revision`."""
    newest = (
        select(templates)
        .ext(postgresql.distinct_on(*_NAME))
        .order_by(*_NAME, templates.c.revision.desc())
        .subquery()
    )
    same = and_(*(newest.c[column.name] == template_pointers.c[column.name] for column in _NAME))
    return select(newest, template_pointers.c.revision.label("published_revision")).outerjoin(
        template_pointers, same
    )


async def load_workflow(
    db: AsyncConnection, tenant: str, workflow: str, *, lock: bool = False
) -> RowMapping | None:
    """The workflow; with `lock` it stays as it is until the transaction ends, so that its templates change one by one."""
    query = select(workflows).where(workflows.c.tenant == tenant, workflows.c.key == workflow)
    return (await db.execute(query.with_for_update() if lock else query)).mappings().first()


async def load(db: AsyncConnection, name: TemplateName, revision: int | None) -> RowMapping | None:
    """One revision, the newest where None is asked for; `published_revision` beside it."""
    published = select(template_pointers.c.revision).where(*name.among(template_pointers)).scalar_subquery()
    query = select(templates, published.label("published_revision")).where(*name.among(templates))
    if revision is not None:
        query = query.where(templates.c.revision == revision)
    query = query.order_by(templates.c.revision.desc()).limit(1)
    return (await db.execute(query)).mappings().first()


async def add(db: AsyncConnection, name: TemplateName, parts: Mapping[str, str]) -> bool:
    """Make `parts` the newest revision; False when it is already."""
    newest = await load(db, name, None)
    if newest is not None and newest["parts"] == parts:
        return False
    revision = 1 if newest is None else newest["revision"] + 1
    await db.execute(insert(templates).values(**name._asdict(), revision=revision, parts=dict(parts)))
    return True


async def publish(db: AsyncConnection, name: TemplateName, revision: int) -> None:
    """From now on messages are written with this revision, which exists."""
    pointed = postgresql.insert(template_pointers).values(**name._asdict(), revision=revision)
    pointed = pointed.on_conflict_do_update(
        index_elements=["tenant", "workflow", "channel", "locale"],
        set_={"revision": revision, "published_at": func.now()},
        where=template_pointers.c.revision != revision,
    )
    if (await db.execute(pointed.returning(template_pointers.c.revision))).first() is not None:
        await note_changed(db, "template", *name)


async def unpublish(db: AsyncConnection, name: TemplateName) -> None:
    """From now on no message is written with this template."""
    gone = delete(template_pointers).where(*name.among(template_pointers))
    if (await db.execute(gone.returning(template_pointers.c.revision))).first() is not None:
        await note_changed(db, "template", *name)


async def remove(db: AsyncConnection, name: TemplateName) -> bool:
    """Delete all revisions; False when there is none."""
    await unpublish(db, name)
    gone = delete(templates).where(*name.among(templates)).returning(templates.c.revision)
    return (await db.execute(gone)).first() is not None


async def published_names(db: AsyncConnection, tenant: str, workflow: str) -> Sequence[tuple[str, str]]:
    """Channel and language of the workflow's published templates."""
    here = (template_pointers.c.tenant == tenant, template_pointers.c.workflow == workflow)
    rows = await db.execute(select(template_pointers.c.channel, template_pointers.c.locale).where(*here))
    return [(row.channel, row.locale) for row in rows]


async def published_faults(
    db: AsyncConnection, tenant: str, workflow: str, data_schema: Mapping[str, Any] | None
) -> list[Fault]:
    """What of the workflow's published templates does not fit this data schema."""
    faults = []
    for row in await published(db, tenant, workflow):
        template_faults = await asyncio.to_thread(
            check_template, row["parts"], Channel(row["channel"]), data_schema
        )
        for fault in template_faults:
            where = f"template {row['channel']}/{row['locale']}, {fault.pointer.removeprefix('/parts/')}"
            faults.append(Fault(pointer="/data_schema", code=fault.code, detail=f"{where}: {fault.detail}"))
    return faults


async def published(db: AsyncConnection, tenant: str, workflow: str) -> Sequence[RowMapping]:
    """The workflow's published templates."""
    same = and_(*(templates.c[column.name] == template_pointers.c[column.name] for column in _NAME))
    query = (
        select(templates)
        .join(template_pointers, same & (templates.c.revision == template_pointers.c.revision))
        .where(templates.c.tenant == tenant, templates.c.workflow == workflow)
    )
    return (await db.execute(query)).mappings().all()


_NAME = (templates.c.tenant, templates.c.workflow, templates.c.channel, templates.c.locale)
