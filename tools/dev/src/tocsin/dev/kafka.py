"""A real Apache Kafka on this machine: a node on free ports, with a data folder of its own."""

import resource
import signal
import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from tocsin.dev.errors import StartFailed
from tocsin.dev.kafka_jars import jars, java
from tocsin.dev.kafka_settings import LOG4J, Membership, Ports, Secured, server_properties
from tocsin.dev.local_server import LocalServer
from tocsin.dev.paths import CACHE
from tocsin.dev.processes import free_port, spawn, wait_for_port


class KafkaServer(LocalServer):
    """One broker whose files all lie in `folder` (created when absent, kept afterwards); `bootstrap_servers` is "127.0.0.1:port".

    With `secured` it listens for SASL_SSL, too, at `secured_bootstrap_servers`. With `proxy_port` clients may also come
    through a proxy that listens there and leads to `proxied_port`; they are never told of another address.
    With `membership` it is one node of a cluster, see `KafkaCluster`.
    With `optimised` Java compiles its code for speed, as in production: that takes most of a core for the first minutes, which most local
    brokers do not live long enough to earn back, and saves a third of the processor time afterwards (3.3 -> 2.1 ms a transaction).
    """

    def __init__(
        self,
        folder: Path,
        *,
        cache: Path = CACHE,
        heap_mb: int = 512,
        secured: Secured | None = None,
        proxy_port: int | None = None,
        membership: Membership | None = None,
        optimised: bool = False,
    ) -> None:
        self._folder = folder.resolve()
        self._cache = cache
        self._heap_mb = heap_mb
        self._secured = secured
        self._proxy_port = proxy_port
        self._membership = membership
        self._optimised = optimised
        self._ports: Ports | None = None
        super().__init__(self._folder / "kafka.log")

    @property
    def bootstrap_servers(self) -> str:
        """Address for clients; raises StartFailed before the first `start()`."""
        return f"127.0.0.1:{self._addresses.clients}"

    @property
    def secured_bootstrap_servers(self) -> str:
        """Address for clients that speak SASL_SSL; raises StartFailed before the first `start()`, or without `secured`."""
        if self._secured is None:
            raise StartFailed("Kafka has no secured listener.")
        return f"127.0.0.1:{self._addresses.secured}"

    @property
    def proxied_port(self) -> int:
        """Where a proxy at `proxy_port` must lead; raises StartFailed before the first `start()`."""
        return self._addresses.proxied

    @property
    def _addresses(self) -> Ports:
        if self._ports is None:
            raise StartFailed("Kafka has no address before it was started.")
        return self._ports

    def prepare(self) -> None:
        """Fetches the jars and formats the data folder; does nothing the second time. May run in any thread."""
        java()
        jars(cache=self._cache)
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "log4j2.properties").write_text(LOG4J)
        if not (self._folder / "data" / "meta.properties").exists():
            self._format()

    def launch(self) -> subprocess.Popen[bytes]:
        """Starts the process without waiting. Call it from the main thread, after `prepare()`."""
        if self._ports is None:
            self._ports = self._free_ports()
        settings = self._write_settings(self._ports)
        self._process = spawn(self._command("kafka.Kafka", str(settings)), log=self.log, cwd=self._folder)
        return self._process

    def wait_ready(self, *, timeout: float = 60) -> None:
        """Returns when the broker accepts connections; raises StartFailed otherwise. May run in any thread."""
        if self._process is None or self._ports is None:
            raise StartFailed("Kafka was not launched.")
        wait_for_port(self._ports.clients, process=self._process, name="Kafka", log=self.log, timeout=timeout)

    def freeze(self) -> None:
        """Stops it in the middle of whatever it does; its connections stay open."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def limit_files(self, size: int | None) -> None:
        """Linux: from now on no file of the running broker grows past `size` bytes, as on a full disk; None takes it back."""
        if self.pid is not None:
            limit = resource.RLIM_INFINITY if size is None else size
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def _command(self, main: str, *arguments: str) -> list[str]:
        options = [f"-Xmx{self._heap_mb}m", "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true"]
        # A small heap on few cores is cleaned by one thread for a tenth less processor time a transaction, and with shorter pauses.
        options.append("-XX:+UseSerialGC")
        if not self._optimised:
            options.append("-XX:TieredStopAtLevel=1")
        logging = f"-Dlog4j2.configurationFile={(self._folder / 'log4j2.properties').as_uri()}"
        return [java(), *options, logging, "-cp", f"{jars(cache=self._cache)}/*", main, *arguments]

    def _write_settings(self, ports: Ports) -> Path:
        membership = self._membership or Membership(cluster="", node=1, controllers={1: ports.controller})
        path = self._folder / "server.properties"
        path.write_text(
            server_properties(
                data=self._folder / "data",
                ports=ports,
                membership=membership,
                secured=self._secured,
                proxy_port=self._proxy_port,
            )
        )
        return path

    def _format(self) -> None:
        settings = self._write_settings(self._free_ports())
        cluster = self._membership.cluster if self._membership is not None else new_cluster_id()
        done = subprocess.run(
            self._command(
                "kafka.tools.StorageTool",
                "format",
                f"--cluster-id={cluster}",
                "-c",
                str(settings),
                "--ignore-formatted",
                *(self._secured.format_options() if self._secured is not None else []),
            ),
            capture_output=True,
            text=True,
            check=False,
            cwd=self._folder,
        )
        if done.returncode != 0:
            raise StartFailed(
                f"Kafka could not format {self._folder / 'data'}: {done.stdout}{done.stderr}".strip()
            )

    @property
    def _addressed(self) -> bool:
        return self._ports is not None

    def _forget_address(self) -> None:
        self._ports = None

    def _free_ports(self) -> Ports:
        member = self._membership
        controller = free_port() if member is None else member.controllers[member.node]
        return Ports(clients=free_port(), controller=controller, secured=free_port(), proxied=free_port())


def new_cluster_id() -> str:
    """An id as Kafka wants it, of no other cluster."""
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
