"""A record of `dead.<service>` as a row of `ledger.dead_letters`."""

import base64
from typing import Any, Final

import msgspec

from tocsin.contracts.dead_letters import PREFIX, read_dead_letter
from tocsin.kafka import Record
from tocsin.ledger.status_rows import stored_at

COLUMNS: Final = (
    "day", "stored_at", "kafka_topic", "kafka_partition", "kafka_offset",
    "service", "reason", "detail", "origin", "at", "tenant", "original_bytes", "original_sha256", "key", "value", "headers",
)  # fmt: skip
"""In the order of the tuples that `row_of` makes."""


class DeadLetterUnreadable(Exception):
    """The headers describe no dead letter."""


def row_of(record: Record) -> tuple[Any, ...]:
    """The row, `COLUMNS` in order; `headers` are the record's own, as JSON pairs of name and base64. Raises `DeadLetterUnreadable`."""
    try:
        letter = read_dead_letter(record.headers)
    except msgspec.ValidationError as error:
        raise DeadLetterUnreadable("Not a dead letter: its headers describe none.") from error
    if letter.at.tzinfo is None:
        raise DeadLetterUnreadable("Not a dead letter: its time has no time zone.")
    when = stored_at(record)
    own = [
        (name, base64.b64encode(value).decode())
        for name, value in record.headers
        if not name.startswith(PREFIX)
    ]
    texts = (letter.service, letter.reason, letter.detail, letter.origin)
    return (
        when.date(),
        when,
        record.topic,
        record.partition,
        record.offset,
        *(text.replace("\x00", "") for text in texts),
        letter.at,
        letter.tenant.replace("\x00", ""),
        letter.original_bytes,
        letter.original_sha256.replace("\x00", ""),
        record.key,
        record.value,
        msgspec.json.encode(own).decode(),
    )
