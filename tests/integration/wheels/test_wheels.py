"""Each service installs alone: its wheel and tocsin-common's, on packages pinned by hash, in an empty environment."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tocsin.catcher.service_account import write_account
from tocsin.testing.until import until

ROOT = Path(__file__).parents[3]
UV = Path(sys.executable).with_name("uv")
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
NOWHERE = "127.0.0.1:1"
every_service = pytest.mark.parametrize("installed", SERVICES, indirect=True)
BOUND = 120
"""Seconds after which a step counts as stuck."""


@dataclass(frozen=True)
class Installed:
    """One image's environment; `folder` is empty and its own."""

    name: str
    environment: Path
    folder: Path

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """`python -m tocsin.<name>` with these settings and no others; what it says goes to pipes."""
        module = f"tocsin.{self.name.replace('-', '_')}"
        return subprocess.Popen(
            [self.environment / "bin" / "python", "-m", module, *arguments],
            cwd=self.folder,
            env={"PATH": os.defpath, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def uv(*arguments: str | Path) -> None:
    subprocess.run([UV, "--quiet", *arguments], cwd=ROOT, check=True, timeout=BOUND)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel of every distribution an image is made of."""
    folder = tmp_path_factory.mktemp("wheels")
    for part in ("libs/common", "tools/cli", "tools/catcher", *(f"services/{name}" for name in SERVICES)):
        uv("build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder, part)
    return folder


@pytest.fixture(scope="module")
def installed(
    request: pytest.FixtureRequest, wheels: Path, tmp_path_factory: pytest.TempPathFactory
) -> Installed:
    """What the Dockerfile puts into the image that the parameter names."""
    name: str = request.param
    parts = {"catcher": ["catcher"], "router": ["common", "router", "cli"]}.get(name, ["common", name])
    folder = tmp_path_factory.mktemp(name)
    environment = folder / "environment"
    uv("venv", "--python", sys.executable, environment)
    into = ("pip", "install", "--python", environment)
    uv(*into, "--require-hashes", "--only-binary", ":all:", "-r", f"requirements/{name}.txt")
    files = [next(wheels.glob(f"tocsin_{part.replace('-', '_')}-*.whl")) for part in parts]
    uv(*into, "--no-deps", "--no-index", *files)
    uv("pip", "check", "--python", environment)  # nothing that a pyproject.toml asks for is missing
    (folder / "empty").mkdir()
    return Installed(name=name, environment=environment, folder=folder / "empty")


@pytest.fixture
def settings(installed: Installed, tmp_path: Path) -> dict[str, str]:
    """Settings that make sense and lead nowhere."""
    given = {
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": "0",
        "OPERATIONS_HOST": "127.0.0.1",
        "OPERATIONS_PORT": "0",
        "KAFKA_BOOTSTRAP_SERVERS": NOWHERE,
        "LOG_FORMAT": "json",
    }
    if installed.name == "router":
        given["ROUTER_HASH_KEYS"] = f"k:{'h' * 32}"
    if installed.name in {"router", "ledger", "scheduler", "dispatch-inapp"}:
        given["DATABASE_URL"] = f"postgresql://nobody@{NOWHERE}/none"
    if not installed.name.startswith("dispatch-"):
        return given
    channel = installed.name.removeprefix("dispatch-")
    compose = ROOT / "deploy" / "compose"
    for token in ("twilio-token", "slack-token"):
        (tmp_path / token).write_text((compose / token).read_text())
    write_account(tmp_path / "account.json", project="none", token_uri="http://127.0.0.1:1/token")
    instances = (compose / f"{channel}.toml").read_text().replace("/var/lib/tocsin", str(tmp_path))
    (tmp_path / "providers.toml").write_text(instances)
    return given | {f"DISPATCH_{channel.upper()}_PROVIDERS_FILE": str(tmp_path / "providers.toml")}


@pytest.fixture
def waiting(
    installed: Installed, settings: dict[str, str], tmp_path: Path
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """The service, with nothing it needs, and the file it logs to."""
    log = tmp_path / "log"
    with log.open("w") as file:
        module = f"tocsin.{installed.name.replace('-', '_')}"
        process = subprocess.Popen(
            [installed.environment / "bin" / "python", "-m", module],
            cwd=installed.folder, env={"PATH": os.defpath, **settings}, stdout=file, stderr=file, text=True,
        )  # fmt: skip
    yield process, log
    if process.poll() is None:
        process.kill()
    process.wait()


@every_service
def test_it_explains_itself_and_says_what_is_missing(installed: Installed) -> None:
    helped, unset = installed.start("--help"), installed.start()
    try:
        help_text, _ = helped.communicate(timeout=BOUND)
        assert helped.returncode == 0
        assert f"python -m tocsin.{installed.name.replace('-', '_')}" in help_text
        assert "KAFKA_BOOTSTRAP_SERVERS" in help_text
        said, faults = unset.communicate(timeout=BOUND)
        assert (unset.returncode, said) == (2, "")
        sentences = faults.splitlines()
        assert sentences
        for sentence in sentences:
            assert re.match(r"[A-Z_]+ is not set; set it to: .+\.$", sentence)
        assert any(sentence.startswith("KAFKA_BOOTSTRAP_SERVERS ") for sentence in sentences)
    finally:
        for process in (helped, unset):
            process.kill()
            process.communicate()


@every_service
async def test_it_waits_for_what_is_not_there_says_so_and_ends_when_told(
    installed: Installed, waiting: tuple[subprocess.Popen[str], Path]
) -> None:
    process, log = waiting

    def port() -> int | None:
        assert process.poll() is None, log.read_text()
        lines = [line for line in log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
        ports = [
            entry["port"]
            for entry in map(json.loads, lines)
            if entry["event"] == "listening" and entry["component"] == "operations"
        ]
        return ports[0] if ports else None

    await until(lambda: port() is not None, seconds=BOUND)
    base = f"http://127.0.0.1:{port()}"
    assert status(f"{base}/livez")[0] == 200
    assert status(f"{base}/metrics")[0] == 200
    code, body = status(f"{base}/readyz")
    assert code == 503
    assert any(check["reason"] for check in json.loads(body)["checks"])
    process.send_signal(signal.SIGTERM)
    await until(lambda: process.poll() is not None, seconds=BOUND)
    assert process.returncode == 0, log.read_text()


@pytest.mark.parametrize("installed", ["router"], indirect=True)
def test_the_routers_image_holds_the_command(installed: Installed) -> None:
    shown = subprocess.run(
        [installed.environment / "bin" / "tocsin", "--help"],
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=True,
    ).stdout
    assert all(command in shown for command in ("topics", "keys", "acls", "directory"))


@pytest.mark.parametrize("installed", ["catcher"], indirect=True)
def test_the_catcher_explains_itself(installed: Installed) -> None:
    helped = installed.start("--help")
    help_text, _ = helped.communicate(timeout=BOUND)
    assert helped.returncode == 0
    assert "CATCHER_SMTP_PORT" in help_text


def status(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=BOUND) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()
