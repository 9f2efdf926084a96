"""etcd, where an API server keeps what it is given: Debian's, on free ports, with a data folder of its own."""

import subprocess
from pathlib import Path

from tocsin.dev.debian_programs import debian_program
from tocsin.dev.errors import StartFailed
from tocsin.dev.local_server import LocalServer
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
        self._program = str(debian_program("etcd", package=PACKAGE))

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
