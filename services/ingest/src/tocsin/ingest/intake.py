"""What the routes share: who may call, what is admitted, where it is stored."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from fastapi import Response

from tocsin.ingest.admission import Admission, Admitted, NamedNotification
from tocsin.ingest.directory import Directory
from tocsin.ingest.intake_limits import IntakeLimits
from tocsin.ingest.storing import EventStore
from tocsin.observability import metrics
from tocsin.runtime import Clock, SystemClock
from tocsin.web import Caller, Problem, codes

_encode = msgspec.json.Encoder().encode
_BUSY: Final = {"retry-after": "2"}


class Accepted(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of a 202."""

    event_id: str
    notifications: list[NamedNotification] | None = None


@dataclass(kw_only=True)
class Intake:
    """One process's way in. `caught_up` is set once the directory has been read to its end."""

    directory: Directory
    store: EventStore
    caught_up: asyncio.Event
    limits: IntakeLimits = field(default_factory=IntakeLimits)
    clock: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        self.admission = Admission(directory=self.directory, limits=self.limits)

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """Whose key came with the request: one with the scope `send`. Raises 401, 403, and 503 while keys are not known yet."""
        if not self.caught_up.is_set():
            detail = "The directory is still being read; API keys and workflows are not known yet."
            raise Problem(codes.NOT_READY, detail, headers=_BUSY)
        return self.directory.keys.authorize(headers.get("authorization"), "send")

    async def take(self, admitted: Admitted) -> Response:
        """Store one event and answer 202."""
        await self.store.store((admitted,))
        return answer(202, Accepted(admitted.event.id, admitted.notifications))


def answer(status: int, body: Any) -> Response:
    """A JSON answer."""
    return Response(_encode(body), status_code=status, media_type="application/json")


def count_refusals(problems: Sequence[Problem]) -> None:
    """Count what was refused, by code."""
    for problem in problems:
        metrics.ingest_refused.labels(problem.code.name).inc()
