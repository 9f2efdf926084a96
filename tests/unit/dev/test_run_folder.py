"""One stack at a time; what a killed one left is ended, and nothing else."""

import json
import os
import sys
from pathlib import Path

import psutil
import pytest

from tocsin.dev.errors import LocalStackError
from tocsin.dev.processes import end, spawn
from tocsin.dev.run_folder import RunFolder, replace_file

WAITS = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_a_second_stack_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    first, second = RunFolder(tmp_path / ".dev"), RunFolder(tmp_path / ".dev")
    first.take()
    supervisor = second.supervisor()
    assert supervisor is not None
    assert supervisor.pid == os.getpid()
    with pytest.raises(LocalStackError, match=r"already runs here: `make down` ends it\."):
        second.take()
    first.release()
    assert second.supervisor() is None
    second.take()
    second.release()


def test_what_a_killed_run_left_is_ended_and_nothing_else(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    left, other = spawn(WAITS, log=tmp_path / "log"), spawn(WAITS, log=tmp_path / "log")
    folder.take()
    folder.record({"left": left.pid, "gone": 2**22 - 1})
    note = json.loads((tmp_path / "run.json").read_text())
    note["started"].append({"pid": other.pid, "created": psutil.Process(other.pid).create_time() - 60})
    folder.release()
    replace_file(
        tmp_path / "run.json", note
    )  # as a killed run leaves it; the second id now is another process's

    following = RunFolder(tmp_path)
    following.take()
    following.release()

    assert left.wait(20) is not None
    assert other.poll() is None
    end(other)


def test_addresses_and_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "endpoints.json"
    path.write_text("{}")
    replace_file(path, {"entry": "http://127.0.0.1:1"})
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text()) == {"entry": "http://127.0.0.1:1"}
