"""The local broker and database: they start, keep their data and address, and never outlive their starter."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tocsin.dev import KafkaServer, PostgresServer, run_sql

STARTS_BOTH = """
import sys, time
from pathlib import Path
from tocsin.dev import KafkaServer, PostgresServer
folder = Path(sys.argv[1])
kafka, postgres = KafkaServer(folder / "kafka"), PostgresServer(folder / "postgres", durable=False)
kafka.start(); postgres.start()
print(kafka.pid, postgres.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.kafka
async def test_a_restarted_broker_keeps_address_topics_and_committed_records(tmp_path: Path) -> None:
    with KafkaServer(tmp_path / "with space") as server:
        address = server.bootstrap_servers
        admin = AIOKafkaAdminClient(bootstrap_servers=address)
        await admin.start()
        await admin.create_topics([NewTopic("kept", 1, 1)])
        await admin.close()
        async with (
            AIOKafkaProducer(bootstrap_servers=address, transactional_id="one") as producer,
            producer.transaction(),
        ):
            await producer.send_and_wait("kept", b"value")
        server.kill()
        assert server.pid is None
        server.start()
        assert server.bootstrap_servers == address
        async with AIOKafkaConsumer(
            "kept", bootstrap_servers=address, auto_offset_reset="earliest", isolation_level="read_committed"
        ) as consumer:
            assert (await consumer.getone()).value == b"value"


@pytest.mark.postgres
def test_a_restarted_database_keeps_address_and_rows(tmp_path: Path) -> None:
    with PostgresServer(tmp_path / "with space") as server:
        url = server.url
        assert run_sql(url, "SELECT current_setting('fsync')") == "on"
        run_sql(url, "CREATE TABLE kept (value int)")
        run_sql(url, "INSERT INTO kept VALUES (7)")
        server.kill()
        assert server.pid is None
        server.start()
        assert server.url == url
        assert run_sql(url, "SELECT value FROM kept") == "7"


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_both_end_when_their_starter_is_killed(tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTS_BOTH, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    with starter:
        started = [psutil.Process(int(pid)) for pid in starter.stdout.readline().split()]
        family = [process for parent in started for process in (parent, *parent.children(recursive=True))]
        os.kill(starter.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(family, timeout=30)
    assert len(started) == 2
    assert not alive


@pytest.mark.postgres
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hide a folder from PostgreSQL's account")
def test_root_may_keep_the_clone_in_a_folder_closed_to_others(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with PostgresServer(closed / "postgres", durable=False) as server:
        owner = psutil.Process(server.pid).uids().effective
        assert owner != 0
        assert run_sql(server.url, "SELECT 1") == "1"
    assert closed.stat().st_mode & 0o777 == 0o700


@pytest.mark.postgres
def test_each_test_gets_an_empty_database(database_url: str) -> None:
    assert run_sql(database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == "0"
