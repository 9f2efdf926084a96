"""Three Kafka nodes on this machine: what one of them alone does not lose is kept by the other two."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tocsin.dev.kafka import KafkaServer, new_cluster_id
from tocsin.dev.kafka_settings import Membership
from tocsin.dev.processes import free_port

NODES = 3
HEAP_MB = 320
STARTS_WITHIN = 120.0
"""Seconds; three share the machine's cores."""


class KafkaCluster:
    """Topics get three replicas, of which two must have a record before it is acknowledged, unless they ask for less.

    `nodes[0]` is node 1; each can be killed, frozen, limited and started again by itself. `proxy_ports`, one for each node,
    is what `KafkaServer` calls `proxy_port`. Starts and stops as a `KafkaServer` does; all nodes end with this process.
    """

    def __init__(self, folder: Path, *, proxy_ports: Sequence[int] | None = None) -> None:
        controllers = {number: free_port() for number in range(1, NODES + 1)}
        cluster = new_cluster_id()
        self.nodes = [
            KafkaServer(
                folder / f"node-{number}",
                heap_mb=HEAP_MB,
                membership=Membership(cluster=cluster, node=number, controllers=controllers),
                proxy_port=None if proxy_ports is None else proxy_ports[number - 1],
            )
            for number in controllers
        ]

    @property
    def bootstrap_servers(self) -> str:
        """Every node's address; raises StartFailed before the first `launch()`."""
        return ",".join(node.bootstrap_servers for node in self.nodes)

    def prepare(self) -> None:
        """Formats every node's data folder. May run in any thread."""
        for node in self.nodes:
            node.prepare()

    def launch(self) -> None:
        """Starts every node without waiting. Call it from the main thread, after `prepare()`."""
        for node in self.nodes:
            node.launch()

    def wait_ready(self) -> None:
        """Returns when every node accepts connections; raises StartFailed otherwise. May run in any thread."""
        for node in self.nodes:
            node.wait_ready(timeout=STARTS_WITHIN)

    def kill(self) -> None:
        """Ends every node as a crash would."""
        for node in self.nodes:
            node.kill()

    def __enter__(self) -> Self:
        self.prepare()
        self.launch()
        self.wait_ready()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()
