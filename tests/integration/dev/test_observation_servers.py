"""Prometheus and Alertmanager on this machine: what is scraped, what is asked, and an alert's way to whoever is told."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.threaded_server import answering

from tocsin.dev.observe import AlertmanagerServer, PrometheusServer, promtool
from tocsin.dev.observe.prometheus import SHIPPED, Refused

pytestmark = pytest.mark.prometheus

NOBODY = "http://127.0.0.1:1"
RULES = """\
groups:
  - name: test
    rules:
      - alert: Gone
        expr: up == 0
"""


@pytest.fixture
def told() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Somebody whom Alertmanager tells, and what was told."""
    heard: list[dict[str, Any]] = []

    class Hears(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.extend(json.loads(self.rfile.read(int(self.headers["content-length"])))["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    with answering(Hears) as url:
        yield url, heard


def wait(condition: Callable[[], object], *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_who_does_not_answer_is_told_of_until_it_is_no_target(
    tmp_path: Path, told: tuple[str, list[dict[str, Any]]]
) -> None:
    webhook, heard = told
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    with AlertmanagerServer(tmp_path / "alertmanager", webhook=webhook) as alertmanager:
        prometheus = PrometheusServer(
            tmp_path / "with space",
            targets={"router": NOBODY},
            rules=[rules],
            alertmanagers=[alertmanager.url],
            every=1,
        )
        with prometheus:
            wait(lambda: heard)
            assert heard[0]["labels"] == {"alertname": "Gone", "job": "tocsin", "instance": "router"}
            prometheus.scrape({"prometheus": prometheus.url})
            wait(lambda: prometheus.query('up{instance="prometheus"} == 1'))
            wait(lambda: not prometheus.query('up{instance="router"}'))
            with pytest.raises(Refused, match="unclosed left parenthesis"):
                prometheus.query("sum(up")


def test_of_one_freeze_one_alert_is_seen(tmp_path: Path) -> None:
    """The local Alertmanager silences what the example for an installation silences."""
    names = (
        "TocsinComponentGone",
        "TocsinLaneUnserved",
        "TocsinRecordsWait",
        "TocsinShardUnheld",
        "TocsinAcceptedNotRouted",
    )
    about = {"component": "router", "severity": "page"}
    alerts = [{"labels": {"alertname": name, **about, **({} if "Gone" in name else {"lane": "critical"})}} for name in names]  # fmt: skip
    with AlertmanagerServer(tmp_path / "alertmanager") as alertmanager:
        api = f"{alertmanager.url}/api/v2/alerts"
        httpx.post(api, json=alerts).raise_for_status()

        def seen(**which: bool) -> set[str]:
            return {alert["labels"]["alertname"] for alert in httpx.get(api, params=which).json()}

        wait(lambda: seen() == set(names))
        wait(lambda: seen(inhibited=False) == {"TocsinComponentGone"})


def test_prometheus_takes_the_settings_that_are_shipped(tmp_path: Path) -> None:
    (tmp_path / "targets.json").write_text("[]")
    (tmp_path / "prometheus.yml").write_text((SHIPPED / "prometheus.yml").read_text())
    checked = subprocess.run([promtool(), "check", "config", "prometheus.yml"], cwd=tmp_path, capture_output=True, text=True, check=False)  # fmt: skip
    assert checked.returncode == 0, checked.stderr
