"""W3C trace context through every topic; OpenTelemetry spans for the sampled few, next to nothing for the rest.

Sampling is parent-based: the `traceparent` that arrives decides; a trace that begins here is sampled with the configured
ratio. A caller may ask for every trace, and a single one may lead to a hundred thousand messages: so of what arrives no process
records more than so many a second, and what is more goes on unsampled (`admitted`). Where a trace is not sampled the SDK is not touched,
and the traceparent is passed on as it came. While tracing is not configured, no trace begins here and what arrives is passed on.

`span` is for a block of code, and `client_span` for a call to another server. `begin_span` is for what begins at one place and ends at
another. Names and attributes are those of OpenTelemetry's semantic conventions (docs/operations/traces.md).
"""

import random
from collections.abc import Iterable, Mapping
from contextvars import ContextVar, Token
from math import inf
from threading import Thread
from time import monotonic, time_ns
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Final, Literal, Self

from tocsin.contracts.traces import sampled_traceparent, unsampled, valid_traceparent
from tocsin.observability import metrics

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, SpanContext, Tracer

Attribute = str | int | float | bool
Attributes = Mapping[str, Attribute]
Kind = Literal["internal", "server", "client", "producer", "consumer"]

CONVENTIONS: Final = "https://opentelemetry.io/schemas/1.44.0"
"""The version of the semantic conventions. 1.45.0 renames `messaging.system` and `messaging.kafka.offset`; a collector that knows this
address can translate."""
NO_ATTRIBUTES: Final[Attributes] = MappingProxyType({})

_random: Final = (
    random.Random()
)  # ids need to be unique, not secret; its own state, so that a test's seed is not shared


