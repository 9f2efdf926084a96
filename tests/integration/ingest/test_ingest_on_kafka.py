"""What ingest answers with 202 stands in Kafka; what it cannot know it says so."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tocsin.contracts.cloudevents import read_kafka
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.vocabulary import Lane
from tocsin.dev import KafkaServer
from tocsin.kafka import partition_for

if TYPE_CHECKING:
    from tests.integration.ingest.conftest import Environment

pytestmark = pytest.mark.kafka

HELLO: dict[str, Any] = {"workflow": "hello", "recipients": ["ann"], "data": {}}


async def test_accepted_events_stand_in_the_recipients_partition(
    environment: "Environment", until: Any
) -> None:
    await environment.create_topics()
    await environment.add_workflow()
    await environment.add_workflow("urgent", Lane.CRITICAL)
    key = (await environment.add_key("send")).reveal()
    async with environment.ingest() as ingest:
        await until(ingest.ready)
        people = [f"person-{number}" for number in range(20)]
        answers = await asyncio.gather(
            *(
                ingest.post(
                    "/v1/notifications", HELLO | {"recipients": [person]}, key=key, idempotency_key=person
                )
                for person in people
            )
        )
        urgent = await ingest.post("/v1/notifications", HELLO | {"workflow": "urgent"}, key=key)
        assert {answer.status_code for answer in (*answers, urgent)} == {202}
        assert await ingest.end() == 0
    records = await environment.events()
    assert {read_kafka(record.headers, record.value).id for record in records} == set(people)
    for record in records:
        recipient = read_kafka(record.headers, record.value).id
        assert record.key == recipient_key("acme", recipient)
        assert record.partition == partition_for(recipient_key("acme", recipient), 3)
    assert len(await environment.events(Lane.CRITICAL)) == 1


async def test_ready_only_once_the_directory_is_read(environment: "Environment", until: Any) -> None:
    async with environment.ingest() as ingest:
        assert not await ingest.ready()
        answer = await ingest.post("/v1/notifications", HELLO, key="tk_live_a_" + "b" * 40)
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        await environment.create_topics()
        await until(ingest.ready)


async def test_a_revoked_key_stops_within_five_seconds(environment: "Environment", until: Any) -> None:
    await environment.create_topics()
    await environment.add_workflow()
    key = await environment.add_key("send")

    async def refused() -> bool:
        return (await ingest.post("/v1/notifications", HELLO, key=key.reveal())).status_code == 401

    async with environment.ingest() as ingest:
        await until(ingest.ready)
        assert not await refused()
        await environment.revoke(key)
        await until(refused, seconds=5)


async def test_a_broker_that_stops_and_comes_back(
    environment_of: "Callable[[str], Environment]", tmp_path: Path, until: Any
) -> None:
    with KafkaServer(tmp_path / "kafka") as broker:
        environment = environment_of(broker.bootstrap_servers)
        await environment.create_topics()
        await environment.add_workflow()
        key = (await environment.add_key("send")).reveal()
        bounds = {"INGEST_PUBLISH_TIMEOUT": "1", "INGEST_BUFFER_BYTES": str(2 * 1024 * 1024)}
        async with environment.ingest(**bounds) as ingest:
            await until(ingest.ready)

            async def send(name: str, size: int = 0) -> Any:
                body = HELLO | {"data": {"filling": "x" * size}}
                return await ingest.post("/v1/notifications", body, key=key, idempotency_key=name)

            assert (await send("before")).status_code == 202
            broker.kill()
            lost = await send("during")
            assert (lost.status_code, lost.json()["code"]) == (503, "not_known_to_be_stored")
            assert lost.json()["event_id"] == "during"
            assert int(lost.headers["retry-after"]) >= 1

            full = await asyncio.gather(*(send(f"large-{number}", 250_000) for number in range(12)))
            assert {answer.json()["code"] for answer in full} == {"not_known_to_be_stored", "overloaded"}
            assert await ingest.ready(), await ingest.checks()
            assert (
                'tocsin_produce_errors_total{component="ingest",reason="deadline"' in await ingest.metrics()
            )

            broker.start()

            async def taken() -> bool:
                return bool((await send("during")).status_code == 202)

            await until(taken)
            assert (await send("after")).status_code == 202
            assert await ingest.end() == 0
        ids = [read_kafka(record.headers, record.value).id for record in await environment.events()]
        assert {"before", "during", "after"} <= set(ids)


async def test_what_was_published_before_a_request_is_known(environment: "Environment", until: Any) -> None:
    """Workflows and keys, written to the directory and used at once."""
    await environment.create_topics()
    await environment.add_workflow()
    key = (await environment.add_key("send")).reveal()
    async with environment.ingest() as ingest:
        await until(ingest.ready)
        for number in range(15):
            await environment.add_workflow(f"w{number}")
            body = HELLO | {"workflow": f"w{number}"}
            assert (await ingest.post("/v1/notifications", body, key=key)).status_code == 202
        for _ in range(5):
            new = (await environment.add_key("send")).reveal()
            assert (await ingest.post("/v1/notifications", HELLO, key=new)).status_code == 202
        answers = await asyncio.gather(
            *(ingest.post("/v1/notifications", HELLO | {"workflow": "none"}, key=key) for _ in range(100))
        )
        assert {answer.json()["code"] for answer in answers} == {"unknown_workflow"}


DYING = Path(__file__).parents[2] / "dying_programs"


@pytest.mark.parametrize("how", ["aborted", "blocked"])
async def test_a_workflow_that_ends_ingest_is_refused_by_the_next(environment, until, tmp_path, how):
    """The schema's own work ends nobody: the data say how the process is to end while it is looked at."""
    await environment.create_topics()
    key = (await environment.add_key("send")).reveal()
    for name in ("hostile", "other"):
        await environment.add_workflow(name, data_schema={"type": "object"})
    settings = {"PYTHONPATH": str(DYING), "CRASH_NOTES": str(tmp_path / "notes")}

    async with environment.ingest(**settings) as ingest:
        await until(ingest.ready)
        with pytest.raises(httpx.TransportError):
            await ingest.post("/v1/notifications", {"workflow": "hostile", "recipients": ["a"], "data": {"name": how}}, key=key)  # fmt: skip
        assert await ingest.process.wait() < 0  # by a signal
    async with environment.ingest(**settings) as ingest:
        await until(ingest.ready)
        request = {"workflow": "hostile", "recipients": ["a"], "data": {}}
        refused = await ingest.post("/v1/notifications", request, key=key)
        assert (refused.status_code, refused.json()["code"]) == (422, "workflow_unusable")
        assert refused.json()["errors"][0]["pointer"] == "/data"
        assert 'tocsin_refused_revisions{component="ingest"} 1.0' in await ingest.metrics()
        taken = await ingest.post("/v1/notifications", request | {"workflow": "other"}, key=key)
        assert taken.status_code == 202
        await environment.add_workflow("hostile", revision=2, data_schema={"type": "object"})

        async def accepted() -> bool:
            return bool((await ingest.post("/v1/notifications", request, key=key)).status_code == 202)

        await until(accepted)
