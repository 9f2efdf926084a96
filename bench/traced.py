"""Whether the messages of a measurement belong to traces. They do where `OTEL_EXPORTER_OTLP_ENDPOINT` is set, as in a service, and
`TRACE_SAMPLE_RATIO` of them are recorded. Exporting them counts as ours."""

import os

from tocsin.observability import configure_tracing

_ENDPOINT = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
_RATIO = float(os.environ.get("TRACE_SAMPLE_RATIO", "0.01"))


def trace_as_a_service(name: str) -> None:
    """Record and export spans, if there is where to."""
    configure_tracing(name, _ENDPOINT, _RATIO)


def traceparent(number: int) -> str | None:
    """That of the message with this number: of each hundred the first ones are recorded."""
    if _ENDPOINT is None:
        return None
    return f"00-{number + 1:032x}-{number + 1:016x}-0{number % 100 < _RATIO * 100:d}"
