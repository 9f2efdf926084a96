"""A migrated directory on a real PostgreSQL, its API through httpx, callers with keys, and the relay that publishes it."""

import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pytest
from fastapi import FastAPI
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp

from tocsin.contracts.directory import ApiKeyRecord, Scope
from tocsin.contracts.topics import Topics
from tocsin.database import DatabaseSettings, create_engine
from tocsin.dev import create_database, drop_database
from tocsin.kafka import Admin, KafkaSettings, TopicSpec, read_to_end
from tocsin.router.address_hashes import AddressHashes
from tocsin.router.api import create_app
from tocsin.router.relay import Relay
from tocsin.router.secret_keys import SecretKey
from tocsin.router.tokens import UnsubscribeTokens
from tocsin.router.trials import TrialProcess, Trials
from tocsin.runtime import Health
from tocsin.testing import ManualClock
from tocsin.testing.until import until
from tocsin.trust import Seal
from tocsin.web import KeyTable, Mode, new_key

ALL: tuple[Scope, ...] = ("send", "read", "manage", "operate")
PUBLIC_URL = "https://notify.example.com"

SECRET = "marked-secret-of-the-tenants-server"
HS256 = {"id": "2026", "algorithm": "HS256", "secret": SECRET}
SHOP = "https://shop.example"

Sign = Callable[..., str]


@pytest.fixture(scope="session")
def empty_directory(postgres_server: str) -> Iterator[str]:
    """The name of a database with the directory's tables, and nobody connected."""
    name = f"directory_{uuid.uuid4().hex[:12]}"
    env = {**os.environ, "DATABASE_URL": create_database(postgres_server, name)}
    subprocess.run([sys.executable, "-m", "tocsin.router", "migrate"], env=env, check=True)
    yield name
    drop_database(postgres_server, name)


@pytest.fixture
def database_template(request: pytest.FixtureRequest) -> str | None:
    """Who asks for an engine gets the tables; who runs the command that makes them begins with nothing."""
    if "engine" not in request.fixturenames:
        return None
    template: str = request.getfixturevalue("empty_directory")
    return template


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An empty directory."""
    made = create_engine(DatabaseSettings(url=database_url), application="test")
    yield made
    await made.dispose()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def keys(clock: ManualClock) -> KeyTable:
    return KeyTable(clock=clock)


@pytest.fixture
def tokens() -> UnsubscribeTokens:
    return UnsubscribeTokens([SecretKey("k1", "s" * 32)])


@pytest.fixture
def seal() -> Seal:
    return Seal([("k1", "s" * 32)])


@pytest.fixture(scope="session")
def trial_process() -> Iterator[TrialProcess]:
    """One child for all tests: it takes a second to start."""
    process = TrialProcess()
    yield process
    process.close()


@pytest.fixture
def app(
    *,
    engine: AsyncEngine,
    keys: KeyTable,
    clock: ManualClock,
    tokens: UnsubscribeTokens,
    trial_process: TrialProcess,
    seal: Seal,
) -> FastAPI:
    return create_app(
        engine=engine,
        keys=keys,
        clock=clock,
        tokens=tokens,
        hashes=AddressHashes([SecretKey("h1", "h" * 32)]),
        public_url=PUBLIC_URL,
        trials=Trials([trial_process]),
        seal=seal,
    )


@dataclass(frozen=True, kw_only=True)
class Directory:
    """What tests look at behind the API."""

    engine: AsyncEngine

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        async with self.engine.begin() as db:
            result = await db.execute(text(statement), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    async def version(self, recipient: str, tenant: str = "acme") -> int:
        query = "SELECT version FROM directory.recipient_versions WHERE tenant = :t AND recipient = :r"
        rows = await self.rows(query, t=tenant, r=recipient)
        return int(rows[0][0]) if rows else 0

    async def changed(self) -> list[tuple[str, ...]]:
        """Takes the outbox: (kind, tenant, key...) of everything that changed since."""
        rows = await self.rows("DELETE FROM directory.outbox RETURNING id, kind, tenant, key")
        return [(kind, tenant, *key) for _, kind, tenant, key in sorted(rows)]


@pytest.fixture
def directory(engine: AsyncEngine) -> Directory:
    return Directory(engine=engine)


@contextmanager
def statements(engine: AsyncEngine) -> Iterator[list[str]]:
    """What is executed within the block."""
    executed: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        executed.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        yield executed
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)


Caller = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def caller(app: FastAPI, keys: KeyTable, directory: Directory) -> AsyncIterator[Caller]:
    """`await caller("acme", scopes=…)`: a client with a key of that tenant, which is made where it does not exist."""
    clients: list[httpx.AsyncClient] = []

    async def make(
        tenant: str = "acme", *, scopes: Iterable[Scope] = ALL, mode: Mode = "live"
    ) -> httpx.AsyncClient:
        await directory.rows(
            "INSERT INTO directory.tenants (id, name) VALUES (:t, :t) ON CONFLICT DO NOTHING", t=tenant
        )
        key = new_key(mode)
        keys.put(ApiKeyRecord(tenant=tenant, id=key.id, mode=mode, sha256=key.sha256, scopes=list(scopes)))
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://router.test",
            headers={"authorization": f"Bearer {key.reveal()}"},
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
async def acme(caller: Caller) -> httpx.AsyncClient:
    """A key of tenant acme with every scope."""
    return await caller("acme")


@pytest.fixture
async def other(caller: Caller) -> httpx.AsyncClient:
    """A key of another tenant with every scope."""
    return await caller("other")


@pytest.fixture
def sign(clock: ManualClock) -> Sign:
    """A token of tenant acme's server for ada, good for an hour."""

    def signed(*, key: Any = SECRET, algorithm: str = "HS256", kid: str = "2026", **claims: Any) -> str:
        now = int(clock.now().timestamp())
        body = {"tid": "acme", "sub": "ada", "aud": "tocsin:inbox", "iat": now, "exp": now + 3600} | claims
        return jwt.encode(body, key, algorithm=algorithm, headers={"kid": kid})

    return signed


