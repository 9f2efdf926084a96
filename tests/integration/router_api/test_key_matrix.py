"""Which key may call which route: one table, and every route of every service asked with every kind of key."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal, NamedTuple, get_args

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.contracts.directory import ApiKeyRecord, Scope
from tocsin.contracts.topics import Topics
from tocsin.ingest import create_app as create_ingest
from tocsin.ingest.directory import Directory as IngestDirectory
from tocsin.ingest.publishing import EventPublisher
from tocsin.ingest.service import IngestService
from tocsin.kafka import ProducerRecord, RecordMetadata
from tocsin.ledger import create_app as create_ledger
from tocsin.ledger.dead_letters import DeadLetterReader
from tocsin.ledger.migrations import MIGRATIONS
from tocsin.ledger.reading import TimelineReader
from tocsin.ledger.redrives import Redrives
from tocsin.testing import ManualClock
from tocsin.web import KeyTable, Mode, new_key

from .conftest import Caller, Directory

pytestmark = pytest.mark.postgres


class Asks(NamedTuple):
    """What a route asks of a key: a scope, or None where it asks for none; and whether a test key may call it. `recipient`: it takes no
    key, but a recipient's token."""

    scope: Scope | Literal["recipient"] | None
    test_key: bool = True


OPEN = Asks(None)
OWN = Asks("recipient")
SEND = Asks("send")
READ = Asks("read")
PREVIEW = Asks("manage")
"""Also for what a producer sent: a dead letter's record is more than `read` shows."""
CHANGE = Asks("manage", test_key=False)
OPERATE = Asks("operate", test_key=False)

MATRIX: Final[dict[tuple[str, str], Asks]] = {
    ("POST", "/v1/notifications"): SEND,
    ("POST", "/v1/events"): SEND,
    ("DELETE", "/v1/notifications/{notification_id}"): SEND,  # a test key only what test keys sent
    ("POST", "/v1/cancellations"): SEND,  # the same
    ("GET", "/v1/timelines"): READ,
    ("GET", "/v1/timelines/{notification_id}"): READ,
    ("GET", "/v1/dead-letters"): READ,
    ("GET", "/v1/dead-letters/by-source"): READ,
    ("GET", "/v1/dead-letters/{dead_letter_id}"): PREVIEW,
    ("GET", "/v1/test-webhooks"): READ,
    ("POST", "/v1/redrives"): PREVIEW,  # a test key only over what test keys sent
    ("GET", "/v1/redrives"): READ,
    ("GET", "/v1/redrives/{redrive_id}"): READ,
    ("POST", "/v1/redrives/{redrive_id}/{action}"): PREVIEW,
    ("GET", "/v1/recipients"): READ,
    ("POST", "/v1/recipients/bulk"): CHANGE,
    ("GET", "/v1/recipients/{recipient}"): READ,
    ("PUT", "/v1/recipients/{recipient}"): CHANGE,
    ("DELETE", "/v1/recipients/{recipient}"): CHANGE,
    ("GET", "/v1/recipients/{recipient}/devices"): READ,
    ("GET", "/v1/recipients/{recipient}/devices/{device}"): READ,
    ("PUT", "/v1/recipients/{recipient}/devices/{device}"): CHANGE,
    ("DELETE", "/v1/recipients/{recipient}/devices/{device}"): CHANGE,
    ("GET", "/v1/recipients/{recipient}/preferences"): READ,
    ("PUT", "/v1/recipients/{recipient}/preferences"): CHANGE,
    ("GET", "/v1/categories"): READ,
    ("GET", "/v1/categories/{category}"): READ,
    ("PUT", "/v1/categories/{category}"): CHANGE,
    ("DELETE", "/v1/categories/{category}"): CHANGE,
    ("GET", "/v1/workflows"): READ,
    ("GET", "/v1/workflows/{workflow}"): READ,
    ("PUT", "/v1/workflows/{workflow}"): CHANGE,
    ("DELETE", "/v1/workflows/{workflow}"): CHANGE,
    ("POST", "/v1/workflows/{workflow}/preview"): PREVIEW,
    ("GET", "/v1/workflows/{workflow}/templates"): READ,
    ("GET", "/v1/workflows/{workflow}/templates/{channel}/{name}/{locale}"): READ,
    ("PUT", "/v1/workflows/{workflow}/templates/{channel}/{name}/{locale}"): CHANGE,
    ("DELETE", "/v1/workflows/{workflow}/templates/{channel}/{name}/{locale}"): CHANGE,
    ("POST", "/v1/workflows/{workflow}/templates/{channel}/{name}/{locale}/publish"): CHANGE,
    ("POST", "/v1/workflows/{workflow}/templates/{channel}/{name}/{locale}/unpublish"): CHANGE,
    ("GET", "/v1/workflows/{workflow}/templates/{channel}/{name}/{locale}/revisions"): READ,
    ("GET", "/v1/workflows/{workflow}/templates/{channel}/{name}/{locale}/revisions/{revision}"): READ,
    ("GET", "/v1/suppressions"): READ,
    ("POST", "/v1/suppressions"): CHANGE,
    ("POST", "/v1/suppressions/bulk"): CHANGE,
    ("POST", "/v1/suppressions/search"): READ,
    ("POST", "/v1/suppressions/remove"): CHANGE,
    ("GET", "/v1/suppressions/removals"): READ,
    ("GET", "/v1/tenant"): READ,
    ("PUT", "/v1/tenant"): CHANGE,
    ("GET", "/v1/tenant/inbox-keys"): READ,
    ("PUT", "/v1/tenant/inbox-keys"): CHANGE,
    ("GET", "/v1/webhook-endpoints"): READ,
    ("GET", "/v1/webhook-endpoints/{endpoint}"): READ,
    ("PUT", "/v1/webhook-endpoints/{endpoint}"): CHANGE,
    ("DELETE", "/v1/webhook-endpoints/{endpoint}"): CHANGE,
    ("POST", "/v1/webhook-endpoints/{endpoint}/secrets"): CHANGE,
    ("DELETE", "/v1/webhook-endpoints/{endpoint}/secrets/former"): CHANGE,
    ("GET", "/v1/me/preferences"): OWN,
    ("PUT", "/v1/me/preferences"): OWN,
    ("PATCH", "/v1/me/preferences"): OWN,
    ("GET", "/v1/me/devices"): OWN,
    ("PUT", "/v1/me/devices/{device}"): OWN,
    ("DELETE", "/v1/me/devices/{device}"): OWN,
    ("GET", "/v1/tenants"): OPERATE,
    ("POST", "/v1/tenants"): OPERATE,
    ("GET", "/v1/tenants/{tenant}"): OPERATE,
    ("PUT", "/v1/tenants/{tenant}"): OPERATE,
    ("POST", "/v1/tenants/{tenant}/api-keys"): OPERATE,
    ("GET", "/v1/api-keys"): READ,
    ("POST", "/v1/api-keys"): CHANGE,
    ("GET", "/v1/api-keys/{key_id}"): READ,
    ("POST", "/v1/api-keys/{key_id}/rotate"): CHANGE,
    ("DELETE", "/v1/api-keys/{key_id}"): CHANGE,
    ("GET", "/u/{token}"): OPEN,
    ("POST", "/u/{token}"): OPEN,
}
"""Every route. One that is not here fails the first test below: decide what it asks of a key, and whether a test key may call it."""

