"""etcd, where an API server keeps what it is given: Debian's, on free ports, with a data folder of its own."""

import shutil
import subprocess
from pathlib import Path

from tocsin.dev.errors import MissingTool, StartFailed
from tocsin.dev.kube.go_programs import locked
from tocsin.dev.local_server import LocalServer
from tocsin.dev.paths import CACHE
from tocsin.dev.processes import free_port, spawn, wait_for_port

PACKAGE = "etcd-server"


class EtcdServer(LocalServer):
    """One member without peers. Nothing it holds outlives the folder, so it writes without waiting for the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._program = ""
        self._port: int | None = None
        super().__init__(folder / "etcd.log")

    @property
    def url(self) -> str:
        """Where clients come; raises StartFailed before the first `start()`."""
        if self._port is None:
            raise StartFailed("etcd was not started.")
        return f"http://127.0.0.1:{self._port}"

    def prepare(self) -> None:
        self._program = _program()

    def launch(self) -> subprocess.Popen[bytes]:
        self._port = self._port or free_port()
        peers = f"http://127.0.0.1:{free_port()}"
        self._process = spawn(
            [
                self._program, "--name", "only", "--data-dir", str(self._folder / "etcd"),
                "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
                "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", f"only={peers}",
                "--unsafe-no-fsync",
            ],
            log=self.log,
        )  # fmt: skip
        return self._process

    def wait_ready(self, *, timeout: float = 60) -> None:
        if self._port is None or self._process is None:
            raise StartFailed("etcd was not launched.")
        wait_for_port(self._port, process=self._process, name="etcd", log=self.log, timeout=timeout)

    @property
    def _addressed(self) -> bool:
        return self._port is not None

    def _forget_address(self) -> None:
        self._port = None


def _program() -> str:
    """etcd from the PATH; else Debian's package, unpacked into the cache, which needs no right to install."""
    if program := shutil.which("etcd"):
        return program
    folder = CACHE / PACKAGE
    with locked(folder.with_suffix(".lock")):
        if not folder.exists():
            fresh = folder.with_suffix(".fresh")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            _unpack(fresh)
            fresh.rename(folder)
    return str(folder / "usr" / "bin" / "etcd")


def _unpack(folder: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise MissingTool(
            "etcd is missing: install it, and have `etcd` on the PATH (Debian: apt install etcd-server)."
        )
    fetched = subprocess.run(
        ["apt-get", "download", PACKAGE], cwd=folder, capture_output=True, text=True, check=False
    )
    packages = sorted(folder.glob(f"{PACKAGE}_*.deb"))
    if fetched.returncode != 0 or not packages:
        raise MissingTool(
            "etcd is missing, and its package could not be fetched: run `apt update`, then `apt install etcd-server`."
        )
    unpacked = subprocess.run(
        ["dpkg", "-x", packages[-1], folder], capture_output=True, text=True, check=False
    )
    if unpacked.returncode != 0:
        raise StartFailed(f"{packages[-1].name} could not be unpacked: {unpacked.stderr.strip()}")
