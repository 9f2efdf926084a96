"""When a message is to be sent, if not at once: `send_at` is a time, `delay` so many seconds after the event."""

from datetime import datetime, timedelta
from typing import Final

from tocsin.contracts.values.refusal import ValueRefused
from tocsin.contracts.vocabulary import Reason

MOST_AHEAD: Final = timedelta(days=365)
LONGEST_DELAY: Final = int(MOST_AHEAD.total_seconds())
_TOO_FAR: Final = "Lies more than 365 days ahead. Choose an earlier time, or send the event later"


def due_at(
    *,
    send_at: datetime | None,
    delay: int | None,
    event_time: datetime,
    expires_at: datetime | None = None,
    tolerance: timedelta = timedelta(0),
) -> datetime | None:
    """When the message is due; None where that is now. `tolerance`: so much later than a year ahead is taken all the same. Raises
    ValueRefused. Not both are given."""
    if send_at is None and delay is None:
        return None
    if send_at is not None and send_at.tzinfo is None:
        raise _refused("Must name its offset from UTC")
    if delay is not None and delay < 0:
        raise _refused("Must be 0 or more seconds")
    latest = event_time + MOST_AHEAD + tolerance
    if delay is not None and delay > LONGEST_DELAY:
        raise _refused(_TOO_FAR)
    due = send_at if send_at is not None else event_time + timedelta(seconds=delay or 0)
    if due > latest:
        raise _refused(_TOO_FAR)
    if expires_at is not None and expires_at.tzinfo is not None and due >= expires_at:
        raise _refused(
            "Not before `expires_at`: the message would never be sent. Choose an earlier time, or a later `expires_at`"
        )
    return due if due > event_time else None


def _refused(detail: str) -> ValueRefused:
    return ValueRefused(Reason.SEND_TIME_INVALID, detail)
