"""What every service has: a README with its settings, a way to start, health endpoints, a place in the namespace."""

import re
from importlib import import_module
from pathlib import Path

import httpx
import pytest

from tocsin.dev.services import APIS, StackSettings, callback_roles, services
from tocsin.runtime import settings_table
from tocsin.specifications.openapi import SERVICES as API_APPS
from tocsin.specifications.settings_tables import readmes, settings_class

ROOT = Path(__file__).parents[3]
FOLDERS = sorted(path.parent for path in ROOT.glob("services/*/pyproject.toml"))
SERVICES = [folder.name for folder in FOLDERS]

every_service = pytest.mark.parametrize("service", SERVICES)


def package(service: str) -> Path:
    return ROOT / "services" / service / "src" / "tocsin" / service.replace("-", "_")


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
        kafka="k:1",
        database="d",
        entry="e",
        providers=Path("p"),
        unsubscribe_secret="s",
        hash_secret="s",
        seal_secret="s",
    )
    assert sorted(service.name for service in services(stack)) == SERVICES
    started = {(role.name, role.module, *role.arguments) for role in callback_roles(stack)}
    assert started == {
        (f"dispatch-{channel}-callbacks", f"tocsin.dispatch_{channel}", "callbacks")
        for channel in ("email", "sms")
    }


@every_service
def test_it_answers_probes_and_metrics_on_a_port_of_their_own(service: str) -> None:
    variables = {row.name for row in settings_table(settings_class(service))}
    assert {"OPERATIONS_HOST", "OPERATIONS_PORT"} <= variables
    assert ("HTTP_PORT" in variables) == (service in APIS)  # a dispatcher has no API


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
@pytest.mark.parametrize("api", API_APPS)
async def test_no_api_answers_probes_or_metrics(api: str, path: str) -> None:
    app = import_module(API_APPS[api]).create_app()
    assert path not in app.openapi()["paths"]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://any") as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_the_namespace_belongs_to_nobody() -> None:
    assert [str(path) for path in ROOT.glob("*/*/src/tocsin/__init__.py")] == []
    assert [str(path) for path in ROOT.glob("*/*/src/__init__.py")] == []


def test_no_module_is_named_after_its_kind() -> None:
    vague = re.compile(r"(utils?|helpers?|core|common|misc)(\.py)?")
    named = [path for path in ROOT.glob("*/*/src/tocsin/**/*") if vague.fullmatch(path.name)]
    assert [str(path.relative_to(ROOT)) for path in named] == []
