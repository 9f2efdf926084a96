"""`tocsin config check` finds nothing in what Tocsin ships: defaults, the local stack, Compose, the overlays. Only the examples' secrets."""

from pathlib import Path

import pytest
import yaml
from tests.compose_file import COMPOSE, mounted_instances, variables
from tests.rendered_manifests import OVERLAYS, manifests

from tocsin.cli.config.across import across
from tocsin.cli.config.environment import ConfigFinding, check
from tocsin.cli.config.manifests import Manifests, read_manifests
from tocsin.cli.config.processes import CALLBACKS, PROCESSES, SERVICES
from tocsin.cli.config.workloads import checked_workloads
from tocsin.contracts.vocabulary import Channel
from tocsin.dev.services import StackSettings, callback_roles, services

NOTHING: list[ConfigFinding] = []
NEEDED = {
    "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "DATABASE_URL": "postgresql://postgres/tocsin",
    "ROUTER_HASH_KEYS": "1:" + "x" * 32,
}


@pytest.fixture
def providers(tmp_path: Path) -> Path:
    """The files of the local stack's instances, which are those of Compose."""
    for channel in Channel:
        mounted_instances(channel.dispatcher, tmp_path)
        (tmp_path / "providers.toml").rename(tmp_path / f"{channel}.toml")
    return tmp_path


@pytest.mark.parametrize("process", [name for name in PROCESSES if name not in CALLBACKS])
def test_defaults_are_wise(process: str, providers: Path) -> None:
    files = {
        f"DISPATCH_{channel.upper()}_PROVIDERS_FILE": str(providers / f"{channel}.toml")
        for channel in Channel
    }
    assert check(process, NEEDED | files).findings == NOTHING


@pytest.mark.parametrize("process", CALLBACKS)
def test_defaults_of_callbacks_are_wise(process: str, tmp_path: Path) -> None:
    channel = process.split("-")[1]
    kind, secret = {"email": ("smtp", "token_files"), "sms": ("twilio", "auth_token_files")}[channel]
    (tmp_path / "secret").write_text("any" * 11)
    file = tmp_path / "providers.toml"
    file.write_text(
        f'[[providers]]\nname = "a"\nkind = "{kind}"\n[providers.receipts]\n{secret} = ["secret"]\n'
    )
    given = {
        f"DISPATCH_{channel.upper()}_PROVIDERS_FILE": str(file),
        f"DISPATCH_{channel.upper()}_CALLBACKS_URL": "https://callbacks.example.com",
        "DISPATCH_REF_KEYS": "1:" + "x" * 32,
    }
    assert check(process, NEEDED | given).findings == NOTHING


@pytest.mark.parametrize("process", ["dispatch-email", "dispatch-sms-callbacks"])
def test_two_roles_of_a_dispatcher_may_share_an_environment(process: str) -> None:
    prefix = f"DISPATCH_{process.split('-')[1].upper()}_"
    given = {f"{prefix}{name}": "1" for name in ("SHARDS", "CALLBACKS_URL", "CALLBACK_URLS")}
    unknown = [told.what for told in check(process, given).findings if told.level == "warning"]
    assert unknown == [f"{prefix}CALLBACK_URLS is no setting and changes nothing."]


def test_the_local_stack(providers: Path) -> None:
    stack = StackSettings(
        kafka="127.0.0.1:9092",
        database="postgresql://127.0.0.1/tocsin",
        entry="http://127.0.0.1:8080",
        providers=providers,
        unsubscribe_secret="x" * 32,
        hash_secret="y" * 32,
        seal_secret="z" * 32,
        ref_secret="r" * 32,
    )
    for service in [*services(stack), *callback_roles(stack)]:
        assert check(service.name, service.env).findings == NOTHING


@pytest.mark.parametrize("service", [name for name in (*SERVICES, *CALLBACKS) if name in COMPOSE["services"]])
def test_compose(service: str, tmp_path: Path) -> None:
    assert check(service, variables(service) | mounted_instances(service, tmp_path)).findings == NOTHING


def findings(given: Manifests, *, without_secrets: bool) -> list[ConfigFinding]:
    workloads = checked_workloads(given, names=(), without_secrets=without_secrets)
    assert len(workloads) == len(given.workloads)
    return [finding for workload in workloads for finding in workload.findings] + list(
        across(given, workloads)
    )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay(overlay: str) -> None:
    given = read_manifests(yaml.safe_dump_all(manifests(overlay).objects))
    assert findings(given, without_secrets=True) == NOTHING
    told = findings(given, without_secrets=False)
    assert all(finding.level == "error" and "the example's secret" in finding.what for finding in told)
    assert bool(told) == (overlay != "prod"), "prod takes its secrets from a secret manager"
