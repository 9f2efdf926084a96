"""What a peer is made of, installed as it is pinned, beside the project and kept between runs."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tocsin.dev.paths import CACHE

UV = Path(sys.executable).with_name("uv")


def python(pins: Path) -> Path:
    """An interpreter of its own with the packages of `pins`/requirements.txt."""
    requirements = pins / "requirements.txt"
    folder = CACHE / f"peer-{pins.name}-{_digest(requirements)}"
    interpreter = folder / "bin" / "python"
    if not (folder / "installed").exists():
        _run(str(UV), "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        target = ("--python", str(interpreter), "--require-hashes", "-r", str(requirements))
        _run(str(UV), "pip", "install", "--quiet", *target)
        (folder / "installed").touch()
    return interpreter


def node(pins: Path) -> Path:
    """A folder with the packages of `pins`/package-lock.json and copies of its programs."""
    folder = CACHE / f"peer-{pins.name}-{_digest(pins / 'package-lock.json')}"
    folder.mkdir(parents=True, exist_ok=True)
    for file in pins.iterdir():
        if file.suffix in {".json", ".mjs"}:
            shutil.copy(file, folder)
    if not (folder / "installed").exists():
        _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", cwd=folder)
        (folder / "installed").touch()
    return folder


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def _run(*command: str, cwd: Path | None = None) -> None:
    subprocess.run(command, cwd=cwd, check=True, timeout=600)
