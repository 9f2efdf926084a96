"""Which services the local stack runs, and the settings each gets: the table to extend when a service is added."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tocsin.dev.processes import free_port


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service: `name` is its folder's; it listens on `port` of loopback."""

    name: str
    env: Mapping[str, str]
    port: int = field(default_factory=free_port)

    @property
    def module(self) -> str:
        """What `python -m` starts."""
        return f"tocsin.{self.name.replace('-', '_')}"

    @property
    def url(self) -> str:
        """Its own address, without the entry port."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What services need to know of the rest of the stack. `providers` is a folder with one file a channel."""

    kafka: str
    database: str
    entry: str
    providers: Path
    unsubscribe_secret: str


SLOTS = "2"


def common_environment(around: Surroundings) -> dict[str, str]:
    """What every command and service of the stack gets beside the caller's own environment."""
    return {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": around.kafka,
        "DATABASE_URL": around.database,
        "LANES": "critical,transactional,bulk",
        "LOG_FORMAT": "text",
        "SHUTDOWN_TIMEOUT": "8",
        "PUBLIC_URL": around.entry,
        "HTTP_HOST": "127.0.0.1",
    }


def services(around: Surroundings) -> list[Service]:
    """All services, in the order of their start."""
    own: dict[str, dict[str, str]] = {
        "router": {"ROUTER_SLOTS": SLOTS, "ROUTER_UNSUBSCRIBE_KEYS": f"local:{around.unsubscribe_secret}"},
        "ingest": {},
        **{f"dispatch-{channel}": _dispatcher(channel, around) for channel in ("email", "sms", "push")},
        "ledger": {},
    }
    return [Service(name=name, env={**common_environment(around), **env}) for name, env in own.items()]


def _dispatcher(channel: str, around: Surroundings) -> dict[str, str]:
    prefix = f"DISPATCH_{channel.upper()}_"
    return {f"{prefix}SLOTS": SLOTS, f"{prefix}PROVIDERS_FILE": str(around.providers / f"{channel}.toml")}
