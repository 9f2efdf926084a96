"""`tocsin directory`: makes the topics `directory` and `stops` equal the database."""

import asyncio
from collections.abc import Callable
from typing import Annotated

import typer
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.contracts.topics import Topics
from tocsin.kafka import KafkaFault, KafkaSettings, read_to_end
from tocsin.router.commands.session import database, refuse
from tocsin.router.entities import EntityRef, queue, queue_all, ref_in_directory, ref_in_stops
from tocsin.router.tables import outbox
from tocsin.runtime import load_settings

app = typer.Typer(help="Look after the topics directory and stops.", no_args_is_help=True)

READ_SECONDS = 60.0
LOOK_SECONDS = 0.2


@app.callback()
def _group() -> None:
    """Look after the topics directory and stops."""


@app.command("republish")
def republish(
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for the router to publish; 0 does not wait.")
    ] = 60.0,
) -> None:
    """Publish every entity anew, and a tombstone for whatever the topics hold and the database does not.

    The running router does the publishing; this command says what is to be published, and waits for it.
    """
    queued = asyncio.run(_republish(load_settings(KafkaSettings), wait))
    typer.echo(f"{queued} entities published." if wait else f"{queued} entities queued.")


async def _republish(settings: KafkaSettings, wait: float) -> int:
    topics = Topics(settings.topic_prefix)
    async with database() as engine:
        try:
            published = await _keys(settings, topics.directory, ref_in_directory)
            published |= await _keys(settings, topics.stops, ref_in_stops)
        except KafkaFault as fault:
            refuse(str(fault))
        async with engine.begin() as db:
            await queue(db, sorted(published))
            await queue_all(db)
            last = (await db.execute(select(func.max(outbox.c.id)))).scalar() or 0
            count = select(func.count()).select_from(
                select(outbox.c.kind, outbox.c.tenant, outbox.c.key).distinct().subquery()
            )
            queued: int = (await db.execute(count)).scalar_one()
        if wait:
            await _until_published(engine, last, wait)
    return queued


async def _keys(settings: KafkaSettings, topic: str, ref_of: Callable[[bytes], EntityRef]) -> set[EntityRef]:
    """The entities that have a state in the topic."""
    held: set[EntityRef] = set()
    async for records in read_to_end(settings=settings, topic=topic, deadline=READ_SECONDS):
        for record in records:
            if record.key is not None:
                change = held.discard if record.value is None else held.add
                change(ref_of(record.key))
    return held


async def _until_published(engine: AsyncEngine, last: int, seconds: float) -> None:
    query = select(outbox.c.id).where(outbox.c.id <= last).limit(1)
    try:
        async with asyncio.timeout(seconds):
            while True:
                async with engine.connect() as db:
                    if (await db.execute(query)).first() is None:
                        return
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        refuse(f"Not everything was published within {seconds:g} s: is a router running, and Kafka up?")
