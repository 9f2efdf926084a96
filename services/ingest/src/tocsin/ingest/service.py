"""What both routes need: who may call, what is known of the tenants, and the way to Kafka."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from fastapi import Request

from tocsin.ingest.directory import Directory
from tocsin.ingest.publishing import EventPublisher
from tocsin.ingest.settings import RequestLimits
from tocsin.runtime import Clock, SystemClock
from tocsin.web import SENDING, BringUpToNow, Caller, Problem, admit, codes, nothing_newer

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

    async def authorize(self, request: Request) -> Caller:
        """The caller whose key came with the request: a key with the scope `send`. Raises 401, 403, and 503 while keys are not known yet."""
        self._require_directory()
        return await admit(request, SENDING)

    async def keys_up_to_now(self) -> None:
        """`bring_up_to_now`, before a key is refused that nobody has told of. Raises 503 while keys are not known yet."""
        self._require_directory()
        await self.bring_up_to_now()

    def _require_directory(self) -> None:
        if not self.caught_up.is_set():
            detail = "The directory is still being read; API keys and workflows are not known yet."
            raise Problem(codes.NOT_READY, detail, headers=_SOON)
