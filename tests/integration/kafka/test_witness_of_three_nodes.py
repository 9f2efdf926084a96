"""With one of three nodes gone, the witness sees all but what that node alone had. `test_group_witness` says the same of what metadata tell."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tocsin.dev import KafkaCluster
from tocsin.kafka import GroupWitness, KafkaFault, KafkaSettings
from tocsin.testing import ManualClock
from tocsin.testing.until import until

PARTITIONS = 6
LOOK_SECONDS = 15.0
"""As long as the witness itself waits."""


@pytest.mark.nightly  # three brokers for one sentence
@pytest.mark.kafka
async def test_a_node_that_is_gone_hides_what_it_alone_had(tmp_path: Path) -> None:
    with KafkaCluster(tmp_path) as cluster:
        settings = KafkaSettings(bootstrap_servers=cluster.bootstrap_servers)
        admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers)
        await admin.start()
        await admin.create_topics([NewTopic("t", PARTITIONS, replication_factor=1)])
        await admin.close()
        witness = GroupWitness(settings=settings, groups={"g": ["t"]}, clock=ManualClock())

        async def unseen() -> int:
            """How many partitions; after a look that failed the witness begins anew."""
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    return len((await witness.look())["g"].unseen)
            except (KafkaFault, TimeoutError):
                await witness.close()
                with contextlib.suppress(KafkaFault):
                    await witness.open()
                return -1

        async def sees_all() -> bool:
            return await unseen() == 0

        async def sees_the_rest() -> bool:
            return 0 < await unseen() < PARTITIONS

        try:
            await until(sees_all, seconds=120, every=0.5)
            cluster.nodes[2].kill()
            await until(sees_the_rest, seconds=180, every=0.5)
            await asyncio.to_thread(cluster.nodes[2].start)
            await until(sees_all, seconds=180, every=0.5)
        finally:
            await witness.close()
