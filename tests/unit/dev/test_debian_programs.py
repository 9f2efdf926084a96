"""Programs of Debian's packages: the PATH comes first, and who can have none reads what to install."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tocsin.dev import debian_programs
from tocsin.dev.debian_programs import debian_program
from tocsin.dev.errors import MissingTool


class Apt:
    """An apt-get that knows the package only once its lists were renewed, and a dpkg that unpacks it."""

    def __init__(self, *, known: bool, archive: bool = True) -> None:
        self.known = known
        self.archive = archive
        self.asked: list[str] = []

    def run(self, command: list[Any], *, cwd: Path | None = None, **_: object) -> Any:
        self.asked.append(str(command[1]))
        match command[1]:
            case "update":
                self.known = self.archive
            case "download" if self.known and cwd is not None:
                (cwd / "prometheus_2_all.deb").touch()
            case "-x":
                (command[3] / "usr" / "bin").mkdir(parents=True)
                (command[3] / "usr" / "bin" / "promtool").touch()
        return subprocess.CompletedProcess(command, 0 if self.known else 100, stdout="", stderr="")


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        shutil, "which", lambda name: f"/usr/bin/{name}" if name in {"apt-get", "dpkg"} else None
    )
    monkeypatch.setattr(debian_programs, "CACHE", tmp_path)


def test_what_is_installed_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/opt/{name}")
    assert debian_program("promtool", package="prometheus") == Path("/opt/promtool")


@pytest.mark.parametrize(("known", "asked"), [(True, 2), (False, 4)])
def test_what_is_not_is_unpacked_once(
    nothing_installed: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, known: bool, asked: int
) -> None:
    apt = Apt(known=known)
    monkeypatch.setattr(subprocess, "run", apt.run)
    for _ in range(2):
        assert debian_program("promtool", package="prometheus").is_file()
    assert len(apt.asked) == asked, apt.asked
    assert [file.name for file in (tmp_path / "prometheus").iterdir()] == ["usr"]


def test_where_it_cannot_be_fetched_one_sentence_says_what_to_install(
    nothing_installed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", Apt(known=False, archive=False).run)
    with pytest.raises(MissingTool, match=r"run `apt update`, then `apt install prometheus`\.$"):
        debian_program("promtool", package="prometheus")


def test_without_debian_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(debian_programs, "CACHE", tmp_path)
    with pytest.raises(MissingTool, match=r"^promtool is missing: install it"):
        debian_program("promtool", package="prometheus")
