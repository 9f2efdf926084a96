"""What happened and how it went: metrics, structured logs, traces. None of them ever holds an address, a body or a key."""

from tocsin.observability import metrics
from tocsin.observability.error_text import error_text, traceback_text
from tocsin.observability.logger import bound, get_logger
from tocsin.observability.logging import configure_logging
from tocsin.observability.often_seen import OftenSeen
from tocsin.observability.redaction import MASK, redact
from tocsin.observability.tally import Tally
from tocsin.observability.tracing import (
    configure_tracing,
    current_traceparent,
    is_sampled,
    record_span,
    recording,
    shutdown_tracing,
    span,
    spans_beside,
    tracing_on,
)

__all__ = [
    "MASK",
    "OftenSeen",
    "Tally",
    "bound",
    "configure_logging",
    "configure_tracing",
    "current_traceparent",
    "error_text",
    "get_logger",
    "is_sampled",
    "metrics",
    "record_span",
    "recording",
    "redact",
    "shutdown_tracing",
    "span",
    "spans_beside",
    "traceback_text",
    "tracing_on",
]
