"""Three brokers, of which one is killed, or has no room left, or is lost with all else that is in its zone."""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from cluster_ground import ClusterGround
from reached import SERVICES
from scenario import Run, scenario
from scenarios.deaths import DISPATCHERS, RATE
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.testing.until import until

_NODES = 3
_IN_SYNC_WITHIN = 90.0  # seconds
_LOOK_EVERY = 0.5
_FAILOVER = 15.0
"""Seconds until a standby has taken the place of a database whose machine is gone."""


@scenario(two=("router", *DISPATCHERS), ground=ClusterGround, patience=200, nightly=True)
async def leader_is_killed_in_a_loop(run: Run) -> None:
    """The leader of a partition of `jobs.email.critical` is killed, started, and waited for until it is in sync; four times."""
    ground = run.ground
    assert isinstance(ground, ClusterGround)
    async with run.load.flowing(RATE):
        for _ in range(4):
            await asyncio.sleep(2)
            leader = await _leader(ground)
            run.fault()
            await asyncio.to_thread(ground.cluster.nodes[leader - 1].kill)
            await asyncio.sleep(4)
            ground.cluster.nodes[leader - 1].launch()
            await asyncio.to_thread(ground.cluster.nodes[leader - 1].wait_ready)
            await _all_in_sync(ground)
        await asyncio.sleep(3)


@scenario(two=("router", *DISPATCHERS), ground=ClusterGround, patience=200, nightly=True)
async def disk_of_one_node_is_full(run: Run) -> None:
    """No file of one node may grow for 15 s: it gives up, the others go on, and it comes back when there is room."""
    ground = run.ground
    assert isinstance(ground, ClusterGround)
    async with run.load.flowing(RATE):
        await asyncio.sleep(2)
        node = ground.cluster.nodes[await _leader(ground) - 1]
        run.fault()
        node.limit_files(1)
        await asyncio.sleep(15)
        await asyncio.to_thread(node.kill)
        node.launch()
        await asyncio.to_thread(node.wait_ready)
        await _all_in_sync(ground)
        await asyncio.sleep(3)


@scenario(two=SERVICES, ground=ClusterGround, own_ground=True, patience=240, nightly=True)
async def zone_is_lost(run: Run) -> None:
    """One of three brokers, one of two instances of every service and the database die at once; the database is back after 15 s."""
    ground = run.ground
    assert isinstance(ground, ClusterGround)
    async with run.load.flowing(RATE):
        await asyncio.sleep(5)
        node = ground.cluster.nodes[await _leader(ground) - 1]
        gone = [instance for instance in ground.instances.values() if instance.number == 1]
        for instance in gone:
            instance.wanted = False
            if instance.service.name in DISPATCHERS:
                run.crash_of_a_dispatcher()
        run.fault()
        await asyncio.gather(
            asyncio.to_thread(node.kill),
            asyncio.to_thread(ground.postgres.kill),
            *(ground.kill(instance) for instance in gone),
        )
        await asyncio.sleep(_FAILOVER)
        ground.postgres.launch()
        await asyncio.to_thread(ground.postgres.wait_ready)
        await asyncio.sleep(15)


async def _leader(ground: ClusterGround) -> int:
    """The number of the node that leads partition 0."""
    (topic,) = await _described(ground, Topics().jobs(Channel.EMAIL, Lane.CRITICAL))
    return next(int(one["leader"]) for one in topic["partitions"] if one["partition"] == 0)


async def _all_in_sync(ground: ClusterGround) -> None:
    """Killing another one before that would leave one replica, and nothing could be stored."""

    async def all_here() -> bool:
        try:
            topics = await _described(ground)
        except KafkaError:  # it asked the one that is not there
            return False
        return all(len(one["isr"]) == _NODES for topic in topics for one in topic["partitions"])

    await until(all_here, seconds=_IN_SYNC_WITHIN, every=_LOOK_EVERY)


async def _described(ground: ClusterGround, *topics: str) -> list[dict]:  # type: ignore[type-arg]
    admin = AIOKafkaAdminClient(bootstrap_servers=ground.kafka.bootstrap_servers)
    await admin.start()
    try:
        return list(await admin.describe_topics(list(topics) or None))
    finally:
        await admin.close()
