"""What is looked up at each call of a recipient: keys and origins of tenants, remembered for two seconds."""

from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import msgspec
from sqlalchemy import ARRAY, RowMapping, Text, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tocsin.contracts.directory import InboxKey
from tocsin.router.tables import inbox_keys
from tocsin.runtime import Clock
from tocsin.trust import RecipientKey, Seal
from tocsin.web import InboxKeyOpener

REMEMBERED_SECONDS: Final = 2.0
"""So much later at the latest another process knows of a change."""
MOST_REMEMBERED: Final = 1000

V = TypeVar("V")


class InboxKeyDirectory:
    """A `TokenDirectory` over the table. `engine` and `seal` are asked for at each use."""

    def __init__(self, *, engine: Callable[[], AsyncEngine], seal: Callable[[], Seal], clock: Clock) -> None:
        self._engine = engine
        self._opener = InboxKeyOpener(seal=seal, clock=clock)
        self._tenants: _Remembered[RowMapping] = _Remembered(self._load, clock)
        self._origins: _Remembered[str] = _Remembered(self._someone_with, clock)

    async def key(self, tenant: str, key_id: str, *, only_known: bool) -> RecipientKey | None:
        """The key, opened; None where the tenant has none of this name, or one that was not sealed for it. Raises 503 where the
        installation cannot open it."""
        row = await self._tenants.get(tenant, only_known=only_known)
        for key in () if row is None else row["keys"]:
            if key["id"] == key_id:
                return self._opener.opened(msgspec.convert(key, InboxKey), tenant)
        return None

    async def lets_call(self, origin: str, tenant: str | None, *, only_known: bool) -> bool:
        """Whether the tenant, or any where it is None, has named this origin."""
        if tenant is None:
            return await self._origins.get(origin, only_known=only_known) is not None
        row = await self._tenants.get(tenant, only_known=only_known)
        return row is not None and origin in row["origins"]

    def forget(self, tenant: str) -> None:
        """The tenant's keys and origins were changed."""
        self._tenants.forget(tenant)
        self._origins.forget_all()

    async def _load(self, tenant: str) -> RowMapping | None:
        async with self._engine().connect() as db:
            return await load_inbox_keys(db, tenant)

    async def _someone_with(self, origin: str) -> str | None:
        query = select(inbox_keys.c.tenant).where(
            inbox_keys.c.origins.op("@>")(literal([origin], ARRAY(Text)))
        )
        async with self._engine().connect() as db:
            tenant: str | None = (await db.execute(query.limit(1))).scalar()
            return tenant


class _Remembered(Generic[V]):
    """Answers of `ask`, also that there is nothing (None)."""

    def __init__(self, ask: Callable[[str], Awaitable[V | None]], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._answers: dict[str, tuple[float, V | None]] = {}  # the oldest first

    async def get(self, name: str, *, only_known: bool) -> V | None:
        """What there is of this name. `only_known`: a name that had nothing when it was asked for last, or never was, is not asked for."""
        now = self._clock.monotonic()
        asked_at, answer = self._answers.get(name, (now - REMEMBERED_SECONDS, None))
        if now < asked_at + REMEMBERED_SECONDS or (only_known and answer is None):
            return answer
        answer = await self._ask(name)
        self._answers.pop(name, None)
        while len(self._answers) >= MOST_REMEMBERED:
            del self._answers[next(iter(self._answers))]
        self._answers[name] = (now, answer)
        return answer

    def forget(self, name: str) -> None:
        self._answers.pop(name, None)

    def forget_all(self) -> None:
        self._answers.clear()


async def load_inbox_keys(db: AsyncConnection, tenant: str, *, for_update: bool = False) -> RowMapping | None:
    """The tenant's row. `for_update`: nobody else changes it until the transaction ends."""
    query = select(inbox_keys).where(inbox_keys.c.tenant == tenant)
    return (await db.execute(query.with_for_update() if for_update else query)).mappings().first()
