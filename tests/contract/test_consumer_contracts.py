"""What each consumer reads of each record, one file a consumer in `consumers/`: nothing of it may go away or change its type.

A list is true when the consumer's own code makes the same of a message with nothing but the fields in it, and something else
when any one of them is missing. Golden messages hold every field. `stops` is binary and has vectors of its own; dead letters are
headers.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.contract.consumer_readings import READINGS
from tests.contract.record_paths import only, paths_of, type_at, without

from tocsin.specifications.schemas import schemas

HERE = Path(__file__).parent
STATED = {
    (path.stem, record): fields
    for path in (HERE / "consumers").glob("*.json")
    for record, fields in json.loads(path.read_text()).items()
}
SCHEMAS = schemas()
every_list = pytest.mark.parametrize(("consumer", "record"), sorted(STATED), ids="/".join)


def schema_of(record: str) -> Any:
    name = record.partition("_")[0]
    return SCHEMAS[{"decision": "status", "continuation": "intent", "redrive": "intent"}.get(name, name)]


def messages(record: str) -> list[Any]:
    """The golden messages of every version that are such a record."""
    paths = [
        path for path in sorted(HERE.glob("golden/v*/*.json")) if f"{path.stem}_".startswith(f"{record}_")
    ]
    return [json.loads(path.read_text()) for path in paths]


def reading(consumer: str, record: str, message: Any) -> Any:
    """What the consumer makes of it; that it cannot read it is something, too."""
    try:
        return READINGS[consumer, record](json.dumps(message).encode())
    except Exception as error:  # noqa: BLE001 - whatever it is, the field is missed
        return type(error)


def test_every_consumer_states_what_it_reads():
    assert STATED.keys() == READINGS.keys()


@every_list
def test_what_a_consumer_reads_is_there_in_its_type(consumer, record):
    schema = schema_of(record)
    for path, kind in STATED[consumer, record].items():
        # None: the message holds another struct of a union there.
        standing = {type_at(path, message, schema) for message in messages(record)} - {None}
        assert standing == {kind}, (
            f"{consumer} reads `{path}` of {record} as {kind}. Leave it as it is, and add what you need as another, optional field."
        )


@every_list
def test_a_consumer_reads_nothing_else(consumer, record):
    for message in messages(record):
        stated = only(message, STATED[consumer, record])
        assert reading(consumer, record, stated) == reading(consumer, record, message), (
            f"{consumer} reads more of {record} than its list says."
        )


@every_list
def test_a_consumer_reads_all_that_it_states(consumer, record):
    whole = [(message, reading(consumer, record, message)) for message in messages(record)]
    for path in STATED[consumer, record]:
        assert any(reading(consumer, record, without(message, path)) != made for message, made in whole), (
            f"{consumer} does not read `{path}` of {record}, or no golden message has it: take it from the list."
        )


@pytest.mark.parametrize("record", sorted({record for _, record in STATED}))
def test_golden_messages_have_every_field_that_is_read(record):
    known = {path for message in messages(record) for path in paths_of(message, schema_of(record))}
    stated = {path for (_, name), fields in STATED.items() if name == record for path in fields}
    assert stated <= known
