"""Somebody on call, as Alertmanager sees one: rules and routes are those that are shipped, but judged every few seconds, and told to this process."""

import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import yaml

from tocsin.dev.observe import AlertmanagerServer, PrometheusServer, shipped_rules
from tocsin.dev.paths import PROJECT

SHIPPED = PROJECT / "deploy" / "observability" / "alertmanager.yaml"
EVERY = 3
"""Seconds between two scrapes, and between two judgements; as shipped both are 15."""

Who = tuple[str, str]
"""An alert's name, and the component that it is about."""


def who(labels: Mapping[str, str]) -> Who:
    return labels["alertname"], labels.get("component", "")


@dataclass
class Pager:
    """What has paged so far, with the moment of the first time."""

    prometheus: PrometheusServer
    alertmanager: AlertmanagerServer
    pages: dict[Who, float] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)

    def hear(self, message: Mapping[str, Any]) -> None:
        """A message of Alertmanager's; tickets wake nobody."""
        if message["receiver"] != "pages":
            return
        for alert in message["alerts"]:
            if alert["status"] == "firing":
                self.pages.setdefault(who(alert["labels"]), time.monotonic())
                self.texts += alert["annotations"].values()

    def about_to_page(self) -> set[Who]:
        """What is silenced by nothing, whether it has paged yet or waits for others of its group."""
        active = httpx.get(
            f"{self.alertmanager.url}/api/v2/alerts",
            params={"active": True, "inhibited": False, "filter": 'severity="page"'},
            timeout=10,
        ).json()
        return {who(alert["labels"]) for alert in active}

    def sees_all(self, targets: int) -> bool:
        """Whether every process and every group of the installation is seen, and nothing is wrong."""
        seen = self.prometheus.query("count(up == 1) and on () tocsin_witness_up == 1")
        return (
            bool(seen)
            and float(seen[0]["value"][1]) == targets
            and not self.prometheus.query('ALERTS{severity="page"}')
        )


@contextlib.contextmanager
def on_call(folder: Path, targets: Mapping[str, str]) -> Iterator[Pager]:
    """A Prometheus and an Alertmanager that know nothing of the past."""
    folder.mkdir()
    with (
        _heard() as (address, hearers),
        AlertmanagerServer(folder / "alertmanager", configuration=_routes(folder, address)) as alertmanager,
        PrometheusServer(
            folder / "prometheus", targets=targets, rules=_rules(folder), alertmanagers=[alertmanager.url], every=EVERY
        ) as prometheus,
    ):  # fmt: skip
        pager = Pager(prometheus, alertmanager)
        hearers.append(pager)
        yield pager


def _rules(folder: Path) -> list[Path]:
    """As they are shipped, but for how often they are judged."""
    copies = [folder / path.name for path in shipped_rules()]
    for copy, path in zip(copies, shipped_rules(), strict=True):
        copy.write_text(re.sub(r"^( *interval): .*$", rf"\1: {EVERY}s", path.read_text(), flags=re.MULTILINE))
    return copies


def _routes(folder: Path, address: str) -> Path:
    """The example with its routes, waits and silences; every receiver is this process, and so no secret is needed."""
    configuration = yaml.safe_load(SHIPPED.read_text())
    del configuration["global"]
    configuration["receivers"] = [
        {"name": receiver["name"], "webhook_configs": [{"url": address}]}
        for receiver in configuration["receivers"]
    ]
    copy = folder / "alertmanager.yaml"
    copy.write_text(yaml.safe_dump(configuration))
    return copy


@contextlib.contextmanager
def _heard() -> Iterator[tuple[str, list[Pager]]]:
    hearers: list[Pager] = []

    class Hears(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["content-length"])))
            for hearer in hearers:
                hearer.hear(message)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hears)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", hearers
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
