"""The API of inboxes in this process, and recipients who call it with tokens of their tenants."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import httpx
import jwt
from fastapi import FastAPI

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import InboxKey, InboxKeysRecord
from tocsin.dispatch_inapp.api import create_app
from tocsin.testing import ManualClock
from tocsin.trust import Seal, TokenHolder
from tocsin.web import InboxKeyTable

from .conftest import NOW, Inboxes

SECRET: Final = "marked-secret-of-the-tenants-server"
SHOP: Final = "https://shop.example"
Call = Callable[..., Any]


@dataclass(frozen=True)
class KeyedRecord:
    """A record of `directory`."""

    key: bytes | None
    value: bytes | None


def key_table(clock: ManualClock) -> InboxKeyTable:
    """Tenants acme and beta have a key of the same name and secret, and acme a page."""
    seal = Seal([("k1", "s" * 32)])
    table = InboxKeyTable(seal=seal, clock=clock)
    for tenant, origins in (("acme", [SHOP]), ("beta", ["https://beta.example"])):
        sealed = seal.seal(SECRET, tenant=tenant, entity="inbox_key/2026")
        record = InboxKeysRecord(
            tenant=tenant, keys=[InboxKey(id="2026", algorithm="HS256", sealed=sealed)], origins=origins
        )
        table.apply(KeyedRecord(record.record_key, encode(record)))
    return table


@dataclass
class InboxApi:
    """The application, its clock, and what it told of changes."""

    app: FastAPI
    clock: ManualClock
    told: list[tuple[str, str, list[UUID]]] = field(default_factory=list)

    def token(self, recipient: str = "ada", tenant: str = "acme", **claims: Any) -> str:
        now = int(self.clock.now().timestamp())
        body = {
            "tid": tenant,
            "sub": recipient,
            "aud": "tocsin:inbox",
            "iat": now,
            "exp": now + 3600,
        } | claims
        return jwt.encode(body, SECRET, algorithm="HS256", headers={"kid": "2026"})

    @asynccontextmanager
    async def of(self, recipient: str = "ada", tenant: str = "acme") -> AsyncIterator[httpx.AsyncClient]:
        """A client of this recipient."""
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app),
            base_url="http://inbox.test",
            headers={"authorization": f"Bearer {self.token(recipient, tenant)}"},
        ) as client:
            yield client


def inbox_api(inboxes: Inboxes) -> InboxApi:
    """Over these tables; it is noon of the day on which items are stored."""
    clock = ManualClock(NOW)

    def note(holder: TokenHolder, items: list[UUID]) -> None:
        api.told.append((holder.tenant, holder.recipient, items))

    app = create_app(database=inboxes.database, directory=key_table(clock), on_change=note, clock=clock)
    api = InboxApi(app, clock)
    return api
