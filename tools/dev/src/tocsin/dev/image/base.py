"""The image that deploy/Dockerfile begins with, made of Debian's own signed packages, for where no registry of images can be reached.

It stands in for the official one: `python` and `pip` are those of a virtual environment at /usr/local, so that nothing is "externally
managed", and `pip uninstall` takes them away as it does there.
"""

import hashlib
import shutil
import subprocess
import time
from pathlib import Path

from tocsin.dev.image.buildah import Buildah
from tocsin.dev.image.debian_archive import archive_of, fetching
from tocsin.dev.paths import CACHE

NAME = "localhost/python:3.11-slim"
"""`FROM python:3.11-slim` finds it under this name, before any registry is thought of."""
SUITE = "bookworm"
PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
RENEW_AFTER = 7 * 24 * 3600.0
"""Seconds. Security updates reach images that are built later than this."""

_FINISH = """
export DEBIAN_FRONTEND=noninteractive
apt-get "$@" -qq update
apt-get "$@" -qq --yes upgrade
apt-get "$@" -qq --yes --no-install-recommends install ca-certificates python3.11-venv
python3.11 -m venv /usr/local
"""
_LEFTOVERS = ("var/lib/apt/lists", "var/cache/apt", "var/cache/debconf", "var/log", "tmp", "var/tmp")
"""Folders that building fills, and that stay empty in an image."""
_OF_THIS_MACHINE = ("etc/resolv.conf", "etc/hostname", "etc/machine-id")
"""Files that debootstrap copies or makes, and that whoever runs a container puts there."""


def storage_folder() -> Path:
    """Where images lie on this machine; another one when this recipe changes."""
    return CACHE / f"image-{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]}"


def is_fresh(folder: Path) -> bool:
    """Whether the storage there holds a base that need not be renewed."""
    made = folder / "made"
    return made.exists() and time.time() - made.stat().st_mtime < RENEW_AFTER


def make(buildah: Buildah) -> None:
    """A fresh base in an empty storage; those of other recipes are deleted."""
    for former in CACHE.glob("image-*"):
        if former.is_dir():
            unmount_below(former)
            shutil.rmtree(former)
    container = buildah("from", "scratch")
    root = Path(buildah("mount", container))
    _install(buildah, root)
    buildah("config", "--env", f"PATH={PATH}", "--env", "LANG=C.UTF-8", "--cmd", "python3", container)
    buildah("run", container, "--", "sh", "-euc", _FINISH, "sh", *fetching())
    _clean(root)
    buildah("commit", "--format", "docker", "--rm", container, NAME)
    (buildah.folder / "made").touch()


def unmount_below(folder: Path) -> None:
    """What a debootstrap that was killed has left mounted there, such as /proc."""
    places = [
        line.split()[4].replace("\\040", " ")
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
    ]
    for place in sorted(
        (place for place in places if Path(place).is_relative_to(folder.resolve())), reverse=True
    ):
        subprocess.run(["umount", place], check=True)


def _install(buildah: Buildah, root: Path) -> None:
    sources = archive_of(SUITE)
    buildah.program("debootstrap", "--variant=minbase", SUITE, str(root), sources[0].url)
    (root / "etc/apt/sources.list").write_text("".join(source.line for source in sources))


def _clean(root: Path) -> None:
    for folder in _LEFTOVERS:
        for path in (root / folder).iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for file in _OF_THIS_MACHINE:
        (root / file).unlink(missing_ok=True)
    (root / "etc/apt/sources.list").write_text("")  # an archive's address may be a company's own
