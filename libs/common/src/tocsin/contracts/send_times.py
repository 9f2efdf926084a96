"""When what follows from an event is due: as its extension attributes say, or the request in it."""

from datetime import datetime, timedelta
from typing import Final

from tocsin.contracts.events import Event, NotificationRequest
from tocsin.contracts.limits import CLOCK_TOLERANCE_SECONDS
from tocsin.contracts.values.refusal import ValueRefused
from tocsin.contracts.values.send_time import due_at
from tocsin.contracts.vocabulary import Reason

CLOCK_TOLERANCE: Final = timedelta(seconds=CLOCK_TOLERANCE_SECONDS)
"""So much may the clocks of ingest and of the broker differ: what one has taken, the other does not refuse."""


def due_of(
    event: Event,
    request: NotificationRequest | None = None,
    *,
    event_time: datetime,
    prefix: str = "/data",
    tolerance: timedelta = timedelta(0),
) -> datetime | None:
    """None where that is now. Raises ValueRefused; its pointer leads to the attribute, or below `prefix` to the request's field."""
    if (
        event.send_at is None
        and event.delay is None
        and (request is None or (request.send_at is None and request.delay is None))
    ):
        return None  # as a rule
    named: list[tuple[str, datetime | int | None]] = [("/sendat", event.send_at), ("/delay", event.delay)]
    if request is not None:
        named += [(f"{prefix}/send_at", request.send_at), (f"{prefix}/delay", request.delay)]
    given = [(pointer, value) for pointer, value in named if value is not None]
    pointer, value = given[-1]
    if len(given) > 1:
        detail = "Say once when it is to be sent: `send_at` or `delay`, in the event or in the request"
        raise ValueRefused(Reason.SEND_TIME_INVALID, detail, pointer=pointer)
    try:
        return due_at(
            send_at=value if isinstance(value, datetime) else None,
            delay=value if isinstance(value, int) else None,
            event_time=event_time,
            expires_at=request.expires_at if request is not None else None,
            tolerance=tolerance,
        )
    except ValueRefused as refused:
        raise ValueRefused(refused.code, refused.detail, pointer=pointer) from refused
