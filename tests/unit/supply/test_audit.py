"""An audit never says that all is well when nobody was asked."""

from pathlib import Path
from typing import Any

import pytest

from tocsin.dev.audit import audit
from tocsin.dev.requirement_files import pinned

FAULT = {"id": "GHSA-1", "fix_versions": ["1.1"]}
WELL = {"name": "A", "version": "1.0", "vulns": []}
BAD = {"name": "a", "version": "1.0", "vulns": [FAULT]}
OTHER = {"name": "b-c", "version": "2", "vulns": []}
SKIPPED = {"name": "b-c", "skip_reason": "could not be audited"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "dev.txt"
    path.write_text("a==1.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n    # via b\nb-c==2 ; python_version < '3' \\\n    --hash=sha256:22\n")  # fmt: skip
    return path


@pytest.mark.parametrize(
    ("answers", "code", "said"),
    [
        ({"pypi": [WELL, OTHER]}, 0, "2 pinned distributions, none"),
        ({"pypi": [WELL, SKIPPED], "osv": [OTHER]}, 0, "none"),
        ({"pypi": [BAD, OTHER]}, 1, "a 1.0: GHSA-1, mended in 1.1"),
        ({"pypi": [WELL, SKIPPED]}, 3, "NOT AUDITED: 1 of 2"),
        ({}, 3, "NOT AUDITED: 2 of 2"),
        ({"pypi": [BAD]}, 1, "GHSA-1"),
        ({"pypi": [{**WELL, "version": "0.9"}, OTHER]}, 3, "NOT AUDITED: 1 of 2"),
    ],
)
def test_the_verdict(file: Path, answers: dict[str, Any], code: int, said: str) -> None:
    verdict = audit([file], lambda database, _: answers and {"dependencies": answers.get(database, [])})
    assert (verdict.exit_code, said in " ".join(verdict.lines)) == (code, True), verdict


def test_a_file_is_read_with_its_hashes(file: Path) -> None:
    first, second = pinned(file)
    assert (first.name, first.version, first.hashes, first.wanted_here) == ("a", "1.0", ("00", "11"), True)
    assert (second.name, second.wanted_here) == ("b-c", False)
    file.write_text("a>=1\n")
    with pytest.raises(ValueError, match="make lock"):
        list(pinned(file))
