"""A second look into the directory, before ingest refuses an event for something that its copy does not know yet."""

from typing import Protocol

from tocsin.contracts.events import Event
from tocsin.ingest.directory import Directory
from tocsin.ingest.request_faults import RefusedByDirectory
from tocsin.ingest.service import IngestService
from tocsin.ingest.settings import RequestLimits
from tocsin.ingest.validation import AcceptedEvent
from tocsin.runtime import Clock


class Validate(Protocol):
    """`validate_event`, or `validate_request`."""

    def __call__(
        self, event: Event, *, directory: Directory, limits: RequestLimits, clock: Clock
    ) -> AcceptedEvent: ...


class SecondLook:
    """For one request, however many events it has: what was published before it came is waited for once."""

    __slots__ = ("_service", "_taken")

    def __init__(self, service: IngestService) -> None:
        self._service = service
        self._taken = False

    async def __call__(self, validate: Validate, event: Event) -> AcceptedEvent:
        """The event, accepted by the directory as it is known, or else by all that was published before this call. Raises `Problem`."""
        service, directory = self._service, self._service.directory
        known = directory.changes
        try:
            return validate(event, directory=directory, limits=service.limits, clock=service.clock)
        except RefusedByDirectory:
            if self._taken:
                raise
            self._taken = True
            await self._service.bring_up_to_now()
            if directory.changes == known:  # nothing was new to the copy: the answer would be the same
                raise
        return validate(event, directory=directory, limits=service.limits, clock=service.clock)
