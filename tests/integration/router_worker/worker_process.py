"""A worker in a process of its own, which freezes or dies where FAILPOINTS tells it to: see test_worker_deaths.py.

Arguments: bootstrap servers, topic prefix, database URL.
Logs go to stderr. It goes on until it is ended.
"""

import asyncio
import sys

from pydantic import SecretStr

from tocsin.contracts.vocabulary import Lane
from tocsin.database import Database, DatabaseSettings
from tocsin.kafka import GroupTimeouts, KafkaSettings
from tocsin.router.migrations import MIGRATIONS
from tocsin.router.settings import RouterSettings
from tocsin.router.worker import worker_components
from tocsin.runtime import Health, ServiceSettings, arm, load_settings

TIMEOUTS = GroupTimeouts(send_timeout=2, drain_timeout=5, rebalance_timeout=10, heartbeat_interval=0.3)


async def work(servers: str, prefix: str, url: str) -> None:
    settings = RouterSettings(
        kafka=KafkaSettings(bootstrap_servers=servers, topic_prefix=prefix),
        database=DatabaseSettings(url=url),
        lanes=[Lane.TRANSACTIONAL],
        hash_keys=[SecretStr(f"h1:{'h' * 32}")],
    )
    health = Health(service="test")
    database = Database(
        settings=settings.database, service="router", check=health.check("database"), migrations=MIGRATIONS
    )
    components = [
        database,
        *worker_components(
            settings,
            database=database,
            health=health,
            failpoints=arm(load_settings(ServiceSettings).failpoints),
            timeouts=TIMEOUTS,
        ),
    ]
    stop = asyncio.Event()
    for component in components:
        await component.open()
    async with asyncio.TaskGroup() as group:
        for component in components:
            group.create_task(component.run(stop))


asyncio.run(work(*sys.argv[1:]))
