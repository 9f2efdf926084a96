"""Offsets that cannot be used: what a service says of them, and that the command which it names, run as it stands there, mends them."""

import asyncio
import os
import re
import shlex
import sys
from pathlib import Path

import httpx
import pytest
from aiokafka import TopicPartition as AioTopicPartition
from aiokafka.admin import RecordsToDelete

from tocsin.contracts.dead_letters import read_dead_letter
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import (
    Admin,
    CommittedOffset,
    ConsumerGroup,
    KafkaCluster,
    KafkaSettings,
    Projection,
    StoredPositions,
    TopicPartition,
    read_back_position,
    read_to_end,
    timeouts_for,
)
from tocsin.kafka.client.offsets import committed_offsets, connect_to_group
from tocsin.kafka.consume.position_copy import COPIED
from tocsin.runtime import Health, SystemClock
from tocsin.testing.running import running
from tocsin.testing.stage import MemoryTable, numbers
from tocsin.testing.until import until

from .test_dispatcher_endings import Site

pytestmark = pytest.mark.kafka

TOPICS = "tocsin topics apply --partitions 2 --replication-factor 1"


@pytest.fixture(name="site")
def site_fixture(kafka_server: str, topic_prefix: str, tmp_path: Path) -> Site:
    kafka = KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=topic_prefix)
    return Site(kafka=kafka, folder=tmp_path)


