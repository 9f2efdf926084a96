"""Node.js packages, as their lock file pins them, kept in the cache: what judges Tocsin's documents in tests, and what draws dashboards."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from tocsin.dev.errors import MissingTool, StartFailed
from tocsin.dev.locks import locked
from tocsin.dev.paths import CACHE


def installed(pins: Path) -> Path:
    """A folder with the packages of `pins`, which holds package.json and package-lock.json, and copies of its other files."""
    content = b"".join(file.read_bytes() for file in sorted(pins.iterdir()))
    folder = CACHE / f"{pins.name}-{hashlib.sha256(content).hexdigest()[:16]}"
    if (folder / "installed").exists():
        return folder
    with locked(folder.with_suffix(".lock")):
        if not (folder / "installed").exists():
            folder.mkdir(parents=True, exist_ok=True)
            for file in pins.iterdir():
                shutil.copy(file, folder)
            npm("ci", "--ignore-scripts", folder=folder)
            (folder / "installed").touch()
    return folder


def npm(command: str, *arguments: str, folder: Path) -> str:
    """Run one of npm's commands in `folder`; what it printed."""
    if shutil.which("npm") is None:
        raise MissingTool("npm is missing: install Node.js 20 with npm (Debian: apt install nodejs npm).")
    line = ["npm", command, *arguments, "--no-audit", "--no-fund", "--loglevel=error"]
    ended = subprocess.run(line, cwd=folder, check=False, timeout=300, capture_output=True, text=True)
    if ended.returncode != 0:
        raise StartFailed(f"npm {command} failed: {ended.stderr.strip()}")
    return ended.stdout
