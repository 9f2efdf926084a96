"""`bench/quick.py` writes what it measured before a part failed, names the part, and ends with exit code 1."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
RUN = """
import sys
sys.path.insert(0, "bench")
import quick
import running
from figures import Figure, Measured
from machine import Machine

async def measure(folder, report, say):
    say("ingest alone")
    report.take("ingest alone", Measured(figures=[Figure(name="ingest", unit="requests/s", value=1234.0)]))
    say("router alone")
    {ending}

running.this_machine = lambda database: Machine(
    cores=2, cpu="a cpu", memory_gb=1, system="a system", load_before=0, versions={{"postgresql": database}}, commit="c"
)
quick.measure = measure
sys.argv = ["quick.py", "--json", *sys.argv[1:]]
sys.exit(running.run(quick.measure, quick.argparse.ArgumentParser()))
"""


def run(target: Path, ending: str, *options: str) -> tuple[int, str, dict[str, Any]]:
    done = start(target, ending, *options)
    assert target.exists(), done.stderr
    return done.returncode, done.stdout, json.loads(target.read_text())


def start(target: Path, ending: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN.format(ending=ending), target, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("raise TimeoutError('no progress')", "TimeoutError('no progress')"),
        ("from tocsin.dev import LocalStackError; raise LocalStackError('Kafka did not answer')", "Kafka did not answer"),
        ("raise ExceptionGroup('both', [ValueError('one')])", "ExceptionGroup"),
    ],
)  # fmt: skip
def test_a_failed_part_takes_nothing_from_those_before(tmp_path: Path, ending: str, reason: str) -> None:
    code, table, kept = run(tmp_path / "new" / "result.json", ending)
    assert code == 1
    assert [figure["name"] for figure in kept["figures"]] == ["ingest"]
    (fault,) = kept["faults"]
    assert fault.startswith("router alone: failed, and nothing after it was measured")
    assert reason in fault
    assert "ingest" in table
    assert f"WRONG: {fault}" in table


def test_a_whole_run_has_no_fault(tmp_path: Path) -> None:
    code, table, kept = run(tmp_path / "result.json", "pass")
    assert (code, kept["faults"]) == (0, [])
    assert "Nothing was lost, nothing doubled, nothing out of order." in table


def test_a_run_that_is_killed_leaves_a_line_for_each_part_it_had_done(tmp_path: Path) -> None:
    done = start(tmp_path / "result.json", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode != 0
    assert not (tmp_path / "result.json").exists()
    (line,) = (tmp_path / "result.jsonl").read_text().splitlines()
    kept = json.loads(line)
    assert (kept["part"], kept["run"]) == ("ingest alone", 1)
    assert [figure["name"] for figure in kept["figures"]] == ["ingest"]


def test_several_runs_are_one_line_with_lowest_and_highest(tmp_path: Path) -> None:
    ending = "report.figures[-1].value += 1000 * report.runs"
    code, table, kept = run(tmp_path / "result.json", ending, "--runs", "3")
    assert code == 0
    assert [(figure["name"], figure["run"]) for figure in kept["figures"]] == [
        ("ingest", number) for number in (1, 2, 3)
    ]
    assert "3,234 (2,234-4,234) requests/s" in table