async def command(site: Site, text: str) -> tuple[int, list[list[str]], str]:
    """Run a command as a person would: its exit code, its table, and what it says beside it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tocsin.cli",
        *shlex.split(text)[1:],
        env={
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": site.kafka.bootstrap_servers,
            "KAFKA_TOPIC_PREFIX": site.kafka.topic_prefix,
            "TOPIC_PARTITIONS": "2",
            "TOPIC_REPLICATION_FACTOR": "1",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, [line.split("\t") for line in out.decode().splitlines()], err.decode()


async def mended_by(site: Site, text: str) -> list[list[str]]:
    """Run a command that a running service has named; its members have left or are about to. Its table: another group that has lost
    what it was to read makes the exit code 3."""
    while True:
        code, table, said = await command(site, text)
        if "has members" not in said:
            assert code in (0, 3), said
            return table


def commands_in(text: str) -> list[str]:
    """What a sentence or a page of reasons names as remedy."""
    return re.findall(r"`(tocsin [^`]+)`", text)


async def delete_below(site: Site, topic: str, partition: int, offset: int) -> None:
    """Let the topic keep nothing below this offset, as its retention does."""
    admin = Admin(settings=site.kafka)
    await admin.open()
    try:
        await admin._open.delete_records({AioTopicPartition(topic, partition): RecordsToDelete(offset)})
    finally:
        await admin.close()


async def commit(site: Site, group: str, partition: TopicPartition, position: CommittedOffset) -> None:
    """Commit for a group without members, as other tools do."""
    consumer = await connect_to_group(site.kafka, group)
    try:
        place = AioTopicPartition(*partition)
        consumer.assign([place])
        await consumer.commit({place: tuple(position)})
    finally:
        await consumer.stop()


async def test_one_lane_waits_for_its_offsets_and_goes_on_by_itself_once_the_named_command_was_run(
    site: Site,
) -> None:
    topics = site.topics
    lost_in, other_tool_in = (
        topics.group("dispatch-sms", lane) for lane in (Lane.CRITICAL, Lane.TRANSACTIONAL)
    )
    jobs = TopicPartition(topics.jobs(Channel.SMS, Lane.CRITICAL), 1)
    foreign = TopicPartition(topics.jobs(Channel.SMS, Lane.TRANSACTIONAL), 0)
    assert (await command(site, TOPICS))[0] == 0
    await site.publish(*[b"no job"] * 5, partition=1)
    await delete_below(site, *jobs, 3)
    await commit(site, other_tool_in, foreign, CommittedOffset(0, "kafka-ui"))

    async with (
        site.dispatcher("critical,transactional,bulk") as dispatcher,
        httpx.AsyncClient(base_url=(await dispatcher.addresses())[0]) as client,
    ):

        async def reasons() -> dict[str, str | None]:
            checks = (await client.get("/readyz")).json()["checks"]
            return {check["name"]: check.get("reason") for check in checks}

        async def both_said() -> bool:
            return len(commands_in(str(await reasons()))) == 2

        await until(both_said, seconds=90)
        said = await reasons()
        assert f"{jobs.topic}/1 is kept from 3: lost are the 3 from 0 to 2" in str(said)
        assert f"for {foreign.topic}/0 do not say where to read back from" in str(said)
        assert said["kafka group dispatch-sms.bulk"] is None
        assert "tocsin_unusable_offsets" in (await client.get("/metrics")).text

        repair, accept = sorted(commands_in(str(said)), key=len)
        shown = await command(site, f"{repair} --dry-run")
        assert shown[0] == 3
        loss = [lost_in, jobs.topic, "1", "0", "3", "5", "3"]
        assert loss in shown[1]
        assert ["repair", other_tool_in, foreign.topic, "1 partitions"] in shown[1]
        assert accept in shown[2]

        code, _, sentence = await command(site, f"{repair} --accept-loss {other_tool_in}")
        assert (code, sentence) == (
            1,
            f"Nothing is lost of group {other_tool_in}. Groups with losses: {lost_in}.\n",
        )

        assert loss in await mended_by(site, accept)

        async def ready() -> bool:
            return (await client.get("/readyz")).status_code == 200

        await until(ready, seconds=60)
        metrics = (await client.get("/metrics")).text
        assert (
            'tocsin_records_lost_total{component="dispatch-sms",kind="jobs",lane="critical"} 3.0' in metrics
        )
        await until(
            lambda: client_has(client, 'tocsin_dead_letters_total{component="dispatch-sms",lane="critical"'),
            seconds=30,
        )
        assert dispatcher.process.returncode is None

    assert (await command(site, TOPICS))[0] == 0
    committed = await committed_offsets(site.kafka, other_tool_in, [foreign])
    assert read_back_position(committed[foreign].metadata) is not None
    letters = read_to_end(settings=site.kafka, topic=topics.dead("dispatch-sms"), deadline=30)
    records = [record async for batch in letters for record in batch]
    (kept,) = (
        record for record in records if read_dead_letter(record.headers)[0].reason == "offset_not_kept"
    )
    assert kept.value is not None
    assert b'"from": 0, "to": 3, "records": 3' in kept.value


async def client_has(client: httpx.AsyncClient, text: str) -> bool:
    return text in (await client.get("/metrics")).text


async def test_a_position_in_a_database_is_mended_by_the_same_command(
    site: Site,
) -> None:
    topics = site.topics
    group, status = topics.group("ledger", Lane.CRITICAL), TopicPartition(topics.status(Lane.CRITICAL), 0)
    assert (await command(site, TOPICS))[0] == 0
    await site.publish(*numbers(9), topic=status.topic, partition=0)
    await delete_below(site, *status, 7)
    table, health = MemoryTable(), Health(service="ledger")
    table.positions = {status: 2}
    ledger = ConsumerGroup(
        cluster=KafkaCluster(site.kafka),
        group=group,
        topics=[status.topic],
        ownership=StoredPositions(table),
        work=Projection(table).work,
        timeouts=timeouts_for(Lane.CRITICAL),
        health=health,
        clock=SystemClock(),
    )
    async with running(ledger):
        await until(lambda: "lost are the 5 from 2 to 6" in str(health.reasons()), seconds=60)
        (accept,) = commands_in(str(health.reasons()))
        assert accept == f"tocsin topics apply --accept-loss {group}"
        assert [group, *status[:1], "0", "2", "7", "9", "5"] in await mended_by(site, accept)
        await until(lambda: table.rows == numbers(7, 9), seconds=60)

        async def copied() -> bool:
            return await committed_offsets(site.kafka, group, [status]) == {
                status: CommittedOffset(9, COPIED)
            }

        await until(copied, seconds=60)
    assert table.positions[status] == 9
