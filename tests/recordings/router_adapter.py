"""The router's worker, given recorded batches. Only this file knows its classes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from tests.recordings.recording import record_of, to_bytes, written

from tocsin.contracts.cancellations import Cancellation
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import Batch, Cancellations, ConsumerRecord
from tocsin.router.address_hashes import AddressHashes
from tocsin.router.policy import StoredRecipient
from tocsin.router.secret_keys import SecretKey
from tocsin.router.templates import Renderer
from tocsin.router.tokens import UnsubscribeTokens
from tocsin.router.worker.dedupe import Claim
from tocsin.router.worker.directory import PublishedDirectory
from tocsin.router.worker.pipeline import Router
from tocsin.router.worker.render import DeliveryRenderer
from tocsin.testing import ManualClock


class _Database:
    """Claims, cancellations and recipients in dictionaries."""

    def __init__(self) -> None:
        self.owners: dict[bytes, Claim] = {}
        self.stored: dict[tuple[str, str], StoredRecipient] = {}
        self.cancelled: dict[bytes, datetime] = {}

    async def claim(self, asked: Iterable[tuple[bytes, Claim]]) -> Mapping[bytes, Claim]:
        return {key: self.owners.setdefault(key, claim) for key, claim in asked}

    async def store(self, cancellations: Sequence[Cancellation]) -> None:
        self.cancelled |= {each.hash: each.requested_at for each in cancellations}

    async def requested(self, hashes: Sequence[bytes]) -> Mapping[bytes, datetime]:
        return {each: self.cancelled[each] for each in hashes if each in self.cancelled}

    async def load(
        self, recipients: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], StoredRecipient]:
        return {key: self.stored.get(key, StoredRecipient()) for key in recipients}

    async def ask(self, asked: Any) -> Any:
        raise AssertionError("no workflow here has a limit of its own")

    async def count(self, day: Any, asked: Any) -> Any:
        raise AssertionError("no tenant here has a quota")

    async def tell(self, day: Any, tenants: Any) -> None:
        raise AssertionError("no tenant here has a quota")

    async def find(self, addresses: Any) -> Any:
        raise AssertionError("no tenant here suppresses")


async def run(case: Any, base: Any) -> Any:
    """For each step what its batch wrote, transaction by transaction."""
    lane, topics, clock, renderer = Lane(case["lane"]), Topics(), ManualClock(), Renderer()
    database, directory = _Database(), PublishedDirectory(renderer=renderer)
    tokens = UnsubscribeTokens([SecretKey(**base["unsubscribe_key"])])
    router = Router(
        lane=lane, topics=topics, directory=directory, claims=database, recipients=database, suppressions=database,
        cancellations=Cancellations(service="recording"), cancellation_rows=database, throttles=database, quotas=database,
        clock=clock, hashes=AddressHashes([SecretKey("h1", "h" * 32)]), default_tenant=case["default_tenant"],
        renderer=DeliveryRenderer(renderer=renderer, public_url=base["public_url"], tokens=tokens),
    )  # fmt: skip
    transactions: list[list[Any]] = []
    for step in [base["beginning"], *case["steps"]]:
        clock.advance((datetime.fromisoformat(step["at"]) - clock.now()).total_seconds())
        for entity in step.get("directory", ()):
            directory.apply(
                ConsumerRecord("directory", 0, 0, 0, to_bytes(entity["key"]), to_bytes(entity["value"]))
            )
        if "people" in step:
            database.stored = {
                (p["tenant"], p["id"]): msgspec.convert(p["facts"], StoredRecipient) for p in step["people"]
            }
        rest, parts = [record_of(kept, ConsumerRecord) for kept in step.get("records", ())], []
        while rest:
            part = await router.process(Batch(records=rest, partition_count=base["partitions"]))
            parts.append({"records": part.records, "written": written(part.outgoing)})
            rest = rest[part.records :]
        transactions.append(parts)
    return transactions[1:]
