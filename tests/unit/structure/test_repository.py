"""What is committed names no one's machine, and no place that packages are fetched from."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
REGISTRIES = (
    "pypi" + ".org", "pythonhosted" + ".org", "registry." + "npmjs", "repo." + "maven", "repo1." + "maven", "maven" + ".org",
    "proxy.golang" + ".org", "ghcr" + ".io", "quay" + ".io", "docker" + ".io", "gcr" + ".io", "deb." + "debian",
)  # fmt: skip
MACHINE = re.compile(r"(?<![\w.$\-}])/(work|home|Users|root)/[A-Za-z0-9_.-]+")
BINARY = {".png", ".jpg", ".ico", ".gif", ".woff2"}


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Every committed text file by its path."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    paths = [ROOT / name for name in listed if name and Path(name).suffix not in BINARY]
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths if path.is_file()}


def test_no_file_names_a_registrys_host(texts: dict[str, str]) -> None:
    assert [(name, host) for name, text in texts.items() for host in REGISTRIES if host in text] == []


def test_no_file_names_a_path_of_one_machine(texts: dict[str, str]) -> None:
    assert [(name, match.group()) for name, text in texts.items() for match in MACHINE.finditer(text)] == []


def test_every_adr_is_numbered_once_without_gaps() -> None:
    numbers = [path.name[:4] for path in sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


def test_links_between_documents_lead_somewhere(texts: dict[str, str]) -> None:
    links = [
        (name, target)
        for name, text in texts.items()
        if name.endswith(".md")
        for target in re.findall(
            r"\]\(([^)#\s]+)(?:#[^)]*)?\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        )
    ]
    inside = [(name, target) for name, target in links if ":" not in target]
    assert inside
    assert [link for link in inside if not (ROOT / link[0]).parent.joinpath(link[1]).exists()] == []
