"""The check of the manifests by an API server ends what it started, however it ends."""

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import psutil
import pytest

from tocsin.dev import paths
from tocsin.dev.processes import end, spawn

pytestmark = pytest.mark.nightly
ASKED = "Installing 8 definitions"
"""It says so when both servers run."""


@pytest.fixture
def check(tmp_path: Path) -> Iterator[tuple["Popen[bytes]", Path]]:
    log = tmp_path / "check.log"
    # What a shell starts in the background ignores Ctrl-C, and so would this child of it.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = spawn([sys.executable, "-m", "tocsin.dev.kube", "check"], log=log)
    signal.signal(signal.SIGINT, former)
    yield process, log
    end(process)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_it_is_interrupted(
    check: tuple["Popen[bytes]", Path], how: signal.Signals
) -> None:
    process, log = check
    while ASKED not in log.read_text():
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    children = psutil.Process(process.pid).children(recursive=True)
    assert {child.name() for child in children} >= {"etcd", "kube-apiserver"}
    process.send_signal(how)
    assert process.wait() != 0
    gone, alive = psutil.wait_procs(children, timeout=30)
    assert (bool(gone), alive) == (True, [])
    assert not list(paths.RUN.glob(f"kube-{process.pid}"))