NAMES = {
    "notification_id": "5a0f4f4e-0000-5000-8000-000000000001",
    "dead_letter_id": "5a0f4f4e-0000-5000-8000-000000000002",
    "redrive_id": "5a0f4f4e-0000-5000-8000-000000000003",
    "action": "pause",
    "recipient": "ada",
    "device": "phone",
    "category": "orders",
    "workflow": "shipped",
    "channel": "sms",
    "name": "default",
    "endpoint": "shop",
    "locale": "de",
    "revision": "1",
    "tenant": "acme",
    "key_id": "k" * 16,
    "token": "a.b",
}
FLOW = {"category": "orders", "channels": ["sms"]}
FILLED: dict[str, Any] = {
    "recipients/ada": {"email": "ada@example.com"},
    "recipients/ada/devices/phone": {"token": "t"},
    "categories/orders": {"default": "required"},
    "workflows/shipped": FLOW,
    "workflows/shipped/templates/sms/default/de": {"parts": {"body": "Hallo"}, "publish": True},
    "webhook-endpoints/shop": {"url": "https://hooks.shop.example/"},
}
"""Tenant acme before a test."""
BODIES: dict[str, Any] = {
    "/v1/notifications": {"workflow": "shipped", "recipients": ["ada"]},
    "/v1/redrives": {"notifications": {"channel": "sms"}},
    "/v1/cancellations": {"key": "order 7"},
    "/v1/recipients/bulk": {"recipients": [{"id": "bob"}]},
    "/v1/recipients/{recipient}/devices/{device}": {"token": "t2"},
    "/v1/recipients/{recipient}/preferences": {"preferences": []},
    "/v1/categories/{category}": {"default": "required"},
    "/v1/workflows/{workflow}": FLOW,
    "/v1/workflows/{workflow}/preview": {"channel": "sms", "parts": {"body": "x"}},
    "/v1/workflows/{workflow}/templates/{channel}/{name}/{locale}": {"parts": {"body": "changed"}},
    "/v1/suppressions": {"channel": "sms", "address": "+493012345678"},
    "/v1/suppressions/bulk": {"suppressions": [{"channel": "sms", "address": "+493012345679"}]},
    "/v1/suppressions/search": {"channel": "sms", "address": "+493012345678"},
    "/v1/suppressions/remove": {"channel": "sms", "address": "+493012345678", "reason": "asked"},
    "/v1/tenant/inbox-keys": {"keys": []},
    "/v1/me/preferences": {"preferences": []},
    "/v1/me/devices/{device}": {"token": "t3"},
    "/v1/tenants": {"id": "made"},
    "/v1/tenants/{tenant}/api-keys": {"scopes": ["operate"]},
    "/v1/api-keys": {"scopes": ["manage"]},
}


