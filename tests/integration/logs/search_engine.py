"""A real search engine on this machine: one node of OpenSearch, from its jars."""

from pathlib import Path
from typing import Any

import httpx

from tocsin.dev.kafka_jars import java
from tocsin.dev.maven_jars import maven_jars
from tocsin.dev.observe.http_server import HttpServer
from tocsin.dev.paths import CACHE

_HOME = Path(__file__).parent


class SearchEngine(HttpServer):
    """It keeps what it was given over `stop()` and `start()`."""

    name = "opensearch"
    ready = "/_cluster/health?wait_for_status=yellow&timeout=2s"

    def prepare(self) -> None:
        self._jars = maven_jars(_HOME / "pom.xml", folder=CACHE / "opensearch", of="OpenSearch")
        self._folder.mkdir(parents=True, exist_ok=True)

    def _command(self, address: str) -> list[str]:
        return [
            java(), "-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-Dlog4j2.level=WARN", "-cp", f"{self._jars}/*",
            str(_HOME / "OneNode.java"), str(self._folder), address.rpartition(":")[2],
        ]  # fmt: skip

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Its answer; raises where that is an error."""
        answer = self._answer(method, path, body)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def lines(self) -> list[dict[str, Any]]:
        """All that it has, in the order of their moments; none while it makes an index."""
        self._answer("POST", "/_refresh")
        answer = self._answer("POST", "/tocsin-logs-*/_search", {"size": 10_000, "sort": ["@timestamp"]})
        if answer.status_code == 503:
            return []
        assert answer.is_success, answer.text
        return [hit["_source"] for hit in answer.json()["hits"]["hits"]]

    def _answer(self, method: str, path: str, body: object = None) -> httpx.Response:
        return httpx.request(method, f"{self.url}{path}", json=body, timeout=60)
