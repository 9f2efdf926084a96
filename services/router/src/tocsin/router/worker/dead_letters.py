"""A record that cannot be handled, kept as it was with the reason beside it."""

from datetime import datetime
from typing import Final

from tocsin.contracts.dead_letters import DeadLetter, truncate_to_fit
from tocsin.contracts.vocabulary import Reason
from tocsin.kafka import Outgoing, Record

SERVICE: Final = "router"


def dead_letter(
    record: Record, *, topic: str, largest: int, reason: Reason, detail: str, tenant: str, now: datetime
) -> Outgoing:
    """The dead letter for `topic`, which takes `largest` bytes: of what does not fit it keeps length and SHA-256."""
    letter = DeadLetter(
        service=SERVICE, reason=reason, detail=detail, origin=record.ref, at=now, tenant=tenant
    )
    return Outgoing(
        topic,
        *truncate_to_fit(letter, key=record.key, value=record.value, headers=record.headers, largest=largest),
    )