@pytest.fixture
async def anybody(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://router.test") as client:
        yield client


@pytest.fixture
async def shop(acme: httpx.AsyncClient) -> httpx.AsyncClient:
    """Tenant acme, with a key for tokens, a category, and ada."""
    for path, body in (
        ("tenant/inbox-keys", {"keys": [HS256], "origins": [SHOP]}),
        ("categories/orders", {"name": "Your orders"}),
        ("recipients/ada", {"email": "ada@example.com"}),
        ("recipients/eve", {"email": "eve@example.com"}),
    ):
        (await acme.put(f"/v1/{path}", json=body)).raise_for_status()
    return acme


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
async def kafka(kafka_server: str, topic_prefix: str) -> KafkaSettings:
    """A broker that has the two topics under a prefix of their own."""
    settings = KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=topic_prefix)
    topics = Topics(topic_prefix)
    admin = Admin(settings=settings)
    await admin.open()
    try:
        specs = [
            TopicSpec(name=name, partitions=1, cleanup="compact", max_message_bytes=2**21)
            for name in (topics.directory, topics.stops)
        ]
        await admin.apply(await admin.plan(specs))
    finally:
        await admin.close()
    return settings


@pytest.fixture
def topics(kafka: KafkaSettings) -> Topics:
    return Topics(kafka.topic_prefix)


@pytest.fixture
def relay(engine: AsyncEngine, kafka: KafkaSettings) -> Relay:
    return Relay(engine=engine, settings=kafka, health=Health(service="router"))


async def published(directory: Directory) -> None:
    """Wait until nothing is left to publish."""

    async def empty() -> bool:
        return await directory.rows("SELECT 1 FROM directory.outbox LIMIT 1") == []

    await until(empty)


async def state(kafka: KafkaSettings, topic: str) -> dict[str, bytes]:
    """What compaction leaves: the last value of each key, without tombstones."""
    held: dict[str, bytes] = {}
    async for records in read_to_end(settings=kafka, topic=topic, deadline=30):
        for record in records:
            assert record.key is not None
            if record.value is None:
                held.pop(record.key.decode(), None)
            else:
                held[record.key.decode()] = record.value
    return held


FLOW: dict[str, Any] = {
    "category": "orders",
    "channels": ["email", "sms"],
    "lane": "critical",
    "event_types": ["com.shop.order.shipped"],
    "recipients": "data.customer",
    "data_schema": {"type": "object"},
}


async def fill(client: httpx.AsyncClient) -> str:
    """One of each, and a recipient who lost an address; returns a key's id."""
    await client.put("/v1/tenant", json={"name": "Acme", "senders": {"email": {"address": "a@example.com"}}})
    await client.put(
        "/v1/categories/orders", json={"name": "Orders", "ttl_seconds": 60, "delivery": "at_most_once"}
    )
    await client.put("/v1/workflows/shipped", json=FLOW)
    await client.put("/v1/tenant/inbox-keys", json={"keys": [HS256], "origins": [SHOP]})
    parts = {"parts": {"body": "Hallo"}, "publish": True}
    await client.put("/v1/workflows/shipped/templates/sms/default/de", json=parts)
    await client.put(
        "/v1/workflows/shipped/templates/sms/default/en", json={"parts": {"body": "Not published"}}
    )
    await client.put("/v1/recipients/a%2Fb", json={"email": "a@example.com"})
    await client.put("/v1/recipients/a%2Fb", json={})
    made = await client.post("/v1/api-keys", json={"scopes": ["send"], "mode": "test", "name": "shop"})
    return str(made.json()["id"])
