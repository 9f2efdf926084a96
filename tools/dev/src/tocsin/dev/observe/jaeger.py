"""A real Jaeger on this machine, on free ports, with the configuration that is shipped."""

import os
from pathlib import Path

from tocsin.dev.kube import go_programs
from tocsin.dev.observe.http_server import HttpServer
from tocsin.dev.observe.prometheus import SHIPPED
from tocsin.dev.processes import free_port

_MODULE = Path(__file__).parent / "jaeger_module"
_OVER_IT = "service: {telemetry: {metrics: {level: none}}}  # they would be told at a port that is fixed\n"


def jaeger_program() -> Path:
    """Jaeger, built from its Go module; minutes of processor time the first time."""
    return go_programs.built(_MODULE, "github.com/jaegertracing/jaeger/cmd/jaeger")


class JaegerServer(HttpServer):
    """Takes spans at `otlp` (OTLP over HTTP, a base URL), and answers at `query`, where people have its pages. It keeps all in memory."""

    name = "jaeger"
    ready = "/status"

    def __init__(self, folder: Path) -> None:
        self._otlp, self._query, self._grpc = (f"127.0.0.1:{free_port()}" for _ in range(3))
        self._program = Path()
        super().__init__(folder)

    @property
    def otlp(self) -> str:
        """What `OTEL_EXPORTER_OTLP_ENDPOINT` is set to."""
        return f"http://{self._otlp}"

    @property
    def query(self) -> str:
        """Where traces and the service graph are."""
        return f"http://{self._query}"

    def prepare(self) -> None:
        self._program = jaeger_program()
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "over-it.yaml").write_text(_OVER_IT)

    def _command(self, address: str) -> list[str]:  # noqa: ARG002 -- a variable says it
        return [str(self._program), f"--config={SHIPPED / 'jaeger.yaml'}", "--config=over-it.yaml"]

    def _environment(self, port: int) -> dict[str, str]:
        own = {
            "HEALTH_ADDRESS": f"127.0.0.1:{port}",
            "OTLP_ADDRESS": self._otlp,
            "QUERY_ADDRESS": self._query,
            "QUERY_GRPC_ADDRESS": self._grpc,
        }
        return {**os.environ, **own}
