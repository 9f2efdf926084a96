"""What every service has: a README with its settings, a way to start, health endpoints, a place in the namespace."""

import re
from importlib import import_module
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from tocsin.dev.services import StackSettings, services
from tocsin.runtime import Health
from tocsin.specifications.settings_tables import readmes
from tocsin.web import service_app

ROOT = Path(__file__).parents[3]
FOLDERS = sorted(path.parent for path in ROOT.glob("services/*/pyproject.toml"))
SERVICES = [folder.name for folder in FOLDERS]
HEALTH = {"/livez", "/readyz", "/metrics"}

every_service = pytest.mark.parametrize("service", SERVICES)


def package(service: str) -> Path:
    return ROOT / "services" / service / "src" / "tocsin" / service.replace("-", "_")


def paths(app: FastAPI) -> set[str]:
    return {str(getattr(route, "path", "")) for route in app.routes}


@pytest.fixture(scope="module")
def fresh_readmes() -> dict[Path, str]:
    return readmes(ROOT / "services")


@every_service
def test_the_readmes_table_is_what_the_code_reads(service: str, fresh_readmes: dict[Path, str]) -> None:
    readme = ROOT / "services" / service / "README.md"
    assert readme.read_text() == fresh_readmes[readme], "run `make contracts` and commit the result"


@every_service
def test_a_readme_says_what_the_service_is_for(service: str) -> None:
    text = (ROOT / "services" / service / "README.md").read_text()
    assert text.startswith(f"# tocsin-{service}\n\n")
    for what in ("**Consumes**", "**Produces**", "**Own", "**Settings**", "**Alone**"):
        assert what in text, what


@every_service
def test_the_overview_names_the_service(service: str) -> None:
    assert f"](services/{service})" in (ROOT / "ARCHITECTURE.md").read_text()


@every_service
def test_it_starts_by_its_name_and_is_typed(service: str) -> None:
    assert (package(service) / "__main__.py").is_file()
    assert (package(service) / "py.typed").is_file()
    assert (ROOT / "requirements" / f"{service}.txt").is_file()


def test_the_local_stack_starts_every_service() -> None:
    stack = StackSettings(
        kafka="k:1", database="d", entry="e", providers=Path("p"), unsubscribe_secret="s", hash_secret="s"
    )
    assert sorted(service.name for service in services(stack)) == SERVICES


@every_service
def test_its_application_has_the_health_endpoints(service: str) -> None:
    if (package(service) / "app.py").is_file():
        app = import_module(f"tocsin.{service.replace('-', '_')}.app").create_app()
        assert paths(app) >= HEALTH
    else:  # no routes of its own: the application every service begins with, which a Dispatcher makes itself
        text = (package(service) / "__main__.py").read_text()
        assert "service_app" in text or "Dispatcher(" in text


async def test_the_application_every_service_begins_with_answers_for_its_health() -> None:
    health = Health(service="any")
    check = health.check("kafka")
    transport = httpx.ASGITransport(app=service_app(name="any", health=health))
    async with httpx.AsyncClient(transport=transport, base_url="http://any") as client:
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/metrics")).status_code == 200
        check.set_not_ready("waiting for the broker")
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert "waiting for the broker" in answer.text
        check.set_ready()
        assert (await client.get("/readyz")).status_code == 200


def test_the_namespace_belongs_to_nobody() -> None:
    assert [str(path) for path in ROOT.glob("*/*/src/tocsin/__init__.py")] == []
    assert [str(path) for path in ROOT.glob("*/*/src/__init__.py")] == []


def test_no_module_is_named_after_its_kind() -> None:
    vague = re.compile(r"(utils?|helpers?|core|common|misc)(\.py)?")
    named = [path for path in ROOT.glob("*/*/src/tocsin/**/*") if vague.fullmatch(path.name)]
    assert [str(path.relative_to(ROOT)) for path in named] == []
