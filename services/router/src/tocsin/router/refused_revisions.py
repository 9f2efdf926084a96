"""Which revisions a worker refuses because a process ended while it ran them, so that the API can show it.

Workers of this service write it into the router's own database when they start. Ingest has no database: what ingest refuses is seen in
its answers, its log and its metric `tocsin_refused_revisions`.
"""

from datetime import datetime
from itertools import chain
from typing import Any

from sqlalchemy import ScalarSelect, and_, delete, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tocsin.programs import CrashNote
from tocsin.router.tables import refused_revisions as refused
from tocsin.router.tables import template_pointers as pointers
from tocsin.router.tables import workflows


async def store_refusals(engine: AsyncEngine, *notes: CrashNote) -> None:
    """Write down what the notes refuse, and delete what is over."""
    async with engine.begin() as db:
        await db.execute(delete(refused).where(refused.c.until < func.now()))
        for program, until in chain.from_iterable(note.refused for note in notes):
            row = insert(refused).values(**program._asdict(), until=until)
            await db.execute(row.on_conflict_do_update(constraint=refused.primary_key, set_={"until": until}))


def unusable_until() -> ScalarSelect[Any]:
    """A column beside those of `workflows`: until when the workflow, or a published template of it, is refused; null where none is."""
    template = exists().where(
        pointers.c.tenant == refused.c.tenant,
        pointers.c.workflow == refused.c.workflow,
        func.concat_ws("/", pointers.c.channel, pointers.c.name, pointers.c.locale) == refused.c.part,
        pointers.c.revision == refused.c.revision,
    )
    own = and_(refused.c.part == "", refused.c.revision == workflows.c.revision)
    return (
        select(func.max(refused.c.until))
        .where(
            refused.c.tenant == workflows.c.tenant,
            refused.c.workflow == workflows.c.key,
            refused.c.until > func.now(),
            or_(own, template),
        )
        .correlate(workflows)
        .scalar_subquery()
    )


async def workflow_unusable_until(db: AsyncConnection, tenant: str, workflow: str) -> datetime | None:
    """The same for one workflow."""
    query = select(unusable_until()).where(workflows.c.tenant == tenant, workflows.c.key == workflow)
    until: datetime | None = (await db.execute(query.select_from(workflows))).scalar()
    return until
