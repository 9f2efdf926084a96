"""What both routes need: who may call, what is known of the tenants, and the way to Kafka."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tocsin.ingest.directory import Directory
from tocsin.ingest.publishing import EventPublisher
from tocsin.ingest.settings import RequestLimits
from tocsin.kafka import CatchUp, always_current
from tocsin.observability import metrics
from tocsin.runtime import Clock, SystemClock
from tocsin.web import Caller, Problem, codes

_SOON: Final = {"retry-after": "2"}
CATCH_UP_SECONDS: Final = 1.0
"""How long a refusal waits at most for what was published before the request."""


@dataclass(kw_only=True)
class IngestService:
    """Ingest in one process. `caught_up` is set once the directory has been read to its end; `copy_catch_up` brings the copy up to now."""

    directory: Directory
    publisher: EventPublisher
    caught_up: asyncio.Event
    limits: RequestLimits = field(default_factory=RequestLimits)
    clock: Clock = field(default_factory=SystemClock)
    copy_catch_up: CatchUp = always_current

    async def authorize(self, headers: Mapping[str, str]) -> Caller:
        """The caller whose key came with the request: a key with the scope `send`. Raises 401, 403, and 503 while keys are not known yet."""
        if not self.caught_up.is_set():
            detail = "The directory is still being read; API keys and workflows are not known yet."
            raise Problem(codes.NOT_READY, detail, headers=_SOON)
        keys, authorization = self.directory.keys, headers.get("authorization")
        try:
            return keys.authorize(authorization, "send")
        except Problem:
            if not keys.may_become_known(authorization):
                raise
        await self.catch_up()
        return keys.authorize(authorization, "send")

    async def catch_up(self) -> None:
        """Wait until the directory holds what was published before this call, a second at most. Whoever is refused may call it: all
        who wait share one request to the broker, at most ten times a second."""
        if not await self.copy_catch_up(seconds=CATCH_UP_SECONDS):
            metrics.directory_late.labels("ingest").inc()
