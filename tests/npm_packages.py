"""Node.js packages that judge what Tocsin writes: installed as their lock file pins them, kept between runs."""

import hashlib
import shutil
import subprocess
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache"


def installed(pins: Path) -> Path:
    """A folder with the packages of `pins`, which holds package.json and package-lock.json, and copies of its other files."""
    digest = hashlib.sha256((pins / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder = CACHE / f"{pins.name}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    for file in pins.iterdir():
        shutil.copy(file, folder)
    if not (folder / "installed").exists():
        npm("ci", "--ignore-scripts", folder=folder)
        (folder / "installed").touch()
    return folder


def npm(command: str, *arguments: str, folder: Path) -> str:
    """Run one of npm's commands in `folder`; what it printed."""
    line = ["npm", command, *arguments, "--no-audit", "--no-fund", "--loglevel=error"]
    ended = subprocess.run(line, cwd=folder, check=True, timeout=300, capture_output=True, text=True)
    return ended.stdout
