"""Keys of the settings (`id:secret,id:secret`) are judged in one place: three that agree today would not for long."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
JUDGE = "libs/common/src/tocsin/runtime/secret_lists.py"


@pytest.mark.parametrize("rule", ["\nSECRET_CHARS", "[A-Za-z0-9_-]{1,32}", "write id:secret,id:secret"])
def test_what_a_secret_and_its_id_may_be_stands_once(rule: str) -> None:
    files = [path for folder in ("libs", "services") for path in (ROOT / folder).rglob("src/tocsin/**/*.py")]
    assert [str(path.relative_to(ROOT)) for path in files if rule in path.read_text()] == [JUDGE]
