"""`tocsin doctor`: what is wrong with brokers, groups and processes, and what to do about it."""

from collections.abc import Iterator

import pytest

from tocsin.contracts.vocabulary import Channel
from tocsin.dev.kafka import KafkaServer

from .conftest import Run, Runs

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """One of our own: it begins without a topic."""
    with KafkaServer(tmp_path_factory.mktemp("examined")) as server:
        yield server


async def test_from_an_empty_cluster_to_groups_that_nobody_runs(
    tocsin_soon: Runs, broker: KafkaServer
) -> None:
    env = {"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers}
    ran = await tocsin_soon("doctor", **env)
    assert ran.code == 1
    assert ran.out.startswith("Topics are missing: tocsin.events.critical, ")
    assert " more.\ttocsin topics apply\tTocsinComponentNotReady" in ran.out

    apply = ("topics", "apply", "--partitions", "2", "--replication-factor", "1")
    assert (await tocsin_soon(*apply, **env)).code == 0
    ran = await tocsin_soon("doctor", "--json", **env)
    assert ran.code == 1
    told = [finding["what"] for finding in ran.json]
    assert "Nobody is a member of any group of router; 0 records wait." in told
    assert all(what.startswith("Nobody is a member of ") for what in told)
    assert {"TocsinComponentGone"} < {finding["runbook"] for finding in ran.json}
    dispatchers = ", ".join(sorted(channel.dispatcher for channel in Channel))
    assert f"Not asked: {dispatchers}: nobody runs it" in ran.err


async def test_a_process_that_does_not_answer_is_named(tocsin_soon: Runs, broker: KafkaServer) -> None:
    env = {"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers}
    ran = await tocsin_soon("doctor", "--process", "http://127.0.0.1:1", **env)
    assert "http://127.0.0.1:1 does not answer at http://127.0.0.1:1: " in ran.out


def test_without_a_broker_it_says_what_to_check(tocsin: Run) -> None:
    ran = tocsin("doctor", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert ran.code == 1
    assert ran.out.startswith("No Kafka broker answers")
    assert "check KAFKA_BOOTSTRAP_SERVERS" in ran.out
