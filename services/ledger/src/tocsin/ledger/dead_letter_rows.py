"""A record of `dead.<service>` as a row of `ledger.dead_letters`."""

import base64
from typing import Any, Final

import msgspec

from tocsin.contracts.dead_letters import PREFIX, DeadLetter, read_dead_letter
from tocsin.kafka import Record
from tocsin.ledger.status_rows import stored_at, without_nul

COLUMNS: Final = (
    "day", "stored_at", "kafka_topic", "kafka_partition", "kafka_offset", "key", "value", "headers",
    *DeadLetter.__struct_fields__,
)  # fmt: skip
"""In the order of the tuples that `row_of` makes. A new field of `DeadLetter` needs a column of its name, and nothing else here."""


class DeadLetterUnreadable(Exception):
    """The headers describe no dead letter."""


def row_of(record: Record) -> tuple[Any, ...]:
    """The row, `COLUMNS` in order; `headers` are the record's own, as JSON pairs of name and base64. Raises `DeadLetterUnreadable`."""
    try:
        letter = read_dead_letter(record.headers)
    except msgspec.ValidationError as error:
        raise DeadLetterUnreadable("Not a dead letter: its headers describe none.") from error
    if any(b"\x00" in value for _, value in record.headers):
        letter = without_nul(letter)
    if letter.at.tzinfo is None:
        raise DeadLetterUnreadable("Not a dead letter: its time has no time zone.")
    when = stored_at(record)
    own_headers = [
        (name, base64.b64encode(value).decode())
        for name, value in record.headers
        if not name.startswith(PREFIX)
    ]
    whereabouts = (
        when.date(),
        when,
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        msgspec.json.encode(own_headers).decode(),
    )
    return whereabouts + msgspec.structs.astuple(letter)
