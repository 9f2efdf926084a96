"""An OpenTelemetry collector for tests: takes OTLP over HTTP, keeps every span, and the bytes it came in."""

import gzip
import http.server
import threading
from typing import NamedTuple, Self

# comes with the exporter, whose words these are
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class ReceivedSpan(NamedTuple):
    """One span as it was exported; ids in hexadecimal, `parent` empty where there is none."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, str]


class SpanCollector:
    """`with SpanCollector() as collector:` listens on `collector.endpoint` of loopback."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.bodies: list[bytes] = []
        """What was posted, as it was before compression."""
        paths, bodies = self.paths, self.bodies

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                paths.append(self.path)
                bodies.append(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class names it so
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def endpoint(self) -> str:
        """The base URL, as `OTEL_EXPORTER_OTLP_ENDPOINT` takes it."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def spans(self, trace: str) -> list[ReceivedSpan]:
        """Every span of the trace that has arrived."""
        return [span for body in list(self.bodies) for span in _spans(body) if span.trace == trace]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _spans(body: bytes) -> list[ReceivedSpan]:
    request = ExportTraceServiceRequest.FromString(body)
    return [
        ReceivedSpan(
            service=next(
                attribute.value.string_value
                for attribute in each.resource.attributes
                if attribute.key == "service.name"
            ),
            name=span.name,
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            attributes={attribute.key: attribute.value.string_value for attribute in span.attributes},
        )
        for each in request.resource_spans
        for scope in each.scope_spans
        for span in scope.spans
    ]