class _EachSecond:
    """So many in each second of the process's clock."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._second = 0
        self._taken = 0

    def take(self) -> bool:
        """Whether there is one more."""
        if (second := int(monotonic())) != self._second:
            self._second, self._taken = second, 0
        self._taken += 1
        return self._taken <= self._most


class _Tracing:
    """What `configure_tracing` set up; empty until then."""

    tracer: "Tracer | None" = None
    provider: "TracerProvider | None" = None
    ratio: float = 0.0
    arriving: _EachSecond = _EachSecond(inf)


def configure_tracing(
    service: str,
    endpoint: str | None,
    sample_ratio: float = 0.01,
    *,
    each_second: float = inf,
    version: str = "unknown",
    exporter: "SpanExporter | None" = None,
) -> None:
    """Export the spans of sampled traces to `endpoint` (OTLP over HTTP, the collector's base URL), in the background. Of traces that arrive
    `each_second` are recorded at most.

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

    about = {"service.namespace": "tocsin", "service.name": service, "service.version": version}
    provider = TracerProvider(resource=Resource.create(about), sampler=ALWAYS_ON, shutdown_on_exit=False)
    if exporter is not None:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - see above

        base = (endpoint or "").rstrip("/")
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{base}/v1/traces")))
    _Tracing.provider = provider
    _Tracing.tracer = provider.get_tracer("tocsin", version, schema_url=CONVENTIONS)
    _Tracing.ratio = sample_ratio
    _Tracing.arriving = _EachSecond(each_second)


def shutdown_tracing(seconds: float = 30.0) -> bool:
    """Export what is left and stop; whether that was done within so many seconds. What is not is given up. Harmless when tracing was never
    configured."""
    provider, _Tracing.provider, _Tracing.tracer = _Tracing.provider, None, None
    if provider is None:
        return True
    # In a thread, for the SDK waits 30 s for a collector that does not answer, and takes no other bound (1.44).
    ending = Thread(target=provider.shutdown, name="last spans", daemon=True)
    ending.start()
    ending.join(seconds)
    return not ending.is_alive()


# What is sampled


def tracing_on() -> bool:
    """Whether any span is recorded here: a test to make once a batch."""
    return _Tracing.tracer is not None


def recording(traceparent: str | None) -> bool:
    """Whether a span under this traceparent is recorded here. The test for hot paths; next to free while tracing is off."""
    return _Tracing.tracer is not None and traceparent is not None and sampled_traceparent(traceparent)


def admitted(traceparent: str | None) -> str | None:
    """That of a request or record that has arrived, as it goes on. A sampled one loses its flag where this process has recorded as many within
    the second as it may: then nobody behind records it either."""
    if traceparent is None or not recording(traceparent) or _Tracing.arriving.take():
        return traceparent
    metrics.traces_not_recorded.inc()
    return unsampled(traceparent)


def is_sampled(traceparent: str | None) -> bool:
    """Whether spans under this traceparent are to be recorded, by whoever records any."""
    return traceparent is not None and sampled_traceparent(traceparent)


def begins_sampled() -> bool:
    """Whether a trace that begins now is recorded: drawn by the ratio."""
    return _Tracing.tracer is not None and _random.random() < _Tracing.ratio


def unsampled_traceparent() -> str:
    """That of a new trace that nobody records. It makes one id lead through every topic."""
    return f"00-{_random.getrandbits(128) | 1:032x}-{_random.getrandbits(64) | 1:016x}-00"


# Spans that are ended by hand


class OpenSpan:
    """A span that is recorded and has not ended. What follows from it carries its `traceparent`.

    One that is never ended is never exported.
    """

    __slots__ = ("_inherited", "_span", "_tracer", "traceparent")

    def __init__(self, span: "Span", tracer: "Tracer", inherited: Attributes) -> None:
        self._span = span
        self._tracer = tracer
        self._inherited = inherited
        context = span.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-01"

    def child(
        self, name: str, kind: Kind = "internal", attributes: Attributes = NO_ATTRIBUTES, *, ago: float = 0.0
    ) -> "OpenSpan":
        """A span below this one, begun so many seconds ago. It has what this one hands down."""
        return _start(self._tracer, name, self._span, kind, attributes, ago=ago, inherited=self._inherited)

    def set(self, name: str, value: Attribute) -> None:
        """Add an attribute that is known only now."""
        self._span.set_attribute(name, value)

    def hand_down(self, name: str, value: Attribute) -> None:
        """Add an attribute that spans below have, too, from now on."""
        self._inherited = {**self._inherited, name: value}
        self._span.set_attribute(name, value)

    def rename(self, name: str) -> None:
        """Give it the name that is known only now."""
        self._span.update_name(name)

    def fail(self, code: str) -> None:
        """Mark it as failed: by a reason's code or an exception's class, never by a text, which may hold an address."""
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - only loaded once tracing is configured

        self._span.set_attribute("error.type", code)
        self._span.set_status(Status(StatusCode.ERROR, code))

    def end(self, error: str | None = None) -> None:
        """It ends now; failed, where a code says so."""
        if error is not None:
            self.fail(error)
        self._span.end()


def begin_span(
    name: str,
    traceparent: str | None,
    kind: Kind = "internal",
    attributes: Attributes = NO_ATTRIBUTES,
    *,
    ago: float = 0.0,
    links: Iterable[str] = (),
) -> OpenSpan | None:
    """A span that began so many seconds ago, and that whoever asked for it ends. None where the trace is not recorded here."""
    tracer = _Tracing.tracer
    if tracer is None or not is_sampled(traceparent):
        return None
    return _start(tracer, name, traceparent, kind, attributes, ago=ago, links=links)


def begin_trace(
    name: str,
    kind: Kind = "internal",
    attributes: Attributes = NO_ATTRIBUTES,
    *,
    ago: float = 0.0,
    links: Iterable[str] = (),
) -> OpenSpan | None:
    """The first span of a new trace, which is recorded whatever the ratio. None while tracing is off."""
    tracer = _Tracing.tracer
    return None if tracer is None else _start(tracer, name, None, kind, attributes, ago=ago, links=links)


# Spans of a block of code

_current: ContextVar[OpenSpan | str | None] = ContextVar("tocsin_span", default=None)
"""The span around; where it is not recorded, its traceparent."""


def current_span() -> OpenSpan | None:
    """The span around, if it is recorded."""
    around = _current.get()
    return around if isinstance(around, OpenSpan) else None


def current_traceparent() -> str | None:
    """The traceparent to put on whatever is sent from here, or None outside any trace."""
    around = _current.get()
    return around.traceparent if isinstance(around, OpenSpan) else around


def make_current(opened: OpenSpan) -> "Token[OpenSpan | str | None]":
    """Let what follows in this task be below this span, until `reset_current`."""
    return _current.set(opened)


def reset_current(token: "Token[OpenSpan | str | None]") -> None:
    """As it was before."""
    _current.reset(token)


class span:  # noqa: N801 - reads as a function, `with span("attempt"):`, but is a class because that is half the cost
    """`with span("attempt", traceparent) as s:` one stage of one trace.

    Without `traceparent` the span continues the current one, or begins a trace. A malformed traceparent counts as none. An exception
    marks the span as failed with the exception's class.
    """

    __slots__ = ("_attributes", "_kind", "_name", "_parent", "_token", "opened")

    def __init__(
        self,
        name: str,
        traceparent: str | OpenSpan | None = None,
        kind: Kind = "internal",
        attributes: Attributes = NO_ATTRIBUTES,
    ) -> None:
        self._name = name
        self._parent = traceparent
        self._kind = kind
        self._attributes = attributes
        self.opened: OpenSpan | None = None
        """The span, if it is recorded."""
        self._token: Token[OpenSpan | str | None] | None = None

    def __enter__(self) -> Self:
        below = _below(self._parent or _current.get(), self._name, self._kind, self._attributes)
        if isinstance(below, OpenSpan):
            self.opened = below
        self._token = _current.set(below)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)
        if self.opened is not None:
            self.opened.end(None if kind is None else kind.__name__)


