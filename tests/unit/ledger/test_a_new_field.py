"""A field that is added to a contract reaches the ledger's rows and answers without a line changed in the ledger."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from types import ModuleType

import pytest

from tocsin.contracts import dead_letters, statuses
from tocsin.contracts.codec import encode
from tocsin.contracts.dead_letters import DeadLetter
from tocsin.contracts.ids import status_id
from tocsin.contracts.statuses import Status
from tocsin.contracts.vocabulary import Lane, StatusName
from tocsin.kafka import ConsumerRecord

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOTIFICATION = "5a0f4f4e-0000-5000-8000-000000000001"


class StatusWithOneMore(Status, kw_only=True, omit_defaults=True):
    opened_by: str | None = None


class LetterWithOneMore(DeadLetter, kw_only=True, omit_defaults=True):
    schema_id: int = 0


def _take_out() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if f"{name}.".startswith("tocsin.ledger.")]
    return {name: sys.modules.pop(name) for name in names}


@pytest.fixture(autouse=True)
def _ledger_of_longer_contracts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The ledger's modules are loaded anew in a test of this file, while the contracts have a field more."""
    monkeypatch.setattr(statuses, "Status", StatusWithOneMore)
    monkeypatch.setattr(dead_letters, "DeadLetter", LetterWithOneMore)
    loaded = _take_out()
    yield
    _take_out()
    sys.modules.update(loaded)


def status() -> StatusWithOneMore:
    return StatusWithOneMore(
        status_id=status_id(subject=NOTIFICATION, status=StatusName.SENT, cause="c/0/1"),
        status=StatusName.SENT,
        final=True,
        at=AT,
        tenant="acme",
        lane=Lane.BULK,
        origin="e/0/1",
        cause="c/0/1",
        notification_id=NOTIFICATION,
        opened_by="ann\x00",
    )


def test_a_field_of_a_status_gets_into_its_row_and_out_again() -> None:
    tables = import_module("tocsin.ledger.tables")
    record = ConsumerRecord("status.bulk", 0, 7, 1_772_366_400_000, b"acme/ann", encode(status()))
    row = dict(zip(tables.STATUSES.columns, tables.STATUSES.rows_of(record)[0], strict=True))
    assert row["opened_by"] == "ann"
    reading = import_module("tocsin.ledger.reading")
    assert reading.stored_row_of(row).opened_by == "ann"


def test_a_field_of_a_status_is_shown() -> None:
    responses = import_module("tocsin.ledger.responses")
    shown = responses.StatusBody.model_validate(
        {"stored_at": AT} | {name: getattr(status(), name) for name in StatusWithOneMore.__struct_fields__}
    )
    assert shown.model_dump()["opened_by"] == "ann\x00"
    document = import_module("tocsin.ledger.app").create_app().openapi()
    assert "opened_by" in document["components"]["schemas"]["StatusBody"]["properties"]


def test_a_field_of_a_dead_letter_gets_into_its_row() -> None:
    tables = import_module("tocsin.ledger.tables")
    letter = LetterWithOneMore(
        service="router", reason="data_invalid", detail="d", origin="e/0/1", at=AT, schema_id=17
    )
    record = ConsumerRecord("dead.router", 0, 7, 1_772_366_400_000, b"k", b"raw", tuple(letter.headers()))
    assert (
        dict(zip(tables.DEAD_LETTERS.columns, tables.DEAD_LETTERS.rows_of(record)[0], strict=True))[
            "schema_id"
        ]
        == 17
    )
