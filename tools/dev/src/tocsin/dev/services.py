"""Which services the local stack runs, and the settings each gets: the table to extend when a service is added."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.dev.processes import free_port

PARTITIONS, SHARDS = 4, 2
ALLOWED = "127.0.0.1:*,localhost:*"
"""Where tenants' URLs may lead beside public addresses: to whatever the developer runs here."""
NAMES = ("router", "ledger", "scheduler", *(channel.dispatcher for channel in reversed(Channel)), "ingest")
"""In the order of their start: what takes longest first."""
APIS = ("router", "ledger", Channel.INAPP.dispatcher, "ingest")
"""Those that answer callers; the others have probes and metrics only."""
CALLBACKS = "callbacks"
"""The role of a dispatcher that takes what providers tell of messages."""
TOLD_OF = (Channel.EMAIL, Channel.SMS)
"""Channels whose providers of the local stack tell what became of a message."""


def module_of(name: str) -> str:
    """What `python -m` starts."""
    return f"tocsin.{name.replace('-', '_')}"


@dataclass(frozen=True, kw_only=True)
class LocalService:
    """One service or a role of it: `name` is its folder's, or begins so; `env` is added to our own environment. On loopback it answers probes and metrics on
    `operations_port`, and callers on `port`, where it has an API."""

    name: str
    env: Mapping[str, str]
    operations_port: int
    port: int | None
    role: str | None = None
    """What its name ends with where it is not the service itself."""

    @property
    def module(self) -> str:
        """What `python -m` starts."""
        return module_of(self.name.removesuffix(f"-{self.role}"))

    @property
    def arguments(self) -> Sequence[str]:
        """What follows the module."""
        return () if self.role is None else (self.role,)

    @property
    def url(self) -> str | None:
        """The address of its API, without the entry port."""
        return f"http://127.0.0.1:{self.port}" if self.port else None

    @property
    def operations(self) -> str:
        """The address of its probes and metrics."""
        return f"http://127.0.0.1:{self.operations_port}"


@dataclass(frozen=True, kw_only=True)
class StackSettings:
    """What the services' settings are made of. `providers` is a folder with one file for each channel."""

    kafka: str
    database: str
    entry: str
    providers: Path
    unsubscribe_secret: str
    hash_secret: str
    seal_secret: str
    ref_secret: str | None = None
    """None: messages carry no refs, and no receipts are taken."""


def services(stack: StackSettings) -> list[LocalService]:
    """All services, in the order of their start."""
    own: dict[str, dict[str, str]] = {
        "router": {
            "PUBLIC_URL": stack.entry,
            "ROUTER_SHARDS": str(SHARDS),
            "ROUTER_UNSUBSCRIBE_KEYS": f"local:{stack.unsubscribe_secret}",
            "ROUTER_HASH_KEYS": f"local:{stack.hash_secret}",
            "SEAL_KEYS": f"local:{stack.seal_secret}",
            "OUTGOING_ALLOW": ALLOWED,
        },
        "ingest": {},
        **{channel.dispatcher: _dispatcher(channel, stack) for channel in Channel},
        "ledger": {},
        Channel.INAPP.dispatcher: {
            **_dispatcher(Channel.INAPP, stack),
            "SEAL_KEYS": f"local:{stack.seal_secret}",
        },
        "scheduler": {"SCHEDULER_SHARDS": str(SHARDS)},
    }
    return [_service(name, own[name], stack) for name in NAMES]


def callback_roles(stack: StackSettings) -> list[LocalService]:
    """The roles that take receipts; the entry leads `/email/callbacks` and `/sms/callbacks` to them."""
    return [
        _service(
            f"{channel.dispatcher}-{CALLBACKS}",
            {
                f"{_prefix(channel)}PROVIDERS_FILE": _providers_file(channel, stack),
                f"{_prefix(channel)}CALLBACKS_URL": f"{stack.entry}/{channel}",
                **_ref_keys(stack),
                **_tracking_url(channel, stack),
            },
            stack,
            role=CALLBACKS,
        )
        for channel in TOLD_OF
    ]


def _service(
    name: str, env: Mapping[str, str], stack: StackSettings, *, role: str | None = None
) -> LocalService:
    operations_port, port = free_port(), free_port() if role or name in APIS else None
    common = {
        "KAFKA_BOOTSTRAP_SERVERS": stack.kafka,
        "DATABASE_URL": stack.database,
        "LANES": ",".join(Lane),
        "LOG_FORMAT": "text",
        "OPERATIONS_HOST": "127.0.0.1",
        "OPERATIONS_PORT": str(operations_port),
    }
    if port:
        common |= {"HTTP_HOST": "127.0.0.1", "HTTP_PORT": str(port)}
    return LocalService(
        name=name, env={**common, **env}, operations_port=operations_port, port=port, role=role
    )


def _dispatcher(channel: Channel, stack: StackSettings) -> dict[str, str]:
    return {
        f"{_prefix(channel)}SHARDS": str(SHARDS),
        f"{_prefix(channel)}PROVIDERS_FILE": _providers_file(channel, stack),
        "OUTGOING_ALLOW": ALLOWED,
        **(_ref_keys(stack) if channel in TOLD_OF else {}),
        **_tracking_url(channel, stack),
        "SEAL_KEYS": f"local:{stack.seal_secret}",
    }


def _prefix(channel: Channel) -> str:
    return f"DISPATCH_{channel.upper()}_"


def _providers_file(channel: Channel, stack: StackSettings) -> str:
    return str(stack.providers / f"{channel}.toml")


def _tracking_url(channel: Channel, stack: StackSettings) -> dict[str, str]:
    if stack.ref_secret is None or not CHANNELS[channel].can_track:
        return {}
    return {f"{_prefix(channel)}TRACKING_URL": f"{stack.entry}/{channel}"}


def _ref_keys(stack: StackSettings) -> dict[str, str]:
    return {} if stack.ref_secret is None else {"DISPATCH_REF_KEYS": f"local:{stack.ref_secret}"}
