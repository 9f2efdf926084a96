"""Templates in PostgreSQL: immutable revisions, and a pointer at the published one."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import RowMapping, Select, Table, and_, delete, func, insert, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.router.api.tried import template_faults
from tocsin.router.changes import note_changed, note_unchanged
from tocsin.router.tables import template_pointers, templates, workflows
from tocsin.router.trials import Turn
from tocsin.web import Fault


class TemplateRef(NamedTuple):
    """Which template: whose it is, for which channel, its name and its language."""

    tenant: str
    workflow: str
    channel: str
    name: str
    locale: str

    def among(self, table: Table) -> list[Any]:
        """The conditions that pick its rows."""
        return [getattr(table.c, column) == value for column, value in self._asdict().items()]


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


async def load(db: AsyncConnection, ref: TemplateRef, revision: int | None) -> RowMapping | None:
    """One revision, the newest where None is asked for; `published_revision` beside it."""
    published = select(template_pointers.c.revision).where(*ref.among(template_pointers)).scalar_subquery()
    query = select(templates, published.label("published_revision")).where(*ref.among(templates))
    if revision is not None:
        query = query.where(templates.c.revision == revision)
    query = query.order_by(templates.c.revision.desc()).limit(1)
    return (await db.execute(query)).mappings().first()


async def add(db: AsyncConnection, ref: TemplateRef, parts: Mapping[str, str]) -> bool:
    """Make `parts` the newest revision; False when it is already."""
    newest = await load(db, ref, None)
    if newest is not None and newest["parts"] == parts:
        return False
    revision = 1 if newest is None else newest["revision"] + 1
    await db.execute(insert(templates).values(**ref._asdict(), revision=revision, parts=dict(parts)))
    return True


async def publish(db: AsyncConnection, ref: TemplateRef, revision: int) -> None:
    """From now on messages are written with this revision, which exists."""
    pointed = postgresql.insert(template_pointers).values(**ref._asdict(), revision=revision)
    pointed = pointed.on_conflict_do_update(
        index_elements=["tenant", "workflow", "channel", "name", "locale"],
        set_={"revision": revision, "published_at": func.now()},
        where=template_pointers.c.revision != revision,
    )
    if (await db.execute(pointed.returning(template_pointers.c.revision))).first() is not None:
        await note_changed(db, "template", *ref)
    else:
        await note_unchanged(db, "template", *ref)


async def unpublish(db: AsyncConnection, ref: TemplateRef) -> None:
    """From now on no message is written with this template."""
    gone = delete(template_pointers).where(*ref.among(template_pointers))
    if (await db.execute(gone.returning(template_pointers.c.revision))).first() is not None:
        await note_changed(db, "template", *ref)
    else:
        await note_unchanged(db, "template", *ref)


async def remove(db: AsyncConnection, ref: TemplateRef) -> bool:
    """Delete all revisions; False when there is none."""
    await unpublish(db, ref)
    gone = delete(templates).where(*ref.among(templates)).returning(templates.c.revision)
    return (await db.execute(gone)).first() is not None


async def published_refs(db: AsyncConnection, tenant: str, workflow: str) -> Sequence[TemplateRef]:
    """The workflow's published templates."""
    here = (template_pointers.c.tenant == tenant, template_pointers.c.workflow == workflow)
    columns = [template_pointers.c[column] for column in TemplateRef._fields]
    return [TemplateRef(*row) for row in await db.execute(select(*columns).where(*here))]


async def published_faults(
    db: AsyncConnection, turn: Turn, tenant: str, workflow: str, data_schema: Mapping[str, Any] | None
) -> list[Fault]:
    """What of the workflow's published templates does not fit this data schema."""
    faults = []
    for row in await published(db, tenant, workflow):
        of_template = await template_faults(
            turn, row["parts"], row["channel"], data_schema, pointer="/data_schema"
        )
        for pointer, code, detail in of_template:
            where = (
                f"template {row['channel']}/{row['name']}/{row['locale']}, {pointer.removeprefix('/parts/')}"
            )
            faults.append(Fault(pointer="/data_schema", code=code, detail=f"{where}: {detail}"))
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


_NAME = tuple(templates.c[column] for column in TemplateRef._fields)
