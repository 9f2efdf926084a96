"""A worker in a process of its own, which freezes or dies where it is told to: see test_worker_deaths.py.

Arguments: bootstrap servers, topic prefix, database URL, failpoint, SIGSTOP or SIGKILL. Prints `reached` just before.
Logs go to stderr. It goes on until it is ended.
"""

import asyncio
import os
import signal
import sys

from pydantic import SecretStr

from tocsin.contracts.vocabulary import Lane
from tocsin.database import Database, DatabaseSettings
from tocsin.kafka import GroupTimeouts, KafkaSettings
from tocsin.router.migrations import MIGRATIONS
from tocsin.router.settings import RouterSettings
from tocsin.router.worker import worker_components
from tocsin.runtime import Health

TIMEOUTS = GroupTimeouts(send_timeout=2, drain_timeout=5, rebalance_timeout=10, heartbeat_interval=0.3)


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


async def work(servers: str, prefix: str, url: str, place: str, what: str) -> None:
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
            failpoints=Fatal(place, signal.Signals[what]),
            timeouts=TIMEOUTS,
        ),
    ]
    stop = asyncio.Event()
    for one in components:
        await one.open()
    async with asyncio.TaskGroup() as group:
        for one in components:
            group.create_task(one.run(stop))


asyncio.run(work(*sys.argv[1:]))
