"""What a record of a batch turned out to be, and what the handling of it needs from outside."""

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from tocsin.contracts.ids import claim_key
from tocsin.router.policy import Facts
from tocsin.router.worker.deliveries import Undecided
from tocsin.router.worker.lookups import Who
from tocsin.router.worker.reading import Plan, Refusal


class ClaimsIdentities(Protocol):
    """What of `Claims` is used here."""

    async def claim(self, asked: Iterable[tuple[bytes, str]]) -> Mapping[bytes, str]:
        """For each key the record it belongs to, committed."""
        ...


class KnowsPeople(Protocol):
    """What of `Lookups` is used here."""

    async def facts(self, people: Collection[Who]) -> Mapping[Who, Facts]:
        """The facts of each, known or not, in one query."""
        ...


class Partitions:
    """How many partitions the lanes' topics have; known once the component `PartitionCount` is open."""

    count: int = 0


class Rest:
    """A fan-out that goes on: its plan, and the first recipient without an intent."""

    __slots__ = ("cursor", "origin", "plan")

    def __init__(self, plan: Plan, *, cursor: int, origin: str) -> None:
        self.plan = plan
        self.cursor = cursor
        self.origin = origin


class Duplicate:
    """A plan whose event belongs to another record."""

    __slots__ = ("owner", "plan")

    def __init__(self, plan: Plan, owner: str) -> None:
        self.plan = plan
        self.owner = owner


class Unread:
    """A record of our own that cannot be read."""

    __slots__ = ("detail",)

    def __init__(self, detail: str) -> None:
        self.detail = detail


Read = Plan | Refusal | Undecided | Rest | Unread
"""What a record says."""

Handled = Read | Duplicate
"""What is to be done about it, once its claim is known."""


def trace_of(one: Read) -> str | None:
    """The traceparent that came with the record."""
    match one:
        case Undecided():
            return one.intent.traceparent
        case Plan():
            return one.event.traceparent
        case Rest():
            return one.plan.event.traceparent
        case _:
            return None


def to_claim(one: Read) -> bytes | None:
    """The key under which a plan's event is claimed; None for what claims nothing."""
    if not isinstance(one, Plan) or not one.targets:
        return None
    event = one.event
    return claim_key(tenant=event.tenant, source=event.source, event_id=event.id)
