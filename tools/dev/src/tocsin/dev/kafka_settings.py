"""Settings of the local broker: one KRaft node that is broker and controller."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_FIXED = """\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
inter.broker.listener.name=PLAINTEXT
auto.create.topics.enable=false
num.partitions=4
# One node: every factor is 1, and the internal topics are small so that they load at once.
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
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


@dataclass(frozen=True, kw_only=True)
class Secured:
    """A second listener with SASL_SSL: `certificate` is key and chain in one PEM file, `users` name to password; they may use
    PLAIN or SCRAM-SHA-512."""

    certificate: Path
    users: Mapping[str, str]

    def properties(self) -> str:
        """Its lines of server.properties, without the address."""
        words = " ".join(f'user_{name}="{password}"' for name, password in self.users.items())
        return (
            "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512\n"
            f"{_SECURED}.ssl.keystore.type=PEM\n"
            f"{_SECURED}.ssl.keystore.location={self.certificate}\n"
            f"{_SECURED}.plain.sasl.jaas.config={_MODULES}.plain.PlainLoginModule required {words};\n"
            f"{_SECURED}.scram-sha-512.sasl.jaas.config={_MODULES}.scram.ScramLoginModule required;\n"
        )

    def format_options(self) -> list[str]:
        """What the data folder has to know from the beginning."""
        return [
            f"--add-scram=SCRAM-SHA-512=[name={name},password={password}]"
            for name, password in self.users.items()
        ]


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where the broker listens on loopback; `secured` is used only with a `Secured` listener."""

    clients: int
    controller: int
    secured: int


def server_properties(*, data: Path, ports: Ports, secured: Secured | None = None) -> str:
    """The text of server.properties for a broker on loopback that keeps its log in `data`."""
    controller = f"127.0.0.1:{ports.controller}"
    listeners = f"PLAINTEXT://127.0.0.1:{ports.clients},CONTROLLER://{controller}"
    if secured is not None:
        listeners += f",SASL_SSL://127.0.0.1:{ports.secured}"
    return (
        _FIXED
        + f"listeners={listeners}\n"
        + f"advertised.listeners={listeners}\n"
        + f"controller.quorum.voters=1@{controller}\n"
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
"""
"""Warnings and errors to standard output, which the starter sends to a file."""
