"""The router's worker, given recorded batches. Only this file knows its classes."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from tests.recordings.recording import record_of, to_bytes, written

from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import Batch, Record
from tocsin.router.policy import Facts
from tocsin.router.templates import Renderer
from tocsin.router.tokens import UnsubscribeKey, UnsubscribeTokens
from tocsin.router.worker.deliveries import Decider, Links
from tocsin.router.worker.directory import PublishedDirectory
from tocsin.router.worker.handled import Partitions
from tocsin.router.worker.poison import PoisonWatch
from tocsin.router.worker.routing import Router
from tocsin.runtime import Health
from tocsin.testing import ManualClock


class _Database:
    """Claims and facts in dictionaries."""

    def __init__(self) -> None:
        self.owners: dict[bytes, str] = {}
        self.people: dict[tuple[str, str], Facts] = {}

    async def claim(self, asked: Iterable[tuple[bytes, str]]) -> Mapping[bytes, str]:
        return {key: self.owners.setdefault(key, record) for key, record in asked}

    async def facts(self, people: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Facts]:
        return {who: self.people.get(who, Facts()) for who in people}


async def run(case: Any, base: Any) -> Any:
    """For each step what its batch wrote, transaction by transaction."""
    lane, topics, clock, renderer = Lane(case["lane"]), Topics(), ManualClock(), Renderer()
    database, directory, partitions = _Database(), PublishedDirectory(renderer=renderer), Partitions()
    partitions.count = base["partitions"]
    key = UnsubscribeKey(**base["unsubscribe_key"])
    links = Links(public_url=base["public_url"], tokens=UnsubscribeTokens([key]))
    check = Health(service="test").check("intents")
    router = Router(
        lane=lane, topics=topics, directory=directory, claims=database, lookups=database, partitions=partitions,
        clock=clock, default_tenant=case["default_tenant"],
        decider=Decider(directory=directory, renderer=renderer, topics=topics, lane=lane, links=links),
        poison=PoisonWatch(topic=topics.intents(lane), check=check, clock=clock, hold=0),
    )  # fmt: skip
    transactions: list[list[Any]] = []
    for step in [base["beginning"], *case["steps"]]:
        clock.advance((datetime.fromisoformat(step["at"]) - clock.now()).total_seconds())
        for entity in step.get("directory", ()):
            directory.apply(Record("directory", 0, 0, 0, to_bytes(entity["key"]), to_bytes(entity["value"])))
        if "people" in step:
            database.people = {
                (p["tenant"], p["id"]): msgspec.convert(p["facts"], Facts) for p in step["people"]
            }
        rest, parts = [record_of(kept, Record) for kept in step.get("records", ())], []
        while rest:
            part = await router.process(Batch(slot=0, assignment=1, records=rest))
            parts.append({"records": part.records, "written": written(part.outgoing)})
            rest = rest[part.records :]
        transactions.append(parts)
    return transactions[1:]
