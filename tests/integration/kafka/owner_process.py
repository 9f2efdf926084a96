"""An owner in a process of its own, which freezes or dies where it is told to: see test_ownership.py.

Arguments: bootstrap servers, topic prefix, failpoint, SIGSTOP or SIGKILL. Prints `reached` just before.
Exits 3, with the error on stdout, when it is no owner any more.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from tocsin.kafka import (
    Batch,
    ConsumerGroup,
    ExactlyOnce,
    Fenced,
    GroupTimeouts,
    KafkaCluster,
    KafkaFault,
    KafkaSettings,
    Outgoing,
)
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.health import Health

TIMEOUTS = GroupTimeouts(
    send_timeout=2, drain_timeout=3, rebalance_timeout=10, session_timeout=4, heartbeat_interval=0.2
)


class Fatal:
    """Sends itself the signal the first time the place is reached."""

    def __init__(self, place: str, what: signal.Signals) -> None:
        self._place: str | None = place
        self._what = what

    async def reach(self, name: str) -> None:
        if name == self._place:
            self._place = None
            sys.stdout.write("reached\n")
            sys.stdout.flush()
            os.kill(os.getpid(), self._what)


async def own(servers: str, prefix: str, place: str, what: str) -> None:
    async def process(batch: Batch) -> Sequence[Outgoing]:
        return [Outgoing(f"{prefix}out", record.key, b"first") for record in batch.records]

    cluster = KafkaCluster(KafkaSettings(bootstrap_servers=servers, topic_prefix=prefix))
    failpoints = Fatal(place, signal.Signals[what])
    owner = ConsumerGroup(
        cluster=cluster,
        group=f"{prefix}copier",
        topics=[f"{prefix}in"],
        ownership=Fenced(cluster=cluster, shards=2, failpoints=failpoints),
        work=ExactlyOnce(process, clock=SystemClock()).work,
        timeouts=TIMEOUTS,
        health=Health(service="test"),
        clock=SystemClock(),
        rejoins=0,
        failpoints=failpoints,
    )
    await owner.open()
    try:
        await owner.run(asyncio.Event())
    except KafkaFault as exc:
        sys.stdout.write(f"{exc}\n")
        sys.exit(3)
    finally:
        await owner.close()


asyncio.run(own(*sys.argv[1:]))
