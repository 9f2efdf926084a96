"""W3C trace context through every topic; OpenTelemetry spans for the sampled few, next to nothing for the rest.

Sampling is parent-based: the `traceparent` that arrives decides; a trace that begins here is sampled with the configured
ratio. An unsampled span costs one context variable (well under 2 µs): the SDK is not touched, the traceparent is passed on
as it came. While tracing is not configured, no trace begins here and what arrives is passed on.
"""

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from time import time_ns
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from tocsin.contracts.traces import valid_traceparent

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, Tracer

Attribute = str | int | float | bool

_current: ContextVar[str | None] = ContextVar("tocsin_traceparent", default=None)
_random: Final = (
    random.Random()
)  # ids need to be unique, not secret; its own state, so that a test's seed is not shared


class _Tracing:
    """What `configure_tracing` set up; empty until then."""

    tracer: "Tracer | None" = None
    provider: "TracerProvider | None" = None
    ratio: float = 0.0


def configure_tracing(
    service: str, endpoint: str | None, sample_ratio: float = 0.01, *, exporter: "SpanExporter | None" = None
) -> None:
    """Export the spans of sampled traces to `endpoint` (OTLP over HTTP, the collector's base URL), in the background.

    Without an endpoint (or an `exporter`, for tests) nothing is recorded, but the trace context still travels.
    """
    shutdown_tracing()
    if exporter is None and not endpoint:
        return
    # Imported here: the SDK and its exporter cost 25 MB, which a service without an endpoint need not pay.
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - see above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - see above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor  # noqa: PLC0415 - see above
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON  # noqa: PLC0415 - see above

    provider = TracerProvider(
        resource=Resource.create({"service.name": service}), sampler=ALWAYS_ON, shutdown_on_exit=False
    )
    if exporter is not None:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - see above

        base = (endpoint or "").rstrip("/")
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{base}/v1/traces")))
    _Tracing.provider = provider
    _Tracing.tracer = provider.get_tracer("tocsin")
    _Tracing.ratio = sample_ratio


def shutdown_tracing() -> None:
    """Export what is left and stop. Blocks for up to the exporter's timeout; harmless when tracing was never configured."""
    provider, _Tracing.provider, _Tracing.tracer = _Tracing.provider, None, None
    if provider is not None:
        provider.shutdown()


def current_traceparent() -> str | None:
    """The traceparent to put on whatever is sent from here, or None outside any trace."""
    return _current.get()


def is_sampled(traceparent: str | None) -> bool:
    """Whether spans under this traceparent are to be recorded, by whoever records any."""
    return traceparent is not None and valid_traceparent(traceparent) and int(traceparent[53:], 16) & 1 == 1


def tracing_on() -> bool:
    """Whether any span is recorded here: a test to make once a batch."""
    return _Tracing.tracer is not None


def recording(traceparent: str | None) -> bool:
    """Whether a span under this traceparent is recorded here. The test for hot paths; next to free while tracing is off."""
    return _Tracing.tracer is not None and is_sampled(traceparent)


def record_span(name: str, traceparent: str | None, *, seconds: float, **attributes: Attribute) -> None:
    """A span that has just ended and took `seconds`: for stages that many records go through together.

    Nothing happens where the trace is not sampled.
    """
    tracer = _Tracing.tracer
    if tracer is None or not is_sampled(traceparent):
        return
    end = time_ns()
    _start(tracer, name, traceparent, attributes, at=end - round(seconds * 1e9)).end(end)


class span:  # noqa: N801 - reads as a function, `with span("render"):`, but is a class because that is half the cost
    """`with span("render", traceparent=record's, batch=12) as s:` one stage of one trace.

    Without `traceparent` the span continues the current one, or begins a trace. A malformed traceparent counts as none.
    An exception marks the span as failed with the exception's class, never its text, which may hold an address.
    Attributes are ids, counts and codes.
    """

    __slots__ = ("_attributes", "_name", "_parent", "_recorded", "_token")

    def __init__(self, name: str, traceparent: str | None = None, **attributes: Attribute) -> None:
        self._name = name
        self._parent = traceparent
        self._attributes = attributes
        self._recorded: Span | None = None
        self._token: Token[str | None] | None = None

    def __enter__(self) -> Self:
        traceparent, self._recorded = _begun(self._name, self._parent or _current.get(), self._attributes)
        self._token = _current.set(traceparent)
        return self

    def set(self, name: str, value: Attribute) -> None:
        """Add an attribute that is known only now; nothing happens when the span is not recorded."""
        if self._recorded is not None:
            self._recorded.set_attribute(name, value)

    @property
    def recorded(self) -> bool:
        """Whether this span will be exported."""
        return self._recorded is not None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)
        if self._recorded is not None:
            _end(self._recorded, kind)


@contextmanager
def spans_beside(
    name: str, traceparents: Iterable[str | None], **attributes: Attribute
) -> Iterator[list[str | None]]:
    """A span for each of several records that go through a stage side by side; yields the traceparent of each from there on.

    None of them is the current span. As for `span`, an exception marks all as failed.
    """
    begun = [_begun(name, traceparent, attributes) for traceparent in traceparents]
    failed: type[BaseException] | None = None
    try:
        yield [traceparent for traceparent, _ in begun]
    except BaseException as error:
        failed = type(error)
        raise
    finally:
        for _, recorded in begun:
            if recorded is not None:
                _end(recorded, failed)


def _begun(
    name: str, parent: str | None, attributes: dict[str, Attribute]
) -> tuple[str | None, "Span | None"]:
    """The traceparent below a span that has just begun, and the span, if it is recorded."""
    if parent is not None and not valid_traceparent(parent):
        parent = None
    tracer = _Tracing.tracer
    if tracer is None or (parent is not None and not int(parent[53:], 16) & 1):
        return parent, None
    if parent is None and _random.random() >= _Tracing.ratio:
        return f"00-{_random.getrandbits(128) | 1:032x}-{_random.getrandbits(64) | 1:016x}-00", None
    recorded = _start(tracer, name, parent, attributes)
    context = recorded.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01", recorded


def _end(recorded: "Span", failed: type[BaseException] | None) -> None:
    if failed is not None:
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - only loaded once tracing is configured

        recorded.set_status(Status(StatusCode.ERROR, failed.__name__))
    recorded.end()


def _start(
    tracer: "Tracer",
    name: str,
    parent: str | None,
    attributes: dict[str, Attribute],
    *,
    at: int | None = None,
) -> "Span":
    from opentelemetry.context import Context  # noqa: PLC0415 - only loaded once tracing is configured
    from opentelemetry.trace import (  # noqa: PLC0415 - only loaded once tracing is configured
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        set_span_in_context,
    )

    context = Context()
    if parent is not None:
        above = SpanContext(
            int(parent[3:35], 16), int(parent[36:52], 16), is_remote=True, trace_flags=TraceFlags(1)
        )
        context = set_span_in_context(NonRecordingSpan(above), context)
    return tracer.start_span(name, context=context, attributes=attributes, start_time=at)
