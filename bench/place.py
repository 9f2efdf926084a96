"""Where parts are measured: a broker and a database of their own, sinks, and the tenant in place."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from environment import Environment
from figures import Measured
from report import Report
from rows import Rows
from running import Steps
from settling import settle
from sink import HTTP, Sink
from tocsin.dev.services import PARTITIONS


class Place(msgspec.Struct, kw_only=True, frozen=True):
    """Open while the context is."""

    environment: Environment
    sink: Sink
    http_sink: Sink
    rows: Rows
    report: Report
    say: Steps

    async def take(self, what: str, job: Callable[[], Awaitable[Measured]]) -> None:
        """Say it, do it, and keep what it came to."""
        self.say(what)
        measured = await job()
        measured.faults += self.environment.ended()
        self.report.take(what, measured)


@asynccontextmanager
async def opened(
    folder: Path,
    report: Report,
    say: Steps,
    *,
    partitions: int = PARTITIONS,
    settings: Mapping[str, str] | None = None,
    samples: Path | None = None,
    optimised: bool = False,
) -> AsyncIterator[Place]:
    """All files lie in the folder, which holds none yet. `settings` go over those of every service; with `samples` each is profiled.
    With `optimised` the broker compiles its code for speed, as in production, and is to be warmed up for a minute."""
    say("starting Kafka and PostgreSQL")
    async with (
        Sink(folder / "sink.log") as sink,
        Sink(folder / "http-sink.log", program=HTTP) as http_sink,
        Environment(
            folder,
            smtp_port=sink.port,
            http_port=http_sink.port,
            partitions=partitions,
            settings=settings,
            samples=samples,
            optimised=optimised,
        ) as environment,
        Rows(environment.database) as rows,
    ):
        report.machine.versions["postgresql"] = await rows.version()
        say("making the tenant")
        await settle(environment, rows)
        yield Place(
            environment=environment, sink=sink, http_sink=http_sink, rows=rows, report=report, say=say
        )
