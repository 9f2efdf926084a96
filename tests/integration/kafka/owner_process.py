"""An owner in a process of its own, which freezes or dies where FAILPOINTS tells it to: see test_ownership.py.

Arguments: bootstrap servers, topic prefix.
Exits 3, with the error on stdout, when it is no owner any more.
"""

import asyncio
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
    ProducerRecord,
)
from tocsin.runtime import ServiceSettings, arm, load_settings
from tocsin.runtime.clock import SystemClock
from tocsin.runtime.health import Health

TIMEOUTS = GroupTimeouts(
    send_timeout=2, drain_timeout=3, rebalance_timeout=10, session_timeout=4, heartbeat_interval=0.2
)


async def own(servers: str, prefix: str) -> None:
    async def process(batch: Batch) -> Sequence[ProducerRecord]:
        return [ProducerRecord(f"{prefix}out", record.key, b"first") for record in batch.records]

    cluster = KafkaCluster(KafkaSettings(bootstrap_servers=servers, topic_prefix=prefix))
    failpoints = arm(load_settings(ServiceSettings).failpoints)
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
