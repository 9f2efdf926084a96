"""`make up` and `make down`: the stack in the background, for the account that runs the tests and for an ordinary one."""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from tocsin.dev.kafka_jars import jars
from tocsin.dev.observe.observation import fetch
from tocsin.dev.run_folder import RunFolder

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

ORDINARY = "nobody"
SERVICES = {
    "ingest",
    "router",
    "ledger",
    "scheduler",
    "dispatch-email",
    "dispatch-sms",
    "dispatch-push",
    "dispatch-webhook",
    "dispatch-chat",
    "dispatch-inapp",
    "dispatch-email-callbacks",
    "dispatch-sms-callbacks",
}
TARGETS_WITHIN = 60.0
"""Seconds until Prometheus has reached all targets; it needs a few."""


class Detached:
    """One folder, and the two commands on it, typed by whoever runs the tests unless `become` leads to another account."""

    def __init__(self, folder: Path, *, become: Sequence[str] = ()) -> None:
        self.folder = folder
        self._become = become

    def run(self, word: str) -> str:
        """What the command says; it must end well."""
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [*self._become, sys.executable, "-m", "tocsin.dev", word, "--folder", str(self.folder)],
            env={**os.environ, "HOME": str(self.folder.parent), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def endpoints(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / "endpoints.json").read_text())
        return content

    def observing(self) -> list[psutil.Process]:
        """The same of what `observe` started."""
        return Detached(self.folder / "observe").family()

    def family(self) -> list[psutil.Process]:
        """The stack's own process and all it started."""
        supervisor = RunFolder(self.folder).supervisor()
        assert supervisor is not None
        return [supervisor, *supervisor.children(recursive=True)]


@pytest.fixture
def detached(tmp_path: Path) -> Iterator[Detached]:
    (tmp_path / "with space").mkdir()
    stack = Detached(tmp_path / "with space" / ".dev")
    yield stack
    stack.run("down")


@pytest.fixture
def ordinary() -> Iterator[Detached]:
    """As an account that may write nothing but its own home: of whoever runs the tests, or, where that is root, of `nobody`, who may read
    all there is, since clone and Python may lie below /root."""
    jars()
    fetch()
    home = Path(tempfile.mkdtemp(prefix="an ordinary home "))
    become: list[str] = []
    if os.geteuid() == 0:
        account = pwd.getpwnam(ORDINARY)
        shutil.chown(home, ORDINARY)
        become += ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        become += ["--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search"]
    stack = Detached(home / ".dev", become=become)
    yield stack
    stack.run("down")
    shutil.rmtree(home)


@pytest.mark.prometheus
@pytest.mark.npm
def test_up_again_and_down(detached: Detached) -> None:
    said = detached.run("up")
    endpoints = detached.endpoints
    assert "Ready." in said
    assert endpoints["api_key"] in said
    assert secrets_in_logs(detached) == []
    assert SERVICES | {"kafka", "postgres", "catcher"} == endpoints["processes"].keys()
    family = detached.family()
    assert {process["pid"] for process in endpoints["processes"].values()} <= {
        process.pid for process in family
    }

    assert detached.run("up") == f"The local stack already runs: {endpoints['entry']}\n"
    assert detached.endpoints == endpoints

    detached.run("observe")
    observed = json.loads((detached.folder / "observe" / "endpoints.json").read_text())
    family += detached.observing()
    assert all_targets_answer(observed["prometheus"]) == SERVICES | {"witness"}
    assert "Tocsin" in httpx.get(observed["page"]).text
    assert detached.run("observe") == f"The dashboards are already there: {observed['page']}\n"
    assert secrets_in_logs(detached) == []

    assert detached.run("down") == "The dashboards have ended.\nThe local stack has ended.\n"
    assert not [process for process in family if process.is_running()]
    assert not (detached.folder / "endpoints.json").exists()
    assert detached.run("down") == "No local stack runs here.\n"


def all_targets_answer(prometheus: str) -> set[str]:
    """Every process that Prometheus knows, once it has reached all of them."""
    deadline = time.monotonic() + TARGETS_WITHIN
    while True:
        targets = httpx.get(f"{prometheus}/api/v1/targets").json()["data"]["activeTargets"]
        missing = {
            target["labels"]["instance"]: target["lastError"]
            for target in targets
            if target["health"] != "up"
        }
        if targets and not missing:
            return {target["labels"]["instance"] for target in targets}
        assert time.monotonic() < deadline, f"not reached, of {len(targets)} targets: {missing}"
        time.sleep(0.2)


def secrets_in_logs(detached: Detached) -> list[tuple[str, str]]:
    """Each place in `stack.log` and the processes' logs where a key, its secret part, a password or a signing key stands."""
    endpoints = detached.endpoints
    secrets = {
        "the API key": endpoints["api_key"].rpartition("_")[2],
        "the admin key": endpoints["admin_key"].rpartition("_")[2],
        "the database's password": urlsplit(endpoints["database"]).password or "",
        "the signing key of unsubscribe links": json.loads(
            (detached.folder / "data" / "unsubscribe-secret.json").read_text()
        )["secret"],
    }
    assert all(len(secret) > 10 for secret in secrets.values())
    logs = [
        detached.folder / "stack.log",
        *(detached.folder / "logs").iterdir(),
        *detached.folder.glob("observe/**/*.log"),
    ]
    return [
        (log.name, what)
        for log in logs
        for what, secret in secrets.items()
        if secret.encode() in log.read_bytes()
    ]


@pytest.mark.nightly
def test_whatever_was_done_to_the_sample_the_stack_starts_again(detached: Detached) -> None:
    detached.run("up")
    endpoints = detached.endpoints
    with httpx.Client(
        base_url=endpoints["entry"],
        headers={"authorization": f"Bearer {endpoints['admin_key']}"},
        timeout=30,
    ) as admin:
        off = {"preferences": [{"category": "orders", "channel": "email", "enabled": False}]}
        assert admin.put("/v1/recipients/bernd/preferences", json=off).is_success
        assert admin.delete("/v1/recipients/anna", headers={"if-match": "*"}).is_success
        assert admin.delete("/v1/workflows/order-shipped", headers={"if-match": "*"}).is_success
    detached.run("down")
    said = detached.run("up")
    assert "Warning: the first events could not be shown." in said
    assert "Ready." in said
    assert detached.endpoints["api_key"] == endpoints["api_key"]


@pytest.mark.prometheus
@pytest.mark.npm
def test_an_ordinary_account_needs_no_rights_and_dashboards_end_with_their_stack(ordinary: Detached) -> None:
    said = ordinary.run("observe")
    assert "Ready." in said
    assert "The dashboards are at http://127.0.0.1:" in said
    assert ordinary.endpoints["processes"].keys() >= SERVICES
    family = ordinary.family() + ordinary.observing()
    assert {process.username() for process in family} == {ORDINARY}
    assert {path.owner() for path in ordinary.folder.rglob("*")} == {ORDINARY}
    family[0].terminate()  # the stack
    _, alive = psutil.wait_procs(family, timeout=90)
    assert alive == []
    assert not (ordinary.folder / "observe" / "endpoints.json").exists()
    assert ordinary.run("down") == "No local stack runs here.\n"
