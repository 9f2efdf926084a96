"""`tocsin directory`: makes the topics `directory` and `stops` equal the database."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Annotated

import typer
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.contracts.codec import UNREADABLE_ERRORS
from tocsin.contracts.stops import decode_stop
from tocsin.contracts.topics import Topics
from tocsin.kafka import KafkaFault, KafkaSettings, read_to_end
from tocsin.router.commands.session import database, refuse
from tocsin.router.entities import EntityRef, adopt_versions, queue, queue_all, ref_in_directory, ref_in_stops
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

    A recipient's version never counts down. Where topic stops holds a greater one than the database, as after a restored backup, the
    database takes it, else what is decided from now on would be stopped.

    The running router does the publishing; this command says what is to be published, and waits for it.
    """
    queued = asyncio.run(_republish(load_settings(KafkaSettings), wait))
    typer.echo(f"{queued} entities published." if wait else f"{queued} entities queued.")


async def _republish(settings: KafkaSettings, wait: float) -> int:
    topics = Topics(settings.topic_prefix)
    async with database() as engine:
        try:
            entities = await _state(settings, topics.directory)
            stops = await _state(settings, topics.stops)
        except KafkaFault as fault:
            refuse(str(fault))
        published = {*map(ref_in_directory, entities), *map(ref_in_stops, stops)}
        async with engine.begin() as db:
            await adopt_versions(db, _versions(stops))
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


async def _state(settings: KafkaSettings, topic: str) -> dict[bytes, bytes]:
    """The values that compaction leaves in the topic, by key."""
    state: dict[bytes, bytes] = {}
    async for records in read_to_end(settings=settings, topic=topic, deadline=READ_SECONDS):
        for record in records:
            if record.key is None:
                continue
            if record.value is None:
                state.pop(record.key, None)
            else:
                state[record.key] = record.value
    return state


def _versions(stops: Mapping[bytes, bytes]) -> dict[EntityRef, int]:
    """The version of each recipient; what cannot be read is published anew, and adds nothing."""
    versions: dict[EntityRef, int] = {}
    for key, value in stops.items():
        with contextlib.suppress(*UNREADABLE_ERRORS):
            versions[ref_in_stops(key)] = decode_stop(value).version
    return versions


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
