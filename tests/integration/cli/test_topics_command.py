"""`tocsin topics apply` on a real broker: plan, do, find nothing to do, refuse."""

import pytest

from tocsin.contracts.topics import Topics
from tocsin.kafka import Admin, KafkaSettings

from .conftest import Runs

pytestmark = pytest.mark.kafka


async def counts(bootstrap: str, prefix: str) -> dict[str, int]:
    """Partitions of the topics under the prefix, as the broker has them."""
    admin = Admin(settings=KafkaSettings(bootstrap_servers=bootstrap))
    await admin.open()
    try:
        client = admin._open
        names = [name for name in await client.list_topics() if name.startswith(prefix)]
        return {topic["topic"]: len(topic["partitions"]) for topic in await client.describe_topics(names)}
    finally:
        await admin.close()


async def test_plan_do_nothing_to_do_and_refuse(
    kafka_server: str, topic_prefix: str, tocsin_soon: Runs
) -> None:
    env = {"KAFKA_BOOTSTRAP_SERVERS": kafka_server, "KAFKA_TOPIC_PREFIX": topic_prefix}
    apply = ("topics", "apply", "--replication-factor=1", "--partitions=2")
    topics = Topics(topic_prefix)
    expected = {topic.name: topic.partitions or 2 for topic in topics.all()}

    planned = await tocsin_soon(*apply, "--dry-run", **env)
    assert planned.code == 0, planned.err
    lines = [line.split("\t") for line in planned.out.splitlines()]
    assert {line[1]: int(line[2]) for line in lines if line[0] == "create"} == expected
    assert {(line[1], line[2]) for line in lines if line[0] == "start"} == {
        (group.name, topic) for group in topics.groups() for topic in group.topics
    }
    assert planned.out.splitlines()[-1] == "Dry run: nothing was changed."
    assert await counts(kafka_server, topic_prefix) == {}

    done = await tocsin_soon(*apply, **env)
    assert done.code == 0, done.err
    assert done.out.splitlines() == planned.out.splitlines()[:-1]
    assert await counts(kafka_server, topic_prefix) == expected

    again = await tocsin_soon(*apply, **env)
    assert (again.code, again.out) == (0, "Nothing to do: topics and groups are as they should be.\n")

    as_json = (await tocsin_soon(*apply, "--json", **env)).json
    assert {topic["topic"]: topic["action"] for topic in as_json["topics"]} == dict.fromkeys(expected, "same")
    assert as_json["starts"] == []

    more = await tocsin_soon("topics", "apply", "--replication-factor=1", "--partitions=3", **env)
    assert (more.code, more.out) == (1, "")
    assert "has 2 partitions and should have 3" in more.err
    assert "Traceback" not in more.err
    assert await counts(kafka_server, topic_prefix) == expected


async def test_a_broker_that_is_not_there_is_one_sentence(tocsin_soon: Runs) -> None:
    ran = await tocsin_soon("topics", "apply", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 1, ran.err


async def test_without_the_address_of_a_broker_it_names_the_setting(tocsin_soon: Runs) -> None:
    ran = await tocsin_soon("topics", "apply")
    assert (ran.code, ran.out) == (2, "")
    assert "KAFKA_BOOTSTRAP_SERVERS" in ran.err
