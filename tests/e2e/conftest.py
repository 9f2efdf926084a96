"""The whole of Tocsin, as producers, recipients and support people meet it."""

import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tocsin.contracts import ids
from tocsin.testing.until import until

DATA = {"order": "A-77", "carrier": "ParcelCo", "arrives": "Friday"}
CHANNELS = {"email", "sms", "push"}


@dataclass
class Person:
    """One recipient no other test uses, with addresses of their own."""

    id: str
    email: str
    phone: str
    token: str


@dataclass
class Tocsin:
    """The stack from outside: its entry with a key of each kind, and the catcher."""

    stack: dict[str, Any]
    api: httpx.AsyncClient
    admin: httpx.AsyncClient
    catcher: httpx.AsyncClient
    people: list[Person] = field(default_factory=list)

    @property
    def sample(self) -> dict[str, Any]:
        return dict(self.stack["sample"])

    def endpoints(self) -> dict[str, Any]:
        """What stands in endpoints.json now: processes change when they are started again."""
        log = Path(next(iter(self.stack["processes"].values()))["log"])
        content: dict[str, Any] = json.loads((log.parents[1] / "endpoints.json").read_text())
        return content

    async def person(self, *, locale: str = "en") -> Person:
        """Creates a recipient and returns it."""
        name = f"p{uuid.uuid4().hex[:10]}"
        number = int(name[1:], 16) % 10_000_000
        person = Person(
            id=name,
            email=f"{name}@person.example",
            phone=f"+49171{number:07d}",
            token=f"token-{name}",
        )
        body = {
            "email": person.email,
            "phone": person.phone,
            "locale": locale,
            "attributes": {"first_name": "Secret-Name"},
        }
        answer = await self.admin.put(f"/v1/recipients/{name}", json=body)
        assert answer.is_success, answer.text
        device = {"token": person.token}
        answer = await self.admin.put(f"/v1/recipients/{name}/devices/{name}-phone", json=device)
        assert answer.is_success, answer.text
        self.people.append(person)
        return person

    def notification(self, *, event_id: str, source: str, recipient: str, workflow: str | None = None) -> str:
        return ids.notification_id(
            tenant=self.sample["tenant"],
            source=source,
            event_id=event_id,
            recipient=recipient,
            workflow=workflow or self.sample["workflow"],
        )

    async def caught(self, notification: str) -> list[dict[str, Any]]:
        """What the catcher has of one notification."""
        messages = (await self.catcher.get("/api/messages")).raise_for_status().json()
        return [message for message in messages if message["notification_id"] == notification]

    async def timeline(self, notification: str) -> dict[str, Any]:
        """The timeline; empty while nothing is known."""
        answer = await self.api.get(f"/v1/timelines/{notification}")
        return answer.json() if answer.status_code == 200 else {"timeline": []}

    async def statuses(self, notification: str) -> list[dict[str, Any]]:
        return list((await self.timeline(notification))["timeline"])

    async def until_final(self, notification: str, *, deliveries: int = 3) -> list[dict[str, Any]]:
        """The statuses once so many deliveries have come to their end."""

        async def ended() -> bool:
            statuses = await self.statuses(notification)
            return (
                len({s["delivery_id"] for s in statuses if s["final"] and s.get("delivery_id")}) >= deliveries
            )

        await until(ended, seconds=60, every=0.1)
        return await self.statuses(notification)

    async def assert_three_messages(self, notification: str) -> None:
        """One on each channel, and every status of each in the timeline."""
        statuses = await self.until_final(notification)
        caught = sorted(message["channel"] for message in await self.caught(notification))
        assert caught == sorted(CHANNELS), [
            (s["status"], s.get("channel"), s.get("reason")) for s in statuses
        ]
        names = [s["status"] for s in statuses]
        assert names.count("accepted") == 1
        assert {s["channel"] for s in statuses if s["status"] == "routed"} == CHANNELS
        assert {s["channel"] for s in statuses if s["status"] == "sent"} == CHANNELS
        assert len(names) == 7, names


@pytest.fixture
async def tocsin(local_stack: dict[str, Any]) -> AsyncIterator[Tocsin]:
    entry, catcher = local_stack["entry"], local_stack["catcher"]

    def client(key: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=entry, headers={"authorization": f"Bearer {key}"}, timeout=30)

    async with (
        client(local_stack["api_key"]) as api,
        client(local_stack["admin_key"]) as admin,
        httpx.AsyncClient(base_url=catcher, timeout=30) as caught,
    ):
        yield Tocsin(stack=local_stack, api=api, admin=admin, catcher=caught)


@pytest.fixture
def event(local_stack: dict[str, Any]) -> dict[str, Any]:
    """A CloudEvent of the sample's type without subject."""
    sample = local_stack["sample"]
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "https://foreign.example",
        "type": sample["event_type"],
        "tenant": sample["tenant"],
        "data": DATA,
    }
