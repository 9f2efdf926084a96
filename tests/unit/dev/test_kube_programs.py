"""Programs of Kubernetes: what is said when they cannot be had, and that their versions belong together."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tocsin.dev.errors import MissingTool
from tocsin.dev.kube import etcd, go_programs

REPLACEMENT = re.compile(r"\t(k8s\.io/\S+) => (\S+) v0\.(\d+\.\d+)")


def test_without_go_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(MissingTool, match=r"^Go is missing: install Go 1\.26 or newer"):
        go_programs.go()


def test_an_old_go_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = subprocess.CompletedProcess([], 0, stdout="go1.19.8\n")
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/go")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    with pytest.raises(MissingTool, match=r"^Go go1\.19\.8 is too old"):
        go_programs.go()


def test_without_etcd_and_debian_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(etcd, "CACHE", tmp_path)
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
