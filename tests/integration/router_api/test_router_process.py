"""The router as a process: prepared by a command, ready when it is, ended by SIGTERM, refusing what it cannot promise."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tocsin.contracts.topics import Topics
from tocsin.kafka import Admin, KafkaSettings, ProducerRecord, Publisher, TopicSpec
from tocsin.runtime import Health
from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The environment of a router, and its topics."""

    environment: dict[str, str]
    kafka: KafkaSettings

    async def create_topics(self) -> None:
        topics = Topics(self.kafka.topic_prefix)
        admin = Admin(settings=self.kafka)
        await admin.open()
        try:
            names = (topics.directory, topics.stops)
            specs = [TopicSpec(name=name, partitions=1, cleanup="compact") for name in names]
            await admin.apply(await admin.plan(specs))
        finally:
            await admin.close()

    async def end_of(self, *arguments: str, module: str = "tocsin.router") -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a command that ends by itself."""
        process = await self._start(module, *arguments)
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    @asynccontextmanager
    async def router(self) -> AsyncIterator[tuple[asyncio.subprocess.Process, str, str]]:
        """Role api, the address of its API, and that of its probes and metrics."""
        process = await self._start("tocsin.router", "api")
        try:
            operations, api = [await asyncio.wait_for(_address(process), 60) for _ in range(2)]
            yield process, api, operations
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()

    async def _start(self, module: str, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            *arguments,
            env={**os.environ, **self.environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )


async def _address(process: asyncio.subprocess.Process) -> str:
    """The next one that it says it listens on."""
    assert process.stderr is not None
    async for line in process.stderr:
        said = json.loads(line)
        if said["event"] == "listening":
            return f"http://127.0.0.1:{said['port']}"
    raise AssertionError("it ended before it listened")


async def answered(
    client: httpx.AsyncClient, method: str, path: str, status: int, *, seconds: float = 60, **request: Any
) -> None:
    """Ask until the answer has this status; fail after `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            if (await client.request(method, path, **request)).status_code == status:
                return
            await asyncio.sleep(0.1)


@pytest.fixture
def around(kafka_server: str, topic_prefix: str, database_url: str) -> Surroundings:
    return Surroundings(
        environment={
            "KAFKA_BOOTSTRAP_SERVERS": kafka_server,
            "KAFKA_TOPIC_PREFIX": topic_prefix,
            "DATABASE_URL": database_url,
            "ROUTER_HASH_KEYS": f"h1:{'h' * 32}",
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": "0",
            "OPERATIONS_HOST": "127.0.0.1",
            "OPERATIONS_PORT": "0",
            "LOG_FORMAT": "json",
        },
        kafka=KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=topic_prefix),
    )


async def test_the_first_key_opens_a_router_that_ends_when_told_to(around: Surroundings) -> None:
    assert (await around.end_of("migrate"))[0] == 0
    code, out, _ = await around.end_of(
        "keys", "create", "--tenant", "acme", "--admin", "--create-tenant", module="tocsin.cli"
    )
    assert code == 0
    key = {"authorization": f"Bearer {out.strip()}"}
    async with (
        around.router() as (process, address, operations),
        httpx.AsyncClient(base_url=address) as client,
    ):
        waiting = await client.get(f"{operations}/readyz")
        assert waiting.status_code == 503
        await around.create_topics()
        await answered(client, "GET", f"{operations}/readyz", 200)
        await answered(client, "GET", "/v1/tenant", 200, headers=key)
        odd = await client.put("/v1/recipients/a%2Fb", json={}, headers=key)
        assert (odd.status_code, odd.json()["id"]) == (201, "a/b")
        process.send_signal(signal.SIGTERM)
        _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    assert out.strip().split("_")[-1] not in err.decode()


async def test_a_key_revoked_at_one_router_stops_at_another_within_five_seconds(around: Surroundings) -> None:
    assert (await around.end_of("migrate"))[0] == 0
    await around.create_topics()
    _, out, _ = await around.end_of("keys", "create", "--admin", "--create-tenant", module="tocsin.cli")
    admin = {"authorization": f"Bearer {out.strip()}"}
    async with (
        around.router() as (_, address, _),
        around.router() as (_, second_address, _),
        httpx.AsyncClient(base_url=address) as first,
        httpx.AsyncClient(base_url=second_address) as second,
    ):
        await answered(first, "GET", "/v1/tenant", 200, headers=admin)
        made = (await first.post("/v1/api-keys", json={"scopes": ["read"]}, headers=admin)).json()
        key = {"authorization": f"Bearer {made['key']}"}
        await answered(second, "GET", "/v1/recipients", 200, headers=key)
        revoked = await first.delete(f"/v1/api-keys/{made['id']}", headers=admin)
        assert revoked.status_code == 204
        await answered(second, "GET", "/v1/recipients", 401, seconds=5, headers=key)


async def test_a_database_that_was_not_migrated_is_named(around: Surroundings) -> None:
    code, _, err = await around.end_of("api")
    assert code == 3
    assert "Traceback" not in err
    assert "python -m tocsin.router migrate" in err


async def test_optional_categories_without_a_public_address_stop_the_start(around: Surroundings) -> None:
    assert (await around.end_of("migrate"))[0] == 0
    optional = Surroundings(
        environment={
            **around.environment,
            "PUBLIC_URL": "https://n.example.com",
            "ROUTER_UNSUBSCRIBE_KEYS": f"k:{'s' * 32}",
        },
        kafka=around.kafka,
    )
    await around.create_topics()
    _, out, _ = await around.end_of("keys", "create", "--admin", "--create-tenant", module="tocsin.cli")
    key = {"authorization": f"Bearer {out.strip()}"}
    async with optional.router() as (_, address, _), httpx.AsyncClient(base_url=address) as client:
        await answered(client, "PUT", "/v1/categories/offers", 201, json={}, headers=key)
    code, _, err = await around.end_of("api")
    assert code == 3
    assert "Traceback" not in err
    assert "set PUBLIC_URL and ROUTER_UNSUBSCRIBE_KEYS" in err


async def test_a_directory_that_cannot_be_read_leaves_the_process_standing_with_the_reason(
    around: Surroundings,
) -> None:
    assert (await around.end_of("migrate"))[0] == 0
    await around.create_topics()
    topic = Topics(around.kafka.topic_prefix).directory
    publisher = Publisher(settings=around.kafka, health=Health())
    await publisher.open()
    await publisher.publish([ProducerRecord(topic, b"api_key/acme/k", b'{"kind":"api_key"}')], timeout=30)
    await publisher.close()
    async with (
        around.router() as (process, address, operations),
        httpx.AsyncClient(base_url=address) as client,
    ):
        sentence = f"The record {topic}/0/0 cannot be read (/: Object missing required field `tenant`)"

        async def said() -> bool:
            return sentence in (await client.get(f"{operations}/readyz")).text

        await until(said)
        assert (await client.get(f"{operations}/readyz")).status_code == 503
        assert (await client.get(f"{operations}/livez")).status_code == 200
        process.send_signal(signal.SIGTERM)
        _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 3
    assert "Traceback" not in err.decode()
