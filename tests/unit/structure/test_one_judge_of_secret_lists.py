"""Keys of the settings (`id:secret,id:secret`) are judged in one place: three that agree today would not for long."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[3]
NAMES = {"SECRET_CHARS", "_KEY_ID"}


def test_what_a_secret_and_its_id_may_be_stands_once() -> None:
    places = [
        (name.id, path.name)
        for folder in ("libs", "services", "tools")
        for path in (ROOT / folder).rglob("src/tocsin/**/*.py")
        for statement in ast.parse(path.read_text()).body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for name in ([statement.target] if isinstance(statement, ast.AnnAssign) else statement.targets)
        if isinstance(name, ast.Name) and name.id in NAMES
    ]
    assert sorted(places) == [("SECRET_CHARS", "secret_lists.py"), ("_KEY_ID", "secret_lists.py")]
