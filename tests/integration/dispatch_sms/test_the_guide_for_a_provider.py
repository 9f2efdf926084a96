"""docs/adding-a-provider.md, followed word by word: in a copy of the service, its provider passes its test and starts by its kind."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "adding-a-provider.md").read_text()
SOURCE = Path("services/dispatch-sms/src")


@pytest.fixture
def followed(tmp_path: Path) -> Path:
    """A folder with the service as it is, the guide's files, and its line in `KINDS`."""
    shutil.copytree(ROOT / SOURCE, tmp_path / SOURCE, ignore=shutil.ignore_patterns("__pycache__"))
    for name, content in re.findall(r"^```python (\S+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (line,) = re.findall(r"`KINDS`, in `(\S+)`: `(.+?)`", GUIDE)
    settings = tmp_path / line[0]
    text = settings.read_text()
    settings.write_text(
        "from tocsin.dispatch_sms.pigeon import PIGEON\n"
        + re.sub(r"(\nKINDS: .*? = \{\n)", rf"\1    {line[1]}\n", text)
    )
    return tmp_path


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of Python's that finds the copy first."""
    env = os.environ | {"PYTHONPATH": str(folder / SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *words], cwd=ROOT, env=env, capture_output=True, text=True, check=False)  # fmt: skip


def test_its_provider_passes_its_test(followed: Path) -> None:
    (test,) = followed.glob("tests/**/test_*.py")
    ran = run(
        followed,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        str(ROOT / "pyproject.toml"),
        str(test),
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert int((re.search(r"(\d+) passed", ran.stdout) or ["", "0"])[1]) > 15


def test_its_kind_may_stand_in_a_providers_file(followed: Path) -> None:
    providers = followed / "providers.toml"
    providers.write_text(
        '[[providers]]\nname = "main"\nkind = "pigeon"\napi_key_file = "key"\nweight = "much"\n'
    )
    (followed / "key").write_text("two words\n")
    program = (
        "import sys; from pathlib import Path; from tocsin.channel import check_providers;"
        "from tocsin.dispatch_sms.settings import KINDS; check_providers(Path(sys.argv[1]), KINDS)"
    )
    ran = run(followed, "-c", program, str(providers))
    assert "the file must hold a single word" in ran.stderr
    (followed / "key").write_text("k3y\n")
    providers.write_text('[[providers]]\nname = "main"\nkind = "pigeon"\napi_key_file = "key"\n')
    assert run(followed, "-c", program, str(providers)).returncode == 0


def test_it_is_formatted_and_checked(followed: Path) -> None:
    (provider,) = followed.glob(f"{SOURCE}/tocsin/dispatch_sms/pigeon.py")
    for words in (("format", "--check"), ("check",)):
        ran = run(followed, "-m", "ruff", *words, "--config", str(ROOT / "pyproject.toml"), str(provider))
        assert ran.returncode == 0, ran.stdout + ran.stderr
