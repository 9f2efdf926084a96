"""Settings of the local broker: one KRaft node that is broker and controller."""

from pathlib import Path

_FIXED = """\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
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


def server_properties(*, data: Path, port: int, controller_port: int) -> str:
    """The text of server.properties for a broker on loopback that keeps its log in `data`."""
    address, controller = f"127.0.0.1:{port}", f"127.0.0.1:{controller_port}"
    return (
        _FIXED
        + f"listeners=PLAINTEXT://{address},CONTROLLER://{controller}\n"
        + f"advertised.listeners=PLAINTEXT://{address},CONTROLLER://{controller}\n"
        + f"controller.quorum.voters=1@{controller}\n"
        + f"log.dirs={data}\n"
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
