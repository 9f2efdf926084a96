"""`docs/data.md` tells of every field of every record, and each is classified in one place."""

from pathlib import Path

import msgspec
import pytest

from tocsin.contracts.jobs import Job
from tocsin.contracts.topics import Topics
from tocsin.specifications.classification import KEPT, TABLES, Says
from tocsin.specifications.stored_data import Unclassified, check_columns, data_page, fields_of

PAGE = Path(__file__).parents[2] / "docs" / "data.md"


def test_the_page_is_what_the_code_says() -> None:
    assert data_page(PAGE) == PAGE.read_text(), "run `make contracts` and commit the result"


def test_every_topic_and_table_is_on_the_page() -> None:
    page = PAGE.read_text()
    assert all(f"`{name}`" in page for name in TABLES)
    assert {topic.family for topic in Topics().all()} <= set(page.replace("`tocsin.", " ").replace(".", " ").replace("`", " ").split())  # fmt: skip
    assert KEPT.keys() == TABLES.keys()


def test_what_identifies_a_person_is_told_with_its_form() -> None:
    job = fields_of(Job)
    assert job["private.address"] is job["intent.private.inline.phone"] is Says.PERSON
    assert job["recipient"] is Says.PERSON_ID
    assert job["address_hash"] is Says.PERSON_HASHED
    assert job["private.unsubscribe_url"] is Says.PERSON_SIGNED


def test_a_field_that_is_not_classified_is_named() -> None:
    class Device(msgspec.Struct):
        id: str
        token: str
        kind: str
        app: str
        owner: str

    with pytest.raises(Unclassified, match=r"Device: owner in classification\.py"):
        fields_of(Device)


def test_a_column_that_is_not_classified_is_named() -> None:
    with pytest.raises(Unclassified, match=r"ledger\.positions: offset2"):
        check_columns("ledger.positions", {"consumer_group", "topic", "kafka_partition", "next_offset", "offset2"})  # fmt: skip
    with pytest.raises(Unclassified, match=r"ledger\.new: id"):
        check_columns("ledger.new", {"id"})