class _NoSpan:
    """Stands for a span that is not recorded, and changes nothing."""

    opened = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


NO_SPAN: Final = _NoSpan()


def client_span(name: str, attributes: Attributes) -> span | _NoSpan:
    """`with client_span("SMTP", server):` a call to another server, where the span around is recorded; else nothing, in 0.1 µs."""
    if isinstance(_current.get(), OpenSpan):
        return span(name, kind="client", attributes=attributes)
    return NO_SPAN


def _below(
    parent: OpenSpan | str | None, name: str, kind: Kind, attributes: Attributes
) -> OpenSpan | str | None:
    """A span that has just begun; where it is not recorded, the traceparent that goes on."""
    if isinstance(parent, OpenSpan):
        return parent.child(name, kind, attributes)
    if parent is not None and not valid_traceparent(parent):
        parent = None
    tracer = _Tracing.tracer
    if tracer is None or (parent is not None and not sampled_traceparent(parent)):
        return parent
    if parent is None and not begins_sampled():
        return unsampled_traceparent()
    return _start(tracer, name, parent, kind, attributes)


def _start(
    tracer: "Tracer",
    name: str,
    parent: "Span | str | None",
    kind: Kind,
    attributes: Attributes,
    *,
    ago: float = 0.0,
    links: Iterable[str] = (),
    inherited: Attributes = NO_ATTRIBUTES,
) -> OpenSpan:
    from opentelemetry.context import Context  # noqa: PLC0415 - only loaded once tracing is configured
    from opentelemetry.trace import (  # noqa: PLC0415 - only loaded once tracing is configured
        Link,
        NonRecordingSpan,
        SpanKind,
        set_span_in_context,
    )

    context = Context()
    if isinstance(parent, str):
        parent = NonRecordingSpan(_context_of(parent))
    if parent is not None:
        context = set_span_in_context(parent, context)
    started = tracer.start_span(
        name,
        context=context,
        kind=SpanKind[kind.upper()],
        attributes={**inherited, **attributes} if inherited else attributes,
        links=[Link(_context_of(link)) for link in links],
        start_time=time_ns() - round(ago * 1e9) if ago else None,
    )
    return OpenSpan(started, tracer, inherited)


def _context_of(traceparent: str) -> "SpanContext":
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415 - only loaded once tracing is configured

    return SpanContext(
        int(traceparent[3:35], 16), int(traceparent[36:52], 16), is_remote=True, trace_flags=TraceFlags(1)
    )
