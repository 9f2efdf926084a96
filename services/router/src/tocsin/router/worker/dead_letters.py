"""A record that cannot be handled, kept as it was with the reason beside it."""

from datetime import datetime
from typing import Final

from tocsin.contracts.dead_letters import DeadLetter, kept_value
from tocsin.contracts.vocabulary import Reason
from tocsin.kafka import Outgoing, Record

SERVICE: Final = "router"
_MARGIN: Final = 4096


def dead_letter(
    record: Record, *, topic: str, largest: int, reason: Reason, detail: str, tenant: str, now: datetime
) -> Outgoing:
    """The dead letter for `topic`, which takes `largest` bytes: what does not fit keeps headers, length and SHA-256."""
    letter = DeadLetter(
        service=SERVICE, reason=reason, detail=detail[:1000], origin=record.ref, at=now, tenant=tenant
    )
    room = largest - _MARGIN - (record.size - len(record.value or b"")) * 2
    value = kept_value(record.value, letter, at_most=room)
    return Outgoing(topic, record.key, value, (*record.headers, *letter.headers()))
