"""A metric that nothing sets is a promise nobody keeps: each definition is used by what runs."""

import ast
from pathlib import Path

import pytest

from tocsin.observability import metrics

ROOT = Path(__file__).parents[3]
FILE = Path(metrics.__file__)
DEFINED = sorted(
    target.id
    for node in ast.parse(FILE.read_text()).body
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
    for target in node.targets
    if isinstance(target, ast.Name)
)


@pytest.fixture(scope="module")
def used() -> set[str]:
    """Names taken from the module `metrics` by the services and what they share."""
    names: set[str] = set()
    for path in [*ROOT.glob("libs/*/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py")]:
        if path == FILE:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Attribute(value=ast.Name(id="metrics"), attr=name):
                    names.add(name)
                case _:
                    pass
    return names


@pytest.mark.parametrize("name", DEFINED)
def test_a_metric_is_set_somewhere(name: str, used: set[str]) -> None:
    assert name in used


def test_nothing_else_defines_one() -> None:
    for path in [*ROOT.glob("libs/*/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py")]:
        if path not in {FILE, FILE.with_name("unlocked_metrics.py")}:
            text = path.read_text()
            assert not any(
                f"{kind}(" in text and "prometheus_client" in text
                for kind in ("Counter", "Gauge", "Histogram")
            ), path
