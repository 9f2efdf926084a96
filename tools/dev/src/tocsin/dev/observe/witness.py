"""The ledger's role `witness` on this machine: tells on /metrics what each consumer group leaves unread."""

import os
import sys
from pathlib import Path

from tocsin.dev.observe.http_server import HttpServer


class WitnessServer(HttpServer):
    """Looks at the groups of the Kafka at `kafka` (bootstrap servers). `url` is where its probes and metrics are; it is ready once it sees."""

    name = "witness"
    ready = "/readyz"

    def __init__(self, folder: Path, *, kafka: str) -> None:
        self._kafka = kafka
        super().__init__(folder)

    def prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)

    def _command(self, address: str) -> list[str]:  # noqa: ARG002 -- a service takes its address from its settings
        return [sys.executable, "-m", "tocsin.ledger", "witness"]

    def _environment(self, port: int) -> dict[str, str]:
        own = {
            "KAFKA_BOOTSTRAP_SERVERS": self._kafka,
            "OPERATIONS_HOST": "127.0.0.1",
            "OPERATIONS_PORT": str(port),
        }
        return {**os.environ, **own, "LOG_FORMAT": "text"}
