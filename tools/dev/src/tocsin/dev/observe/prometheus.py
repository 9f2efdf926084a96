"""A real Prometheus on this machine: Debian's, on a free port, which scrapes the processes that it is given."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

import yaml

from tocsin.dev.debian_programs import debian_program, unpacked
from tocsin.dev.errors import LocalStackError
from tocsin.dev.observe.http_server import HttpServer
from tocsin.dev.paths import PROJECT

PACKAGE = "prometheus"
SHIPPED = PROJECT / "deploy" / "observability"
"""Settings, rules and dashboards, as everybody gets them."""


class Refused(LocalStackError):
    """Prometheus does not take an expression. The message has its words."""


def promtool() -> Path:
    """What checks and tests rules."""
    return debian_program("promtool", package=PACKAGE)


def shipped_rules() -> list[Path]:
    """Every file of rules in `deploy/observability/rules`; none where there is no such folder."""
    return sorted((SHIPPED / "rules").glob("*.yaml"))


class PrometheusServer(HttpServer):
    """Scrapes `targets` every `every` seconds, and judges `rules` (those that are shipped) as often.

    A target is the address of one process's operations port by the process's name, as `operations` in endpoints.json has them. The name is the
    series' label `instance`; their `job` is `tocsin`; no other label is set, so none of ours is renamed. It asks for OpenMetrics
    and keeps exemplars. Alerts go to `alertmanagers`, by their URLs.
    """

    name = "prometheus"

    def __init__(
        self,
        folder: Path,
        *,
        targets: Mapping[str, str],
        rules: Sequence[Path] | None = None,
        alertmanagers: Sequence[str] = (),
        every: int = 5,
    ) -> None:
        self._targets = dict(targets)
        self._rules = shipped_rules() if rules is None else list(rules)
        self._alertmanagers = list(alertmanagers)
        self._every = every
        self._program = Path()
        self._web = Path()
        super().__init__(folder)

    def scrape(self, targets: Mapping[str, str]) -> None:
        """These from now on; a running server takes them up at once, and what it no longer scrapes is absent, as a deleted Pod is."""
        self._targets = dict(targets)
        scratch = self._folder / "targets.new"
        scratch.write_text(json.dumps([_target(name, url) for name, url in self._targets.items()]))
        scratch.replace(self._folder / "targets.json")

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What the expression gives now: `metric` (labels) and `value` (time, number as text) of each series. Raises Refused."""
        url = f"{self.url}/api/v1/query?{urlencode({'query': expression})}"
        try:
            with urlopen(url, timeout=30) as answer:  # noqa: S310 -- our own loopback address
                return list(json.load(answer)["data"]["result"])
        except HTTPError as error:
            raise Refused(f"{json.load(error)['error']}: {expression}") from error

    def prepare(self) -> None:
        self._program = debian_program("prometheus", package=PACKAGE)
        installed = Path("/usr/share/prometheus/web")
        self._web = (
            installed
            if installed.exists()
            else unpacked(PACKAGE, needed=self.name) / "usr/share/prometheus/web"
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        self.scrape(self._targets)
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(self._settings()))

    def _settings(self) -> dict[str, Any]:
        """Those that are shipped, but for the rules, how often, and whom to tell."""
        settings: dict[str, Any] = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())
        settings["global"] = dict.fromkeys(settings["global"], f"{self._every}s")
        settings["rule_files"] = [str(rule.resolve()) for rule in self._rules]
        addresses = [_address(url) for url in self._alertmanagers]
        settings["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": addresses}]}]
        return settings

    def _command(self, address: str) -> list[str]:
        return [
            str(self._program), "--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address={address}",
            "--enable-feature=exemplar-storage", f"--web.local-assets={self._web}", "--web.enable-lifecycle",
        ]  # fmt: skip


def _address(url: str) -> str:
    return urlsplit(url).netloc


def _target(name: str, url: str) -> dict[str, Any]:
    return {"targets": [_address(url)], "labels": {"instance": name}}
