"""buildah with a storage of its own: no image that this machine or its users have is read or changed."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tocsin.dev.errors import MissingTool, StartFailed
from tocsin.dev.image.errors import NotHere
from tocsin.dev.processes import attached

PROGRAMS = ("buildah", "debootstrap")


def need_programs() -> None:
    """Raises NotHere for an ordinary user, and MissingTool with what to install."""
    if os.geteuid() != 0:
        raise NotHere(
            "Only root can build images here (chroot, mount): nothing was built or tried. Run it as root."
        )
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        raise MissingTool(
            f"{' and '.join(missing)} cannot be found: install what builds images (Debian: apt install {' '.join(PROGRAMS)})."
        )


class Buildah:
    """Images and working containers lie in `folder`, as plain folders (driver vfs), and are built by chroot: no daemon, no runtime.

    `log` gets all that is printed.
    """

    def __init__(self, folder: Path, *, log: Path) -> None:
        self.folder = folder
        self._log = log

    def __call__(self, *words: str) -> str:
        """What `buildah …words` printed. Raises StartFailed with its last lines."""
        storage = ("--storage-driver", "vfs", "--root", str(self.folder / "root"))
        return self.program("buildah", *storage, "--runroot", str(self.folder / "run"), *words)

    def program(self, *command: str) -> str:
        """The same for another program that works on the storage."""
        scratch = self.folder / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        ended = subprocess.run(
            attached(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "BUILDAH_ISOLATION": "chroot", "TMPDIR": str(scratch)},
        )
        with self._log.open("a") as log:
            log.write(f"$ {' '.join(command)}\n{ended.stdout}{ended.stderr}")
        if ended.returncode != 0:
            lines = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
            raise StartFailed(f"{command[0]} failed (log: {self._log}):\n" + "\n".join(lines[-8:]))
        return ended.stdout.strip()

    @contextmanager
    def container(self, image: str) -> Iterator[Path]:
        """The root folder of a new container of the image, which is removed at the end."""
        name = self("from", "--pull-never", image)
        try:
            yield Path(self("mount", name))
        finally:
            self("rm", name)

    def keep_only(self, images: Sequence[str]) -> None:
        """Removes every container, and every image but these: also what a run that was killed has left."""
        self("rm", "--all")
        for entry in json.loads(self("images", "--json") or "[]") or []:
            if not set(images) & set(entry.get("names") or []):
                self("rmi", "--force", entry["id"])
