"""The Compose file starts the same services with the same settings as the local stack."""

import json
import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tests.compose_file import COMPOSE, FILE, mounted_instances, variables

from tocsin.catcher.settings import CatcherSettings
from tocsin.cli.config.processes import CALLBACKS, settings_of
from tocsin.dev.entry import OWNERS
from tocsin.dev.services import StackSettings, callback_roles, services
from tocsin.runtime import read_settings, settings_table
from tocsin.runtime.bounds import CLOSING, SHUTDOWN
from tocsin.runtime.http import HttpSettings, OperationsSettings

ROOT = Path(__file__).parents[3]
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
PROCESSES = [*SERVICES, *CALLBACKS]
RULES = "./observability/rules"
"""A folder of the project, which Prometheus reads."""
LISTENING = {"HTTP_HOST", "HTTP_PORT", "OPERATIONS_HOST", "OPERATIONS_PORT"}
VERSION = tomllib.loads((ROOT / "libs/common/pyproject.toml").read_text())["project"]["version"]


@pytest.fixture
def local_stack(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """Service or role → the variables the local stack sets for it."""
    for row in (row for service in PROCESSES for row in settings_table(settings_of(service))):
        monkeypatch.delenv(row.name, raising=False)
    stack = StackSettings(
        kafka="k:1",
        database="postgresql://d/t",
        entry="http://e",
        providers=Path("p"),
        unsubscribe_secret="s",
        hash_secret="s",
        seal_secret="s",
        ref_secret="s",
    )
    known = {process: {row.name for row in settings_table(settings_of(process))} for process in PROCESSES}
    started = [*services(stack), *callback_roles(stack)]
    return {process.name: process.env.keys() & known[process.name] for process in started}


def test_every_service_runs_and_is_built_once() -> None:
    assert set(PROCESSES) <= COMPOSE["services"].keys()
    built = [
        service["build"]["args"]["SERVICE"] for service in COMPOSE["services"].values() if "build" in service
    ]
    assert sorted(built) == sorted([*SERVICES, "catcher"])
    for name, service in COMPOSE["services"].items():
        if service["image"].startswith("tocsin/"):
            assert service["image"].endswith(f":{VERSION}"), name
            assert ("build" in service) != (service.get("pull_policy") == "never"), name
        if "build" in service:
            assert service["image"] == f"tocsin/{service['build']['args']['SERVICE']}:{VERSION}"
            assert (FILE.parent / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("service", PROCESSES)
def test_variables_are_the_local_stacks_and_make_sense(
    service: str, local_stack: dict[str, set[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = settings_of(service)
    known = {row.name for row in settings_table(settings)}
    given = variables(service)
    assert given.keys() - COMPOSE["x-environment"].keys() <= known
    # The local stack listens on loopback and on ports it chooses; a container listens to its own network.
    assert given.keys() & known == local_stack[service] - LISTENING
    for name in known:
        monkeypatch.delenv(name, raising=False)
    for name, value in (given | mounted_instances(service, tmp_path)).items():
        monkeypatch.setenv(name, value)
    assert read_settings(settings)


@pytest.mark.parametrize("service", PROCESSES)
def test_a_service_has_the_time_to_end(service: str) -> None:
    only = COMPOSE["services"][service]
    shutdown = float(only["environment"].get("SHUTDOWN_TIMEOUT", SHUTDOWN))
    assert float(only["stop_grace_period"].removesuffix("s")) > shutdown + CLOSING


def test_the_catchers_variables_make_sense(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in COMPOSE["services"]["catcher"]["environment"].items():
        monkeypatch.setenv(name, value)
    settings = CatcherSettings()
    assert settings.http_port == 8025
    sms = tomllib.loads((FILE.parent / "compose" / "sms.toml").read_text())["providers"][0]
    assert sms["account_sid"] == settings.twilio_account_sid
    assert settings.twilio_auth_token is not None
    token = (FILE.parent / "compose" / sms["auth_token_file"]).read_text().strip()
    assert token == settings.twilio_auth_token.get_secret_value()


def test_what_providers_tell_is_taken() -> None:
    for channel, file in (("email", "mail-token"), ("sms", "twilio-token")):
        instance = tomllib.loads((FILE.parent / "compose" / f"{channel}.toml").read_text())["providers"][0]
        (secrets,) = instance["receipts"].values()
        assert secrets == [file]
        address = variables(f"dispatch-{channel}-callbacks")[f"DISPATCH_{channel.upper()}_CALLBACKS_URL"]
        assert address == f"http://entry:8080/{channel}"
        called = f"{address}/callbacks/{instance['name']}"
        if channel == "sms":
            assert instance["status_callback"] == called
        else:
            assert variables("catcher")["CATCHER_MAIL_CALLBACK_URL"] == f"{called}/mail"
            token = (FILE.parent / "compose" / file).read_text().strip()
            assert variables("catcher")["CATCHER_MAIL_CALLBACK_TOKEN"] == token
    for name in ("dispatch-email", "dispatch-email-callbacks"):
        assert variables(name)["DISPATCH_EMAIL_TRACKING_URL"] == "http://localhost:8080/email"
    taking = [name for name in PROCESSES if name.startswith(("dispatch-email", "dispatch-sms"))]
    assert len({variables(name)["DISPATCH_REF_KEYS"] for name in taking}) == 1


def test_whatever_is_waited_for_exists_and_says_when_it_is_there() -> None:
    for entry in COMPOSE["services"].values():
        needed = entry.get("depends_on", {})
        for name, how in needed.items() if isinstance(needed, dict) else ():
            other = COMPOSE["services"][name]
            if how["condition"] == "service_healthy":
                assert "healthcheck" in other
            else:
                assert "restart" not in other  # it ends


def test_every_file_and_volume_it_names_exists() -> None:
    for name, file in (COMPOSE["configs"] | COMPOSE["secrets"]).items():
        assert (FILE.parent / file["file"]).is_file(), name
    for entry in COMPOSE["services"].values():
        assert set(entry.get("secrets", ())) <= COMPOSE["secrets"].keys()
        assert {config["source"] for config in entry.get("configs", ())} <= COMPOSE["configs"].keys()
        volumes = {volume.split(":")[0] for volume in entry.get("volumes", ())}
        assert volumes - {RULES} <= COMPOSE["volumes"].keys()


def test_what_it_opens_is_open_on_this_machine_only() -> None:
    opened = [port for entry in COMPOSE["services"].values() for port in entry.get("ports", ())]
    assert opened
    assert all(port.startswith("127.0.0.1:") for port in opened)


def test_the_broker_is_the_one_tests_run_on() -> None:
    pom = ET.parse(ROOT / "tools/dev/src/tocsin/dev/pom.xml")
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    (version,) = (
        dependency.findtext("m:version", namespaces=space)
        for dependency in pom.iterfind(".//m:dependency", space)
        if dependency.findtext("m:artifactId", namespaces=space) == "kafka_2.13"
    )
    assert COMPOSE["services"]["kafka"]["image"] == f"apache/kafka:{version}"
    assert COMPOSE["services"]["postgres"]["image"] == "postgres:18"


@pytest.mark.parametrize(("prefix", "owner"), OWNERS)
def test_each_path_leads_to_the_service_that_owns_it(prefix: str, owner: str) -> None:
    text = (FILE.parent / "compose" / "entry.conf").read_text()
    rules = re.findall(r"^\s+~(\S+)\s+(\S+);$", text, re.MULTILINE)
    for path in (prefix, f"{prefix}/1"):
        assert next(name for pattern, name in rules if re.search(pattern, path)) == owner
    assert not any(re.search(pattern, "/metrics") for pattern, _ in rules)
    # The map looks at the normalised path; without a path of its own, `proxy_pass` hands on what was asked for.
    assert re.findall(r"^map (\S+) \$owner", text, re.MULTILINE) == ["$uri"]
    assert re.findall(r"proxy_pass (\S+);", text) == [f"http://$owner:{HttpSettings().port}"]


@pytest.mark.parametrize("service", PROCESSES)
def test_a_service_is_asked_how_it_is_on_the_port_for_that_which_is_open_to_nobody(service: str) -> None:
    asked = COMPOSE["services"][service]["healthcheck"]["test"][-1]
    assert f"127.0.0.1:{OperationsSettings().port}/readyz" in asked
    assert "ports" not in COMPOSE["services"][service]


def test_prometheus_is_led_to_every_service_and_the_witness() -> None:
    groups = json.loads((FILE.parent / "compose" / "targets.json").read_text())
    targets = {group["labels"]["instance"]: group["targets"] for group in groups}
    assert targets == {name: [f"{name}:{OperationsSettings().port}"] for name in [*PROCESSES, "witness"]}


def test_prometheus_has_the_settings_and_rules_that_are_shipped() -> None:
    mounted = {
        config["target"]: FILE.parent / COMPOSE["configs"][config["source"]]["file"]
        for config in COMPOSE["services"]["prometheus"]["configs"]
    }
    shipped = FILE.parent / "observability"
    expected = {
        "prometheus.yml": shipped / "prometheus.yml",
        "targets.json": FILE.parent / "compose" / "targets.json",
    }
    assert mounted == {f"/etc/prometheus/{name}": file for name, file in expected.items()}
    assert f"{RULES}:/etc/prometheus/rules:ro" in COMPOSE["services"]["prometheus"]["volumes"]


def test_postgresql_and_those_who_log_in_have_one_password() -> None:
    password = (FILE.parent / COMPOSE["secrets"]["postgres-password"]["file"]).read_text().strip()
    for service in (
        "router",
        "ledger",
        "scheduler",
        "migrate-router",
        "migrate-ledger",
        "migrate-scheduler",
        "keys",
    ):
        assert variables(service)["DATABASE_URL"] == f"postgresql://tocsin:{password}@postgres:5432/tocsin"
