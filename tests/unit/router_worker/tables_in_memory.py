"""In-memory twins of the tables that a worker asks for each batch."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime

from tocsin.contracts.cancellations import Cancellation
from tocsin.router.policy import StoredRecipient, Suppression
from tocsin.router.worker.dedupe import Claim
from tocsin.router.worker.quota import QuotaAsked
from tocsin.router.worker.throttle import ThrottleAsked


class Claims:
    """The claims table, without a window."""

    def __init__(self) -> None:
        self.rows: dict[bytes, Claim] = {}

    async def claim(self, asked: Iterable[tuple[bytes, Claim]]) -> Mapping[bytes, Claim]:
        return {key: self.rows.setdefault(key, claim) for key, claim in asked}


class CancellationRows:
    """The table of cancellations, and how often it was asked."""

    def __init__(self) -> None:
        self.rows: dict[bytes, datetime] = {}
        self.queries = 0

    async def store(self, cancellations: Sequence[Cancellation]) -> None:
        for cancellation in cancellations:
            self.rows[cancellation.hash] = max(
                cancellation.requested_at, self.rows.get(cancellation.hash, cancellation.requested_at)
            )

    async def requested(self, hashes: Sequence[bytes]) -> Mapping[bytes, datetime]:
        self.queries += 1
        return {hashed: self.rows[hashed] for hashed in hashes if hashed in self.rows}


class Throttles:
    """The table of throttles, without a window."""

    def __init__(self) -> None:
        self.held: dict[bytes, list[str]] = {}
        self.asked: list[ThrottleAsked] = []

    async def ask(self, asked: Sequence[ThrottleAsked]) -> Collection[str]:
        self.asked += asked
        for asking in asked:
            held = self.held.setdefault(asking.key, [])
            if asking.notification_id not in held and len(held) < asking.limit:
                held.append(asking.notification_id)
        return {asking.notification_id for asking in asked if asking.notification_id in self.held[asking.key]}


class Quotas:
    """The table of days, without partitions."""

    def __init__(self) -> None:
        self.used: Counter[tuple[date, str]] = Counter()
        self.asked: list[QuotaAsked] = []
        self.told: list[tuple[date, str]] = []

    async def count(self, day: date, asked: Sequence[QuotaAsked]) -> Sequence[bool]:
        self.asked += asked
        within = []
        for asking in asked:
            within.append(self.used[day, asking.tenant] < asking.quota)
            self.used[day, asking.tenant] += within[-1]
        return within

    async def tell(self, day: date, tenants: Collection[str]) -> None:
        self.told += [(day, tenant) for tenant in tenants]


class Recipients:
    """The directory's database, and how often it was asked."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], StoredRecipient] = {}
        self.queries: list[set[tuple[str, str]]] = []

    async def load(
        self, recipients: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], StoredRecipient]:
        if recipients:
            self.queries.append(set(recipients))
        return {key: self.stored.get(key, StoredRecipient()) for key in recipients}


class Suppressions:
    """The table of suppressions, and how often it was asked."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], list[Suppression]] = {}
        self.queries: list[set[tuple[str, str, str]]] = []

    async def find(
        self, addresses: Collection[tuple[str, str, str]]
    ) -> Mapping[tuple[str, str, str], Sequence[Suppression]]:
        self.queries.append(set(addresses))
        return {key: self.rows[key] for key in addresses if key in self.rows}
