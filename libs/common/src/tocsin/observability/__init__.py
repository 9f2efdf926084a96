"""What happened and how it went: metrics, structured logs, traces. None of them ever holds an address, a body or a key."""

from tocsin.observability import metrics
from tocsin.observability.error_text import error_text, traceback_text
from tocsin.observability.logger import bound, get_logger
from tocsin.observability.logging import configure_logging
from tocsin.observability.often_seen import OftenSeen
from tocsin.observability.redaction import MASK, redact
from tocsin.observability.tally import Tally
from tocsin.observability.tracing import (
    OpenSpan,
    admitted,
    begin_span,
    client_span,
    configure_tracing,
    current_span,
    current_traceparent,
    is_sampled,
    recording,
    shutdown_tracing,
    span,
    tracing_on,
)

__all__ = [
    "MASK",
    "OftenSeen",
    "OpenSpan",
    "Tally",
    "admitted",
    "begin_span",
    "bound",
    "client_span",
    "configure_logging",
    "configure_tracing",
    "current_span",
    "current_traceparent",
    "error_text",
    "get_logger",
    "is_sampled",
    "metrics",
    "recording",
    "redact",
    "shutdown_tracing",
    "span",
    "traceback_text",
    "tracing_on",
]
