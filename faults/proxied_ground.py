"""A ground with a network that can be harmed."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from ground import INSTANCES, PLACES, Ground
from links import Network
from reached import REACHED, SERVICES
from tocsin.dev import KafkaServer
from tocsin.dev.processes import free_port

BROKER: Final = "broker"
DATABASE: Final = "database"
PROVIDERS: Final = tuple(f"{name}-{channel}" for name in ("main", "other") for channel in REACHED)
"""The links' names."""


class ProxiedGround(Ground):
    """The first instance of each service reaches broker, database and providers through links of `network`, the second directly."""

    def __init__(
        self, folder: Path, *, settings: Mapping[str, str] | None = None, places: int = PLACES
    ) -> None:
        super().__init__(folder, settings=settings, places=places)
        self.network = Network(folder / "network")
        self._door = free_port()
        self.kafka_server = KafkaServer(folder / "kafka", proxy_port=self._door)

    async def _open(self) -> None:
        await self._way_out.enter_async_context(self.network)
        await super()._open()
        behind = await self._links()
        for name in SERVICES:
            first = self.instances[name, INSTANCES - 1]
            own = {key: value for key, value in behind.items() if key in first.service.env}
            first.service = replace(first.service, env={**first.service.env, **own})

    async def _links(self) -> dict[str, str]:
        """The settings that lead through them."""
        await self.network.link(BROKER, self.kafka_server.proxied_port, port=self._door)
        port = self.postgres.port
        database = await self.network.link(DATABASE, port)
        ports: dict[str, dict[str, int]] = {}
        for name in self.sinks.names:
            ports[name] = {
                channel: await self.network.link(f"{name}-{channel}", self.sinks.ports[name][channel])
                for channel in REACHED
            }
        providers = self.folder / "providers-behind"
        self.sinks.write_providers(providers, ports=ports, max_in_flight=PLACES)
        return {
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self._door}",
            "DATABASE_URL": self.database.replace(f":{port}/", f":{database}/"),
            **{
                f"DISPATCH_{channel.upper()}_PROVIDERS_FILE": str(providers / f"{channel}.toml")
                for channel in REACHED
            },
        }
