"""What grows, one thing at a time: partitions and shards, instances, recipients, claims, the ledger, a backlog."""

import time
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

import growth_data
import logs
import tenant
from figures import Figure, Measured, difference, percentile, stretch, throughput
from place import Place
from processor_time import Meter
from promises import measure as measure_promises
from stages import PATIENCE, Sizes, Stages
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.dev.api import Api
from whole_path import SERVICES, WholePath

QUERIES = 300
BACKLOG = 1_000_000
BACKLOG_CHUNK = 20_000
BYTES_A_MESSAGE = 12_000
"""Disk of one message on its whole way: topics, their indexes, the ledger's row, the write-ahead log."""

Run = Callable[[Place, "Case", float], Awaitable[None]]


class Case(msgspec.Struct, kw_only=True, frozen=True):
    """One point. `value` lies on the axis along which its group grows."""

    group: str
    value: float
    run: Run
    disk: float
    """Bytes at scale 1."""
    partitions: int = 4
    shards: int = 2
    instances: int = 1
    settings: dict[str, str] = {}

    @property
    def key(self) -> str:
        """What its figures begin with: every one says on how many partitions, shards and instances."""
        where = f"{self.partitions} partitions, {self.shards} shards, {self.instances} instances"
        return f"{self.group} {self.value:,.0f} ({where})"

    @property
    def environment(self) -> dict[str, str]:
        """Settings of the services."""
        names = ["ROUTER", *(f"DISPATCH_{channel.upper()}" for channel in Channel)]
        return {f"{name}_SHARDS": str(self.shards) for name in names} | self.settings


async def everything(place: Place, case: Case, scale: float) -> None:
    """The stages from a backlog, the whole path, and latency."""
    await backlogs(place, case, scale)
    async with place.environment.running(*SERVICES):
        whole = WholePath(environment=place.environment, sink=place.sink, rows=place.rows)
        await place.take("whole path", whole.single)
        await place.take("latency", partial(whole.latency, "at 100/s, critical", Lane.CRITICAL, 100))
        await place.take("latency", partial(whole.latency, "at 1,000/s", Lane.TRANSACTIONAL, 1_000))


async def backlogs(place: Place, case: Case, scale: float) -> None:
    """The stages whose instances share a backlog, and the ledger."""
    alone = _stages(place, case, Sizes(direct=40_000, fan_out_events=40).scaled(max(scale, 0.1)))
    await place.take("router", alone.router)
    await place.take("router, fan-out", alone.fan_out)
    await place.take("dispatch-email", alone.dispatch)
    await place.take("ledger", alone.ledger)


async def many_recipients(place: Place, case: Case, scale: float) -> None:
    """The router looks people up among so many."""
    count = max(1_000, int(case.value * scale))
    place.say(f"making {count:,} recipients")
    await growth_data.recipients(place.environment.database, count)
    sizes = Sizes(direct=40_000).scaled(max(scale, 0.1))
    people = [growth_data.grown(1 + number * 7919 % count) for number in range(min(count, sizes.direct))]
    alone = Stages(
        place,
        sizes=sizes,
        people=list(dict.fromkeys(people)),
    )
    await place.take("router", alone.router)


async def many_claims(place: Place, case: Case, scale: float) -> None:
    """The router claims events beside so many claims."""
    count = int(case.value * scale)
    place.say(f"making {count:,} claims")
    await growth_data.claims(place.environment.database, count)
    alone = _stages(place, case, Sizes(direct=40_000).scaled(max(scale, 0.1)))
    await place.take("router", alone.router)


async def many_rows(place: Place, case: Case, scale: float) -> None:
    """The ledger writes beside so many rows, and answers two questions."""
    alone = _stages(place, case, Sizes(direct=40_000).scaled(max(scale, 0.1)))
    await place.take("router", alone.router)
    await place.take("dispatch-email", alone.dispatch)
    await place.take("ledger", alone.ledger)
    count = int(case.value * scale)
    place.say(f"making {count:,} rows")
    known = tenant.notification("direct-0", tenant.RECIPIENTS[0], Lane.TRANSACTIONAL)
    await growth_data.statuses(place.environment.database, count, known)
    async with place.environment.running("ledger"):
        await place.take("questions", partial(_questions, place, count))


async def cold_start(place: Place, case: Case, scale: float) -> None:
    """All services are started before a backlog of events."""
    await place.take("cold start", partial(_cold, place, int(case.value * scale)))


async def promises(place: Place, case: Case, scale: float) -> None:
    """What each promise costs."""
    await place.take("promises", partial(measure_promises, place, scale * case.value))


def _stages(place: Place, case: Case, sizes: Sizes) -> Stages:
    return Stages(
        place,
        sizes=sizes,
        instances=case.instances,
    )


async def _questions(place: Place, rows: int) -> Measured:
    numbers = [1 + number * 7919 % max(1, rows // 2) for number in range(QUERIES)]
    ids = await growth_data.timeline_ids(place.environment.database, numbers)
    readers = [growth_data.grown(number % growth_data.READERS) for number in numbers]
    paths = {
        "by timeline": [f"/v1/timelines/{notification}" for notification in ids],
        "by recipient": [f"/v1/timelines?recipient={who}" for who in readers],
    }
    figures: list[Figure] = []
    async with Api(url=place.environment.url("ledger"), key=place.environment.key) as api:
        for what, asked in paths.items():
            waits = []
            for path in asked:
                began = time.monotonic()
                await api.do("GET", path)
                waits.append((time.monotonic() - began) * 1000)
            figures += [
                Figure(
                    name=f"question {what}, {word}", value=percentile(waits, share), unit="ms", better="less"
                )
                for word, share in (("p50", 0.5), ("p99", 0.99))
            ]
    return Measured(figures=figures)


async def _cold(place: Place, count: int) -> Measured:
    lane, topics = Lane.TRANSACTIONAL, Topics(place.environment.kafka.topic_prefix)
    people = tenant.RECIPIENTS
    for start in range(0, count, BACKLOG_CHUNK):
        numbers = range(start, min(start + BACKLOG_CHUNK, count))
        records = [
            tenant.record(f"cold-{number}", [people[number % len(people)]], lane=lane, topics=topics)
            for number in numbers
        ]
        await logs.write(place.environment.kafka, records)
    wanted = [
        tenant.notification(f"cold-{number}", people[number % len(people)], lane) for number in range(count)
    ]
    began = time.time()
    for name in SERVICES:
        place.environment.launch(name)
    with Meter(place.environment.pids | {"sink": place.sink.pid}) as meter:
        await place.environment.ready(*SERVICES)
        await place.sink.wait_for(count, patience=PATIENCE)
    caught = await place.sink.take()
    await place.environment.stop(*SERVICES)
    first = min(caught.times, default=began) - began
    figures = [
        Figure(name="start to first hand-off", value=first, unit="s", better="less"),
        throughput("backlog to the sink", stretch(caught.times), meter),
    ]
    return Measured(figures=figures, faults=difference("cold start: mails", wanted, caught.ids))
