"""Scenarios of the proving ground, played for a test."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MINUTES = 12
"""So long may all of them take before they are given up, on a machine that does much else."""


def play(*names: str, folder: Path) -> dict[str, Any]:
    """What came of each scenario, by its name; the report lies in `folder`."""
    report = folder / "faults.json"
    command = [sys.executable, "faults/run.py", "--json", str(report), "--only", *names]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=MINUTES * 60
    )
    assert report.exists(), done.stdout + done.stderr
    return {row["scenario"]: row for row in json.loads(report.read_text())}
