"""The page on threats names tests that exist, and each threat has one or says why it is accepted."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "threat-model.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", PAGE)))
ROWS = [
    line.strip("| ").split(" | ")
    for section in PAGE.split("\n## ")[1:]
    for line in section.splitlines()
    if line.startswith("| ") and not line.startswith("| threat")
]


@pytest.mark.parametrize("named", NAMED)
def test_a_test_that_is_named_exists(named: str) -> None:
    path, _, name = named.partition("::")
    tree = ast.parse((ROOT / path).read_text())
    functions = {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not name or name in functions


@pytest.mark.parametrize(("threat", "against"), ROWS, ids=[row[0] for row in ROWS])
def test_a_threat_is_met_or_accepted(threat: str, against: str) -> None:
    assert "`tests/" in against or re.search(r"\baccepted\b.*: ", against), threat
