"""Jars that Maven resolves once from a pinned pom.xml, and that are kept in the cache until that file changes."""

import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tocsin.dev.errors import LocalStackError, MissingTool
from tocsin.dev.locks import locked
from tocsin.dev.processes import attached


def maven_jars(pom: Path, *, folder: Path, of: str, or_else: str = "") -> Path:
    """The folder that holds the jars of what `pom` depends on, inside `folder`. The first call downloads them; later ones find them.

    Raises MissingTool or LocalStackError with one sentence; it says whose jars they are, and what one may do in place of having them.
    """
    jars = folder / hashlib.sha256(pom.read_bytes()).hexdigest()[:16]
    if jars.is_dir():
        return jars
    with locked(folder / ".lock"):
        if not jars.is_dir():
            _resolve(pom, jars, of, or_else and f", {or_else}")
    return jars


def _resolve(pom: Path, jars: Path, of: str, or_else: str) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingTool(
            f"{of}'s jars are fetched with Maven: install it (Debian: apt install maven){or_else}."
        )
    # Maven writes beside the final folder; the rename makes a half-done download invisible.
    with tempfile.TemporaryDirectory(dir=jars.parent) as scratch:
        shutil.copy(pom, Path(scratch) / "pom.xml")
        target = Path(scratch) / "jars"
        done = subprocess.run(
            attached([maven, "-B", "-q", "dependency:copy-dependencies", f"-DoutputDirectory={target}"]),
            cwd=scratch,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 or not target.is_dir():
            fault = re.search(
                r"\[ERROR\] (\S.*)", done.stdout
            )  # not at the line's beginning: colour codes come before
            reason = fault[1] if fault else done.stderr.strip() or "it said nothing"
            raise LocalStackError(f"Maven could not fetch {of}'s jars: {reason}")
        target.rename(jars)
