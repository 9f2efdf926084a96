"""A runbook has the same five parts on every page, and names only queries, commands and services that exist."""

import re
from pathlib import Path

import pytest
from tests.expressions import faults
from tests.rendered_manifests import manifests
from tests.unit.alerts.shipped import NOT_SCRAPED
from typer.main import get_command

from tocsin.cli.command import build
from tocsin.specifications.alerts import ALERTS

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations"
PAGES = sorted((OPERATIONS / "runbooks").glob("*.md"))
PARTS = ["What users feel", "First three looks", "End it", "It is over when"]
COMMANDS = get_command(build(asked=None))


@pytest.fixture(params=PAGES, ids=lambda page: page.stem)
def page(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def test_a_page_has_its_parts(page: Path) -> None:
    text = page.read_text()
    assert text.startswith(f"# {page.stem}\n\n**{ALERTS[page.stem].severity.value.capitalize()}.** ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == PARTS
    looks = text.partition("## First three looks")[2].partition("## End it")[0]
    assert re.findall(r"^(\d)\. \*\*", looks, re.MULTILINE) == ["1", "2", "3"]
    assert looks.count("   ```sh") == 3


def test_its_queries_name_what_exists(page: Path) -> None:
    queries = re.findall(r"promtool query instant \$PROMETHEUS '([^']+)'", page.read_text())
    assert {query: found for query in queries if (found := faults(query, also=NOT_SCRAPED))} == {}


def test_its_commands_exist(page: Path) -> None:
    for line in re.findall(r"^ *(tocsin [^\n]+)|`(tocsin [^`]+)`", page.read_text(), re.MULTILINE):
        for command in re.split(r"[;|]\s*", "".join(line).partition("#")[0].strip()):
            assert_command(command.split())


def assert_command(words: list[str]) -> None:
    """Each word is a command below the one before, each option one of the last's."""
    assert words.pop(0) == "tocsin"
    command = COMMANDS
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
    assert not hasattr(command, "commands"), words
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_its_workloads_exist(page: Path) -> None:
    workloads = {thing["metadata"]["name"] for thing in manifests("prod").deployments}
    components = {
        thing["metadata"]["labels"]["app.kubernetes.io/component"] for thing in manifests("prod").deployments
    }
    text = page.read_text()
    assert set(re.findall(r"deploy/([a-z-]+)", text)) <= workloads
    assert set(re.findall(r"app\.kubernetes\.io/component=([a-z-]+)", text)) <= components
