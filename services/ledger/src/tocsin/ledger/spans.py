"""Spans of the ledger: one for each sampled status that was stored."""

from collections.abc import Sequence
from typing import Any, Final

from tocsin.ledger.status_rows import COLUMNS
from tocsin.observability import record_span, tracing_on

_TRACEPARENT: Final = COLUMNS.index("traceparent")
_STATUS: Final = COLUMNS.index("status")


def record_stored(rows: Sequence[tuple[Any, ...]], *, seconds: float, lane: str) -> None:
    """The rows of one batch of statuses, `COLUMNS` in order, stand in the table after so many `seconds`."""
    if not tracing_on():
        return
    for row in rows:
        record_span("store", row[_TRACEPARENT], seconds=seconds, lane=lane, status=str(row[_STATUS]))
