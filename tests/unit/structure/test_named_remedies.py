"""No sentence names a command that was not tried: whoever adds one adds its test."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
TRIED = {
    "tocsin acls": "tests/integration/cli/test_acls_command.py",
    "tocsin topics apply": "tests/integration/cli/test_named_remedies.py",
    "tocsin topics apply --accept-loss": "tests/integration/channel/test_offsets_mended.py",
    "tocsin directory republish": "tests/integration/cli/test_named_remedies.py",
    "python -m tocsin.router migrate": "tests/integration/cli/test_named_remedies.py",
    "python -m tocsin.ledger migrate": "tests/integration/cli/test_named_remedies.py",
    "python -m tocsin.scheduler migrate": "tests/integration/cli/test_named_remedies.py",
    "python -m tocsin.dispatch_inapp migrate": "tests/integration/cli/test_named_remedies.py",
}
COMMAND = re.compile(r"(?:tocsin|python -m tocsin\.\w+) [a-z]+(?: [a-z]+)?(?: --[a-z-]+)?")


def sentences(path: Path) -> Iterator[str]:
    """The texts in a module that are no docstrings."""
    tree = ast.parse(path.read_text())
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
            yield node.value


def named(text: str) -> set[str]:
    """The commands in a text: in backticks, or all of it."""
    spans = [*re.findall(r"`([^`]+)`", text), text]
    return {found.group() for span in spans if (found := COMMAND.fullmatch(span))}


def test_every_command_that_a_service_names_was_tried():
    modules = [
        module
        for folder in ("libs/common/src", "services", "tools/cli/src")
        for module in (ROOT / folder).rglob("*.py")
        if "testing" not in module.parts
    ]
    commands = {command for module in modules for text in sentences(module) for command in named(text)}
    assert commands <= TRIED.keys()
    assert "tocsin topics apply" in commands


def test_each_is_run_where_this_table_says():
    for command, test in TRIED.items():
        assert command.removeprefix("python -m ") in (ROOT / test).read_text(), command
