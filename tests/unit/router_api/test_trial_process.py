"""The child process that tries what tenants write: it ends at its limits, alone, and the next trial has another."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tocsin.router.trials.process import TrialEnded, TrialProcess
from tocsin.router.trials.trials import LONG_BYTES, LONG_NICE, Trials
from tocsin.testing.until import until
from tocsin.web import Problem

CONTEXT = {"data": {"n": 10**30, "name": "Ann"}}


def template(body: str) -> dict[str, Any]:
    names = ("tenant", "workflow", "name", "locale")
    return dict.fromkeys(names, "x") | {
        "channel": "sms",
        "revision": 1,
        "parts": {"body": body},
        "kind": "template",
    }


Start = Callable[..., TrialProcess]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    made: list[TrialProcess] = []

    def begin(*, deadline: float = 30.0) -> TrialProcess:
        made.append(TrialProcess(deadline=deadline, module="hostile_child"))
        return made[-1]

    yield begin
    for process in made:
        process.close()


def shown(process: TrialProcess, body: str) -> Any:
    return process.run("preview", {"template": template(body), "context": CONTEXT})


def test_a_child_is_started_when_it_is_needed_and_serves_many_trials(start: Start) -> None:
    process = start()
    assert shown(process, "Hi {{ data.name }} {{ data.n }}") == {"content": {"body": f"Hi Ann 1{'0' * 30}"}}
    first = process.pid
    assert shown(process, "{{ data.nme }}")["part"] == "body"
    assert shown(process, "noise {{ data.name }}") == {"content": {"body": "noise Ann"}}
    assert process.pid == first
    environment = Path(f"/proc/{first}/environ").read_bytes()
    assert b"DATABASE_URL" not in environment
    assert b"PATH=" in environment


def test_what_exceeds_a_limit_ends_the_child_and_nothing_else(start: Start) -> None:
    process = start()
    ends = {
        "cpu": "takes too much of a CPU",
        "memory": "takes too much memory",
        "abort": "ends the process that tries it",
    }
    for body, what in ends.items():
        with pytest.raises(TrialEnded, match=what):
            shown(process, body)
    assert shown(process, "ok") == {"content": {"body": "ok"}}


def test_what_raises_is_answered_by_its_type_and_the_child_goes_on(
    start: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    process = start()
    shown(process, "ok")
    first = process.pid
    with pytest.raises(TrialEnded, match=r"^cannot be tried \(ZeroDivisionError\)$"):
        shown(process, "raise secret")
    with pytest.raises(TrialEnded, match=r"^cannot be tried \(UnicodeEncodeError\)$"):
        shown(process, "half")
    assert shown(process, "ok") == {"content": {"body": "ok"}}
    assert process.pid == first
    assert "secret" not in capfd.readouterr().err


@pytest.mark.parametrize("number", ["1" * 5_000, "\u0661.\u0662"])
def test_a_number_that_cannot_be_read_ends_no_child(start: Start, number: str) -> None:
    process = start()
    parts = {"body": f"{{{{ {number} }}}}"}
    ((_, code, _),) = process.run("check_template", {"parts": parts, "channel": "sms", "data_schema": None})
    assert code == "template_syntax"


def test_what_hangs_is_killed_at_the_deadline(start: Start) -> None:
    process = start(deadline=0.5)
    for body in ("hang", "hang " + "x" * 1_000_000):
        with pytest.raises(TrialEnded, match="takes too long"):
            shown(process, body)
    assert process.pid is None


@asynccontextmanager
async def hanging(process: TrialProcess, tmp_path: Path) -> AsyncIterator[list[str]]:
    """A trial under way, which goes on for ever: the child is in it when the block begins, and how it ended is in the list behind the block."""
    ended: list[str] = []
    begun = tmp_path / "begun"

    def run() -> None:
        try:
            shown(process, f"touch {begun}")
        except TrialEnded as error:
            ended.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    await until(begun.exists)
    yield ended
    thread.join()


async def test_a_child_that_is_killed_between_trials_and_within_one(start: Start, tmp_path: Path) -> None:
    process = start()
    shown(process, "ok")
    pid = process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: process.pid is None)
    assert shown(process, "ok") == {"content": {"body": "ok"}}

    async with hanging(process, tmp_path) as ended:
        os.kill(process.pid or 0, signal.SIGKILL)
    assert ended == ["ends the process that tries it"]


async def test_closing_ends_what_is_under_way(start: Start, tmp_path: Path) -> None:
    process = start()
    shown(process, "ok")
    pid = process.pid
    async with hanging(process, tmp_path) as ended:
        process.close()
    assert ended == ["ends the process that tries it"]
    process.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid or 0, 0)


async def test_the_child_ends_with_its_parent() -> None:
    source = (
        "from tocsin.router.trials import TrialProcess; import time; p = TrialProcess();"
        "p.run('check_template', {'parts': {'body': 'x'}, 'channel': 'sms', 'data_schema': None});"
        "print(p.pid, flush=True); time.sleep(3600)"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", source, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    await until(
        lambda: not Path(f"/proc/{pid}").exists() or b"State:\tZ" in Path(f"/proc/{pid}/status").read_bytes()
    )


def test_a_test_key_keeps_no_live_request_waiting() -> None:
    trials = Trials()
    trials.begin(("acme", True))
    trials.begin(("acme", False))
    trials.begin(("other", True))
    for test in (True, False):
        with pytest.raises(Problem, match="trial_busy"):
            trials.begin(("acme", test))


async def test_long_programs_run_in_children_that_stand_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrialProcess, "run", lambda self, _program, _arguments: self._nice)
    trials = Trials()
    async with trials.turn("acme", test=False) as turn:
        assert await turn.run("preview", pointer="", template="a") == 0
        assert await turn.run("preview", pointer="", template="a" * LONG_BYTES) == LONG_NICE
    await trials.close()


def test_a_child_stands_back_as_far_as_it_is_told() -> None:
    process = TrialProcess(nice=LONG_NICE)
    try:
        process.start()
        own = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, process.pid or 0) == min(19, own + LONG_NICE)
        assert Path(f"/proc/{process.pid}/oom_score_adj").read_text().strip() == "1000"
    finally:
        process.close()