class Kind(NamedTuple):
    """A kind of key: whose, with which scopes, in which mode, and whether it works."""

    tenant: str
    scopes: tuple[Scope, ...]
    mode: Mode
    works: bool = True

    @property
    def changes(self) -> bool:
        """Whether anything can be changed with it."""
        return self.works and self.mode == "live" and bool({"manage", "operate"} & {*self.scopes})

    def __str__(self) -> str:
        return f"{'' if self.works else 'dead '}{self.mode} {'+'.join(self.scopes)} of {self.tenant}"


ALL: tuple[Scope, ...] = get_args(Scope)
MODES: tuple[Mode, ...] = get_args(Mode)
KINDS = [
    *(Kind("acme", (scope,), mode) for scope in ALL for mode in MODES),
    *(Kind("other", ("send", "read", "manage"), mode) for mode in MODES),
    Kind("acme", ALL, "live", works=False),
]


@dataclass(frozen=True, kw_only=True)
class Installation:
    """The three services over one database, and their keys."""

    clients: dict[FastAPI, httpx.AsyncClient]
    keys: KeyTable
    clock: ManualClock
    directory: Directory

    def key(self, kind: Kind) -> str:
        key = new_key(kind.mode)
        ends = None if kind.works else self.clock.now() - timedelta(seconds=1)
        record = ApiKeyRecord(
            tenant=kind.tenant, id=key.id, mode=kind.mode, sha256=key.sha256, scopes=list(kind.scopes), expires_at=ends
        )  # fmt: skip
        self.keys.put(record)
        return key.reveal()

    async def ask(
        self, app: FastAPI, method: str, path: str, key: str | None, *, body: Any = None
    ) -> httpx.Response:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        if body is None and method in {"POST", "PUT"}:
            body = BODIES.get(path, {})
        return await self.clients[app].request(method, path.format(**NAMES), json=body, headers=headers)

    async def rows(self) -> set[str]:
        """All that the directory holds."""
        tables = await self.directory.rows(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'directory'"
        )
        return {
            f"{table}: {row}"
            for (table,) in tables
            for row in await self.directory.rows(f"SELECT * FROM directory.{table}")
        }


def routes(apps: Iterable[FastAPI]) -> Iterator[tuple[FastAPI, str, str, Any]]:
    """Application, method, path, and what the document says of keys."""
    for app in apps:
        for path, operations in app.openapi()["paths"].items():
            for method, operation in operations.items():
                yield app, method.upper(), path, operation.get("security")


