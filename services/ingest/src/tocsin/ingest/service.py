"""What both routes need: who may call, what is known of the tenants, and the way to Kafka."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from fastapi import Request

from tocsin.contracts.directory import TenantLimits
from tocsin.ingest.directory import Directory
from tocsin.ingest.publishing import EventPublisher
from tocsin.ingest.rate_limits import RateLimits, day_is_full
from tocsin.ingest.settings import RequestLimits
from tocsin.ingest.validation import AcceptedEvent
from tocsin.runtime import Clock, SystemClock
from tocsin.web import (
    SENDING,
    BringUpToNow,
    Caller,
    Posted,
    Problem,
    admit,
    codes,
    nothing_newer,
    require_access,
)

_SOON: Final = {"retry-after": "2"}


@dataclass(kw_only=True)
class IngestService:
    """Ingest in one process. `caught_up` is set once the directory has been read to its end; `bring_up_to_now` is waited for before a refusal."""

    directory: Directory
    publisher: EventPublisher
    caught_up: asyncio.Event
    limits: RequestLimits = field(default_factory=RequestLimits)
    clock: Clock = field(default_factory=SystemClock)
    bring_up_to_now: BringUpToNow = nothing_newer
    default_limits: TenantLimits = field(default_factory=TenantLimits)
    instances: int = 1
    rates: RateLimits = field(init=False)

    def __post_init__(self) -> None:
        self.rates = RateLimits(
            defaults=self.default_limits,
            instances=self.instances,
            limits_of=self.directory.limits,
            clock=self.clock,
        )

    async def posted(self, request: Request) -> Posted:
        """The request of a caller whose key works and has the scope `send`. Raises 401, 403, and 503 while keys are not known yet."""
        self._require_directory()
        caller = await admit(request, SENDING)
        return Posted(caller, request.scope["headers"], await request.body())

    def let_in(self, caller: Caller) -> None:
        """A request came with this caller's key. Raises 403 without the scope `send`, 429 where it is one request too many, and 503 while
        workflows are not known yet."""
        self._require_directory()
        require_access(caller, SENDING)
        self.rates.request(caller)

    def admit_events(self, caller: Caller, accepted: Sequence[AcceptedEvent]) -> None:
        """These events are about to be stored. Raises 429 where that is too many recipients in this second, or on this day.

        What cancels sends nothing: it is taken on a full day, too.
        """
        now = self.clock.now()
        sends = not caller.test and not all(each.cancels for each in accepted)
        if sends and self.directory.quota_reached_on(caller.tenant) == now.date():
            raise day_is_full(now, self.directory.limits(caller.tenant))
        self.rates.recipients(caller, sum(each.recipients for each in accepted))

    async def keys_up_to_now(self) -> None:
        """`bring_up_to_now`, before a key is refused that nobody has told of. Raises 503 while keys are not known yet."""
        self._require_directory()
        await self.bring_up_to_now()

    def _require_directory(self) -> None:
        if not self.caught_up.is_set():
            detail = "The directory is still being read; API keys and workflows are not known yet."
            raise Problem(codes.NOT_READY, detail, headers=_SOON)
