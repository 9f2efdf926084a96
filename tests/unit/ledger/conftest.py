"""Status rows, made with as few words as a test needs."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tocsin.contracts.ids import delivery_id, status_id
from tocsin.contracts.vocabulary import StatusName
from tocsin.ledger.history import StatusRow

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOTIFICATION = "5a0f4f4e-0000-5000-8000-000000000001"

Happened = Callable[..., StatusRow]


def happened(
    status: StatusName | str, at: float = 0, /, *, to: str | None = None, **fields: Any
) -> StatusRow:
    """`status` at so many seconds after the start; `to` names channel and address, as `email` or `push/phone-1`."""
    name = StatusName(status)
    channel, _, address = (to or "").partition("/")
    delivery = (
        delivery_id(notification=NOTIFICATION, channel=channel, step="", address_key=address or channel)
        if to
        else None
    )
    offset = fields.pop("offset", int(at * 1000))
    given = {
        "status_id": status_id(subject=delivery or NOTIFICATION, status=name, cause=f"t/0/{offset}"),
        "status": name,
        "final": name.final,
        "at": START + timedelta(seconds=at),
        "stored_at": START + timedelta(seconds=at),
        "kafka_partition": 0,
        "kafka_offset": offset,
        "tenant": "acme",
        "lane": "transactional",
        "origin": "events/0/1",
        "cause": f"t/0/{offset}",
        "notification_id": NOTIFICATION,
        "delivery_id": delivery,
        "channel": channel or None,
        "address_key": (address or channel) if to else None,
    }
    return StatusRow(**(given | fields))


@pytest.fixture(name="happened")
def happened_fixture() -> Happened:
    return happened
