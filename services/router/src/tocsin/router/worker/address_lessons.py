"""What statuses teach of addresses becomes rows: suppressions, soft bounces, and preferences that are switched off.

At least once, and doing it twice changes nothing: rows are named by what they say, and only what is new raises versions.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.statuses import Status
from tocsin.contracts.vocabulary import Channel, Reason
from tocsin.database import Database
from tocsin.observability import get_logger, metrics
from tocsin.router import preference_store
from tocsin.router.address_hashes import AddressHashes
from tocsin.router.changes import raise_versions
from tocsin.router.policy import Lesson, Unusable, happened_at, provider_code_of
from tocsin.router.preference_store import Source
from tocsin.router.soft_bounces import DAYS, SoftBounce, count_soft_bounces
from tocsin.router.suppressions import NewSuppression, addresses_of, holders, suppress
from tocsin.router.tables import categories, tenants

log = get_logger(__name__)

SOURCE: Final = "provider"
_CAUSES: Final[Mapping[Lesson, Reason]] = {
    Lesson.DEAD: Reason.BOUNCE,
    Lesson.GIVEN_UP: Reason.GONE,
    Lesson.COMPLAINT: Reason.COMPLAINT,
    Lesson.STOP: Reason.COMPLAINT,
}
"""Why the address is suppressed for good."""
_SWITCHED_OFF_BY: Final[Mapping[Lesson, Source]] = {
    Lesson.COMPLAINT: Source.COMPLAINT,
    Lesson.UNSUBSCRIBE: Source.PROVIDER,
}
_OF_A_CATEGORY: Final = frozenset({Lesson.GIVEN_UP, Lesson.UNSUBSCRIBE})
"""They say nothing of messages of other categories."""


class Learnt(NamedTuple):
    """One status, and what it teaches."""

    lesson: Lesson
    status: Status


class AddressLessons:
    """Of one installation: any address that a status may speak of is hashed under one of these keys."""

    def __init__(self, *, database: Database, hashes: AddressHashes) -> None:
        self._database = database
        self._hashes = hashes
        for channel in Channel:
            for cause in set(_CAUSES.values()):
                metrics.suppressions.labels(
                    channel, cause
                )  # so that a scrape sees the first one as an increase
        self._ignored = {why: metrics.lessons_ignored.labels(why) for why in Unusable}

    def ignore(self, why: Unusable, *, status: str) -> None:
        """Count a status that has no effect, and say which it is; messages of test keys are counted alone, because they are many."""
        self._ignored[why].inc()
        if why is not Unusable.TEST:
            log.info("what a provider said of an address has no effect", reason=why, status=status)

    async def learn(self, heard: Sequence[Learnt]) -> None:
        """Write what follows from all of them; committed."""
        learnt = await self._known(heard)
        for lesson, status in learnt:
            if lesson in _SWITCHED_OFF_BY:
                await self._switch_off(status, _SWITCHED_OFF_BY[lesson])
        if all(lesson is Lesson.UNSUBSCRIBE for lesson, _ in learnt):
            return
        async with self._database.engine.begin() as db:
            rows = [*_for_good(learnt), *await _for_a_week(db, learnt)]
            changed = await suppress(db, rows)
            new = {key[:3] for key in changed}
            told = [status for _, status in learnt if _address(status) in new]
            raised = await self._raise(db, told)
        if told:
            # Who was given the address while the rows above were not visible yet may have been decided without them.
            async with self._database.engine.begin() as db:
                await self._raise(db, told, but=raised)
        for (tenant, channel, _, _, cause, _), created in changed.items():
            if created:
                metrics.suppressions.labels(channel, cause).inc()
                log.info("address suppressed", tenant=tenant, channel=channel, cause=cause)

    async def _known(self, heard: Sequence[Learnt]) -> list[Learnt]:
        """Those whose tenant there is, and whose category where they are about that alone."""
        asked = {(status.tenant, status.category or "") for _, status in heard}
        async with self._database.engine.connect() as db:
            there = await _tenants_and_categories(db, asked)
        known = []
        for each in heard:
            status = each.status
            if status.tenant not in there:
                self.ignore(Unusable.TENANT, status=status.status_id)
            elif each.lesson in _OF_A_CATEGORY and status.category not in there[status.tenant]:
                self.ignore(Unusable.CATEGORY, status=status.status_id)
            else:
                known.append(each)
        return known

    async def _raise(
        self,
        db: AsyncConnection,
        statuses: Iterable[Status],
        *,
        but: Mapping[str, set[str]] | None = None,
    ) -> Mapping[str, set[str]]:
        """Raise the versions of everyone who has one of the addresses, and of those whose messages went there. Returns them, by tenant."""
        owners = await self._owners(db, statuses)
        for tenant in sorted(
            owners
        ):  # in one order, so that two of these wait for each other and never deadlock
            await raise_versions(db, tenant, sorted(owners[tenant] - (but or {}).get(tenant, set())))
        return owners

    async def _owners(self, db: AsyncConnection, statuses: Iterable[Status]) -> dict[str, set[str]]:
        """By tenant. A hash is no address: who else has it is found by way of the recipient of the message, who had it then."""
        owners: dict[str, set[str]] = defaultdict(set)
        by_kind: dict[str, list[Status]] = defaultdict(list)
        for status in statuses:
            owners[status.tenant].add(status.recipient or "")
            by_kind[status.channel or ""].append(status)
        for channel, of_kind in by_kind.items():
            kind = CHANNELS[channel].address
            known = await addresses_of(
                db, kind, sorted({(status.tenant, status.recipient or "") for status in of_kind})
            )
            held: dict[str, set[str]] = defaultdict(set)
            for status in of_kind:
                address = known.get((status.tenant, status.recipient or ""))
                if address is not None and self._hashes.is_of(
                    status.address_hash or "", kind.comparable(address)
                ):
                    held[status.tenant].add(address)
            for tenant, addresses in held.items():
                owners[tenant] |= await holders(db, tenant, kind, addresses)
        return owners

    async def _switch_off(self, status: Status, source: Source) -> None:
        """The recipient gets no more of the category on this channel. A required category cannot be left."""
        if status.category is None or status.recipient is None:
            return
        here = (categories.c.tenant == status.tenant, categories.c.key == status.category)
        async with self._database.engine.begin() as db:
            default = (await db.execute(select(categories.c.default).where(*here))).scalar()
            if default in {None, "required"}:
                return
            await preference_store.switch_off(
                db,
                status.tenant,
                status.recipient,
                channel=Channel(status.channel or ""),
                category=status.category,
                source=source,
            )


async def _tenants_and_categories(
    db: AsyncConnection, asked: Collection[tuple[str, str]]
) -> dict[str, set[str]]:
    """Of these tenants those that there are, each with those of the named categories that it has."""
    names = sorted({tenant for tenant, _ in asked})
    keys = sorted({category for _, category in asked})
    query = (
        select(tenants.c.id, categories.c.key)
        .outerjoin(categories, (categories.c.tenant == tenants.c.id) & categories.c.key.in_(keys))
        .where(tenants.c.id.in_(names))
    )
    there: dict[str, set[str]] = defaultdict(set)
    for tenant, category in await db.execute(query):
        there[tenant] |= {category} - {None}
    return there


def _for_good(learnt: Iterable[Learnt]) -> Iterator[NewSuppression]:
    for lesson, status in learnt:
        if lesson in _CAUSES:
            row = _row(status, _CAUSES[lesson])
            # A provider may keep one list for each kind of message: what it holds back of one says nothing of the others.
            yield row if lesson is not Lesson.GIVEN_UP else row._replace(category=status.category or "")


async def _for_a_week(db: AsyncConnection, learnt: Iterable[Learnt]) -> list[NewSuppression]:
    """Of the addresses that could not be reached too often."""
    soft = {_address(status): status for lesson, status in learnt if lesson is Lesson.SOFT_BOUNCE}
    bounces = [
        SoftBounce(*_address(status), status.status_id, happened_at(status))
        for lesson, status in learnt
        if lesson is Lesson.SOFT_BOUNCE
    ]
    worn_out = await count_soft_bounces(db, bounces)
    return [
        _row(soft[address], Reason.BOUNCE)._replace(until=last + timedelta(days=DAYS))
        for address, last in worn_out.items()
    ]


def _row(status: Status, cause: Reason) -> NewSuppression:
    return NewSuppression(
        *_address(status),
        cause=cause.value,
        source=SOURCE,
        code=provider_code_of(status),
        notification_id=status.notification_id,
    )


def _address(status: Status) -> tuple[str, str, str]:
    return status.tenant, status.channel or "", status.address_hash or ""
