"""The import rules cover every package there is; `lint-imports` itself holds them."""

import configparser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LIBRARIES = {f"tocsin.{path.name}" for path in ROOT.glob("libs/*/src/tocsin/*") if path.is_dir()}
SERVICES = {f"tocsin.{path.parent.name}" for path in ROOT.glob("services/*/src/tocsin/*/py.typed")}
TOOLS = {f"tocsin.{path.parent.name}" for path in ROOT.glob("tools/*/src/tocsin/*/py.typed")}


@pytest.fixture
def rules() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(inline_comment_prefixes=(";",))
    parser.read(ROOT / ".importlinter")
    return parser


def test_every_package_is_a_root(rules: configparser.ConfigParser) -> None:
    assert set(rules["importlinter"]["root_packages"].split()) == LIBRARIES | SERVICES | TOOLS


def test_every_package_has_its_place_in_the_line(rules: configparser.ConfigParser) -> None:
    layers = rules["importlinter:contract:line"]["layers"].split()
    assert set(layers) - {"|", ":"} == (LIBRARIES | SERVICES | TOOLS) - {"tocsin.testing"}
    (services,) = (
        line for line in rules["importlinter:contract:line"]["layers"].splitlines() if "tocsin.ingest" in line
    )
    assert set(services.split(" | ")) == SERVICES


@pytest.mark.parametrize(
    ("contract", "free"),
    [
        ("testing", {"tocsin.testing"}),
        ("kafka", {"tocsin.kafka"}),
        ("providers", TOOLS),
    ],
)
def test_a_prohibition_holds_for_all_but_those_it_frees(
    rules: configparser.ConfigParser, contract: str, free: set[str]
) -> None:
    sources = set(rules[f"importlinter:contract:{contract}"]["source_modules"].split())
    assert sources == (LIBRARIES | SERVICES | TOOLS) - free
