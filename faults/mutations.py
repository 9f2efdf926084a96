"""Does the suite notice? Each promise is broken on purpose in a copy of the code, and tests that hold it must fail.

`python faults/mutations.py [--only NAME ...]` prints a line for each mutation and ends with exit code 1 where one was not
noticed. The code itself is not touched: tests read a changed copy of one source folder first. `make mutations` runs it.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from broken_promises import MUTATIONS
from mutation import Edit, Mutation

ROOT = Path(__file__).parents[1]
MINUTES = 10
"""So long may the tests of one mutation take: one that makes them hang is noticed, too."""


def noticed_by(mutation: Mutation) -> str | None:
    """The first test that fails, None when none does. Raises ValueError where the code is no longer what the mutation changes."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder) / "src"
        shutil.copytree(ROOT / mutation.source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for edit in mutation.edits:
            _apply(copy / edit.file, edit, mutation.name)
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutation.tests]
        env = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=MINUTES * 60
            )
        except subprocess.TimeoutExpired:
            return f"its tests, which hang for {MINUTES} minutes"
    if done.returncode not in {0, 1}:
        raise ValueError(
            f"{mutation.name}: the tests did not run:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    return failed.group(1) if failed else None


def _apply(file: Path, edit: Edit, name: str) -> None:
    text = file.read_text()
    if text.count(edit.old) != 1:
        raise ValueError(f"{name}: {edit.file} has no longer once what is to be changed:\n{edit.old}")
    file.write_text(text.replace(edit.old, edit.new))


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    given = parser.parse_args()
    chosen = [mutation for mutation in MUTATIONS if not given.only or mutation.name in given.only]
    missed = 0
    for mutation in chosen:
        test = noticed_by(mutation)
        missed += test is None
        print(f"{mutation.name:48} {f'noticed by {test}' if test else 'NOT NOTICED'}", flush=True)
    return 1 if missed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
