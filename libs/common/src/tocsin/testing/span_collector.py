"""An OpenTelemetry collector for tests: takes OTLP over HTTP, keeps every span, and the bytes it came in."""

import gzip
import http.server
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

# comes with the exporter, whose words these are
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class ReceivedSpan(NamedTuple):
    """One span as it was exported; ids in hexadecimal, `parent` empty where there is none."""

    service: str
    resource: dict[str, Any]
    """What is said of the process."""
    conventions: str
    """The schema's address."""
    name: str
    kind: str
    """`server`, `producer` and so on."""
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    links: list[str]
    """The ids of the spans that it points to."""
    error: str | None
    """What its status says, where it failed."""


class SpanCollector:
    """`with SpanCollector() as collector:` listens on `collector.endpoint` of loopback."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.bodies: list[bytes] = []
        """What was posted, as it was before compression."""
        self._spans: list[ReceivedSpan] = []
        self._read = 0
        """So many of the bodies were read."""
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

    def all_spans(self) -> list[ReceivedSpan]:
        """Every span that has arrived."""
        while self._read < len(self.bodies):
            self._spans += _spans(self.bodies[self._read])
            self._read += 1
        return self._spans

    def spans(self, trace: str) -> list[ReceivedSpan]:
        """Every span of the trace that has arrived."""
        return [span for span in self.all_spans() if span.trace == trace]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _spans(body: bytes) -> Iterator[ReceivedSpan]:
    request = ExportTraceServiceRequest.FromString(body)
    for each in request.resource_spans:
        resource = _attributes(each.resource.attributes)
        for scope in each.scope_spans:
            for span in scope.spans:
                yield ReceivedSpan(
                    service=resource["service.name"],
                    resource=resource,
                    conventions=scope.schema_url,
                    name=span.name,
                    kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    attributes=_attributes(span.attributes),
                    links=[link.span_id.hex() for link in span.links],
                    error=span.status.message if span.status.code == span.status.STATUS_CODE_ERROR else None,
                )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
