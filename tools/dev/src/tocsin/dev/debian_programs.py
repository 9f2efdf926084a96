"""Programs of Debian's packages: those of the PATH, else unpacked into the cache, which needs no right to install and starts no service."""

import shutil
import subprocess
from pathlib import Path

from tocsin.dev.errors import MissingTool, StartFailed
from tocsin.dev.locks import locked
from tocsin.dev.paths import CACHE


def debian_program(name: str, *, package: str) -> Path:
    """The program `name` from the PATH; else that of `package`. Raises MissingTool with what to install."""
    if installed := shutil.which(name):
        return Path(installed)
    return unpacked(package, needed=name) / "usr" / "bin" / name


def unpacked(package: str, *, needed: str) -> Path:
    """The folder into which `package` is unpacked, once, without what it depends on. `needed` is what a person misses."""
    folder = CACHE / package
    if folder.exists():
        return folder
    with locked(folder.with_suffix(".lock")):
        if not folder.exists():
            fresh = folder.with_suffix(".fresh")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            _unpack(_downloaded(package, needed=needed, into=fresh), fresh)
            fresh.rename(folder)
    return folder


def _downloaded(package: str, *, needed: str, into: Path) -> Path:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise MissingTool(
            f"{needed} is missing: install it, and have `{needed}` on the PATH (Debian: apt install {package})."
        )
    if not _apt_get("download", package, folder=into):
        # The machine's lists are absent, or name a version that the archive has replaced since: lists of our own are fetched.
        apt = into / "apt"
        (apt / "lists" / "partial").mkdir(parents=True)
        own = ["-o", f"Dir::State::lists={apt / 'lists'}", "-o", f"Dir::Cache={apt}"]
        _apt_get("update", *own, folder=into)
        _apt_get("download", *own, package, folder=into)
        shutil.rmtree(apt)
    for file in into.glob(f"{package}_*.deb"):
        return file
    raise MissingTool(
        f"{needed} is missing, and its package could not be fetched: run `apt update`, then `apt install {package}`."
    )


def _apt_get(*words: str, folder: Path) -> bool:
    """Whether it succeeded. It asks the archive as this user and changes nothing of the system."""
    ended = subprocess.run(["apt-get", *words], cwd=folder, capture_output=True, check=False)
    return ended.returncode == 0


def _unpack(file: Path, folder: Path) -> None:
    ended = subprocess.run(["dpkg", "-x", file, folder], capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise StartFailed(f"{file.name} could not be unpacked: {ended.stderr.strip()}")
    file.unlink()
