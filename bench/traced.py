"""Whether the messages of a measurement belong to traces. They do where `OTEL_EXPORTER_OTLP_ENDPOINT` is set, as in a service, and
`TRACE_SAMPLE_RATIO` of them are recorded. Exporting them counts as ours."""

from tocsin.observability import ObservabilitySettings, configure_tracing

_SETTINGS = ObservabilitySettings()


def trace_as_a_service(name: str) -> None:
    """Record and export spans, if there is where to."""
    configure_tracing(name, _SETTINGS.otel_exporter_otlp_endpoint, _SETTINGS.trace_sample_ratio)


def traceparent(number: int) -> str | None:
    """That of the message with this number: of each hundred the first ones are recorded."""
    if _SETTINGS.otel_exporter_otlp_endpoint is None:
        return None
    sampled = number % 100 < _SETTINGS.trace_sample_ratio * 100
    return f"00-{number + 1:032x}-{number + 1:016x}-0{sampled:d}"
