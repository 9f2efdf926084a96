"""FastStream on the same Kafka with aiosmtplib."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from peers import installed
from peers.message import PeerOrder, PeerResult
from peers.peer import Ground, process, produced, write_message

HERE = Path(__file__).parent
TOPIC = "peer.faststream.mails"
PARTITIONS = 4


class FastStream:
    """One process with ten workers: offsets are committed when a mail is taken up, so what is under way at a crash is lost."""

    name = "FastStream"
    count = 4_000
    paced = True

    def missing(self) -> str | None:
        """It needs nothing that we have not."""
        return None

    @asynccontextmanager
    async def running(self, ground: Ground) -> AsyncIterator[Mapping[str, int]]:
        """The mailer; the broker is ours."""
        self._ground, self._python = ground, await asyncio.to_thread(installed.python, HERE)
        servers = ground.environment.kafka.bootstrap_servers
        await _make_topic(servers)
        self._env = os.environ | {
            "KAFKA": servers,
            "TOPIC": TOPIC,
            "SMTP_PORT": str(ground.sink.port),
            "MESSAGE_FILE": str(write_message(ground.folder)),
        }
        command = [str(self._python), str(HERE / "mailer.py")]
        async with process(command, env=self._env, log=ground.folder / "mailer.log") as mailer:
            yield {"broker": ground.environment.pids["broker"], "mailer": mailer}

    async def send(self, order: PeerOrder) -> PeerResult:
        """`publish`, one after the other."""
        command = [str(self._python), str(HERE / "enqueue.py")]
        return await produced(command, self._env, order, self._ground.folder)


async def _make_topic(servers: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, num_partitions=PARTITIONS, replication_factor=1)])
    finally:
        await admin.close()
