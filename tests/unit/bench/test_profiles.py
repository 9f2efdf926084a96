"""A service that is profiled runs as it would, and leaves where its time went."""

import json
import subprocess
import sys
from pathlib import Path

from figures import Figure, Measured
from profiles import text

ROOT = Path(__file__).parents[3]


def test_a_program_runs_and_its_samples_are_counted(tmp_path: Path) -> None:
    target = tmp_path / "samples.json"
    program = [str(ROOT / "bench" / "profiled.py"), str(target), "timeit", "-n", "1", "-r", "1"]
    done = subprocess.run(
        [sys.executable, *program, "sum(range(20_000_000))"], capture_output=True, text=True, check=True
    )
    assert "1 loop" in done.stdout
    counts = json.loads(target.read_text())
    modules = sum(count for name, count in counts.items() if " > " not in name)
    assert modules > 0
    assert modules == sum(count for name, count in counts.items() if " > " in name)


def test_a_profile_says_what_a_message_costs_by_module() -> None:
    figure = Figure(name="router: events to jobs", unit="events/s", value=1, cpu_us={"router": 100})
    counts = {"tocsin.a": 30, "tocsin.a > tocsin.a.f": 10, "tocsin.a > json.dumps": 20, "tocsin.b": 10}
    said = text("router", Measured(figures=[figure]), {**counts, "tocsin.b > tocsin.b.g": 10})
    assert "router: events to jobs: 100 us a message of router" in said
    assert "     75.0  75.0 %  tocsin.a\n" in said
    assert "     50.0  50.0 %  tocsin.a > json.dumps\n" in said
