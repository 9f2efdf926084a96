"""How long a message may live."""

from datetime import datetime, timedelta

from tocsin.contracts.vocabulary import Lane


def expires_at(
    *, asked: datetime | None, event_time: datetime, category_ttl: int | None, lane: Lane
) -> datetime:
    """When the message dies: as the producer asked, else after the category's time to live, else after the lane's."""
    if asked is not None:
        return asked
    seconds = lane.default_ttl_seconds if category_ttl is None else category_ttl
    return event_time + timedelta(seconds=seconds)
