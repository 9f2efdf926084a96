"""Settings of the local brokers: KRaft nodes, each of them broker and controller."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_FIXED = """\
process.roles=broker,controller
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
inter.broker.listener.name=PLAINTEXT
auto.create.topics.enable=false
num.partitions=4
# The internal topics are small so that they load at once.
offsets.topic.num.partitions=8
transaction.state.log.num.partitions=8
# Tests kill members and want to see the next owner soon.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
# Fits a 512 MB heap: the default takes 128 MB for the cleaner alone.
log.cleaner.dedupe.buffer.size=16777216
log.index.size.max.bytes=1048576
num.network.threads=2
num.io.threads=4
"""


_MODULES = "org.apache.kafka.common.security"
_SECURED = "listener.name.sasl_ssl"
_AUTHORIZED = """\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


@dataclass(frozen=True, kw_only=True)
class Secured:
    """A second listener with SASL_SSL: `certificate` is key and chain in one PEM file, `users` name to password; they may use
    PLAIN or SCRAM-SHA-512. With `authorized` they may do what ACLs allow them, and the log names what was refused; whoever comes in
    through the first listener may do everything."""

    certificate: Path
    users: Mapping[str, str]
    authorized: bool = False

    def properties(self) -> str:
        """Its lines of server.properties, without the address."""
        words = " ".join(f'user_{name}="{password}"' for name, password in self.users.items())
        return (
            "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512\n"
            f"{_SECURED}.ssl.keystore.type=PEM\n"
            f"{_SECURED}.ssl.keystore.location={self.certificate}\n"
            f"{_SECURED}.plain.sasl.jaas.config={_MODULES}.plain.PlainLoginModule required {words};\n"
            f"{_SECURED}.scram-sha-512.sasl.jaas.config={_MODULES}.scram.ScramLoginModule required;\n"
        ) + (_AUTHORIZED if self.authorized else "")

    def format_options(self) -> list[str]:
        """What the data folder has to know from the beginning."""
        return [
            f"--add-scram=SCRAM-SHA-512=[name={name},password={password}]"
            for name, password in self.users.items()
        ]


@dataclass(frozen=True, kw_only=True)
class Membership:
    """Which node of which cluster a broker is. `controllers` has the controller's port of every node, by the node's number."""

    cluster: str
    node: int
    controllers: Mapping[int, int]

    def properties(self) -> str:
        """Its lines of server.properties: one record more is kept than may be lost."""
        voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in self.controllers.items())
        replicas = min(len(self.controllers), 3)
        in_sync = max(replicas - 1, 1)
        return (
            f"node.id={self.node}\n"
            f"broker.rack=zone-{self.node}\n"
            f"controller.quorum.voters={voters}\n"
            f"default.replication.factor={replicas}\n"
            f"min.insync.replicas={in_sync}\n"
            f"offsets.topic.replication.factor={replicas}\n"
            f"transaction.state.log.replication.factor={replicas}\n"
            f"transaction.state.log.min.isr={in_sync}\n"
            f"share.coordinator.state.topic.replication.factor={replicas}\n"
            f"share.coordinator.state.topic.min.isr={in_sync}\n"
        )


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where the broker listens on loopback. `secured` is used only with a `Secured` listener, `proxied` only behind a proxy."""

    clients: int
    controller: int
    secured: int
    proxied: int


def server_properties(
    *,
    data: Path,
    ports: Ports,
    membership: Membership,
    secured: Secured | None = None,
    proxy_port: int | None = None,
) -> str:
    """The text of server.properties for a broker on loopback that keeps its log in `data`.

    Clients that come in through the port `proxied` are told that the broker is at `proxy_port`.
    """
    listeners = [f"PLAINTEXT://127.0.0.1:{ports.clients}", f"CONTROLLER://127.0.0.1:{ports.controller}"]
    if secured is not None:
        listeners.append(f"SASL_SSL://127.0.0.1:{ports.secured}")
    behind, before = [], []
    if proxy_port is not None:
        behind, before = [f"PROXIED://127.0.0.1:{ports.proxied}"], [f"PROXIED://127.0.0.1:{proxy_port}"]
    return (
        _FIXED
        + f"listeners={','.join(listeners + behind)}\n"
        + f"advertised.listeners={','.join(listeners + before)}\n"
        + membership.properties()
        + f"log.dirs={data}\n"
        + (secured.properties() if secured is not None else "")
    )


LOG4J = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1} %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.authorizer.name = kafka.authorizer.logger
logger.authorizer.level = info
"""
"""Warnings and errors, and what an authorizer refuses, to standard output, which the starter sends to a file."""