class ManySources:
    """Each request comes from an address of its own: that many failures of one are slowed is shown elsewhere."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._number = itertools.count(256)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        high, low = divmod(next(self._number), 256)
        await self._app({**scope, "client": (f"10.0.{high}.{low}", 1)}, receive, send)


class NoBroker:
    """Acknowledges everything."""

    async def publish(self, records: Sequence[ProducerRecord], *, timeout: float) -> list[RecordMetadata]:  # noqa: ASYNC109 - as Publisher has it
        return [RecordMetadata(record.topic, 0, 0, 0) for record in records]


def ingest(keys: KeyTable) -> FastAPI:
    caught_up = asyncio.Event()
    caught_up.set()
    publisher = EventPublisher(kafka=NoBroker(), topics=Topics(), timeout=1, retry_after=1)
    service = IngestService(directory=IngestDirectory(keys=keys), publisher=publisher, caught_up=caught_up)
    return create_ingest(service=service)


@pytest.fixture
async def installation(
    *,
    app: FastAPI,
    engine: AsyncEngine,
    keys: KeyTable,
    clock: ManualClock,
    directory: Directory,
    caller: Caller,
) -> AsyncIterator[Installation]:
    await MIGRATIONS.upgrade(engine)
    acme = await caller("acme")
    await caller("other")
    for path, body in FILLED.items():
        (await acme.put(f"/v1/{path}", json=body)).raise_for_status()
    await directory.rows(
        "INSERT INTO directory.api_keys (tenant, id, name, mode, sha256, scopes) "
        f"VALUES ('acme', '{NAMES['key_id']}', '', 'live', '{'0' * 64}', '{{manage}}')"
    )
    ledger = create_ledger(
        reader=TimelineReader(engine=engine),
        dead_letters=DeadLetterReader(engine=engine),
        redrives=Redrives(engine=engine),
        keys=keys,
    )
    apps = (ingest(keys), app, ledger)
    async with AsyncExitStack() as stack:
        clients = {
            app: await stack.enter_async_context(
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(ManySources(app)), base_url="http://t", trust_env=False
                )
            )
            for app in apps
        }
        yield Installation(clients=clients, keys=keys, clock=clock, directory=directory)


def test_the_table_has_every_route_and_the_documents_say_the_same(app: FastAPI) -> None:
    said = {
        (method, path): scopes[0].get("apiKey", ["recipient"])[0] if scopes else None
        for _, method, path, scopes in routes((create_ingest(), app, create_ledger()))
    }
    assert said == {route: asks.scope for route, asks in MATRIX.items()}


def expected(asks: Asks, kind: Kind | None) -> tuple[int, str] | None:
    """Status and code of the refusal, or None where the key is let in."""
    if asks.scope is None:
        return None
    if asks.scope == "recipient":
        return 401, "token_invalid"
    if kind is None or not kind.works:
        return 401, "unauthenticated"
    if kind.mode == "test" and not asks.test_key:
        return 403, "test_key"
    return None if asks.scope in kind.scopes else (403, "scope_missing")


async def walk(installation: Installation, kind: Kind | None) -> None:
    """Ask every route with such a key."""
    key = None if kind is None else installation.key(kind)
    for app, method, path, _ in routes(installation.clients):
        answer = await installation.ask(app, method, path, key)
        refused = (answer.status_code, answer.json()["code"]) if answer.status_code in {401, 403} else None
        assert refused == expected(MATRIX[method, path], kind), (str(kind), method, path, answer.text)
        assert answer.status_code < 500, (str(kind), method, path, answer.text)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.changes], ids=str)
async def test_a_live_key_reaches_what_it_may_and_only_its_tenant(
    installation: Installation, kind: Kind
) -> None:
    before = await installation.rows()
    await walk(installation, kind)
    after = await installation.rows()
    assert after != before
    if kind.tenant == "other":
        assert {row for row in before if "'acme'" in row} == {row for row in after if "'acme'" in row}


async def test_no_other_key_changes_anything(installation: Installation) -> None:
    """No key, one that works no longer, a test key of any scope, a live key that only sends or reads."""
    before = await installation.rows()
    for kind in [None, *(kind for kind in KINDS if not kind.changes)]:
        await walk(installation, kind)
        assert await installation.rows() == before, str(kind)


LIVE_MATTERS = [
    ("POST", "/v1/api-keys", {"mode": "live", "scopes": ["send", "read", "manage"]}),
    ("POST", "/v1/api-keys", {"mode": "test", "scopes": ["send"]}),
    ("POST", f"/v1/api-keys/{NAMES['key_id']}/rotate", {}),
    ("DELETE", f"/v1/api-keys/{NAMES['key_id']}", None),
    ("PUT", "/v1/recipients/ada", {"email": "mallory@example.com"}),
    ("PUT", "/v1/tenant", {"senders": {"email": {"address": "mallory@example.com"}}}),
    ("POST", "/v1/tenants/other/api-keys", {"mode": "live", "scopes": ["operate"]}),
]


async def test_a_test_key_with_every_scope_reaches_nothing_live(
    installation: Installation, app: FastAPI
) -> None:
    before = await installation.rows()
    key = installation.key(Kind("acme", ALL, "test"))
    for method, path, body in LIVE_MATTERS:
        answer = await installation.ask(app, method, path, key, body=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "test_key"), path
        assert "Use a live key with the scope" in answer.json()["detail"]
    assert await installation.rows() == before
