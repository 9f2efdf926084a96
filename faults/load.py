"""What producers send while a scenario runs: people's messages over HTTP, each person's one after the other."""

import asyncio
import contextlib
import itertools
import json
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import aiohttp

from ground import TENANT, Ground
from reached import REACHED
from tenants import PEOPLE, person, workflow_of
from tocsin.contracts.events import NOTIFICATION_REQUESTED
from tocsin.contracts.ids import notification_id, recipient_key
from tocsin.contracts.vocabulary import Lane

REPEAT_AFTER = 0.1  # seconds
CALL_SECONDS = 20.0
_SOURCE = "/faults"


class Way(NamedTuple):
    """What a message is for and how it goes: messages with the same way are in order."""

    tenant: str
    channel: str
    lane: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A message whose event was answered with 202."""

    way: Way
    sequence: int
    notification: str
    at: float
    """When it was answered, in seconds since 1970."""
    due: float
    """When it was to be sent."""


class KafkaEvent(NamedTuple):
    """What a program writes to `events.<lane>` for one message: a structured CloudEvent."""

    notification: str
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class _Pace:
    """When a person's messages are sent: seconds until the first one and between two, until it has ended."""

    first: float
    every: float
    ended: asyncio.Event
    catches_up: bool
    """Whether what could not be sent in time is sent as soon as it can be, so that the rate stays whatever is slow (an open loop)."""


class Load:
    """Sends until it is told to stop. `sent` grows; a request that fails is repeated under its key until it is accepted."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._sequences: dict[Way, itertools.count[int]] = {}
        self._turns = itertools.count()
        self.sent: list[Sent] = []
        self.repeats = 0

    @contextlib.asynccontextmanager
    async def flowing(
        self,
        rate: float,
        *,
        tenant: str = TENANT,
        channels: Sequence[str] = REACHED,
        lanes: Sequence[str] = tuple(Lane),
        people: int = 40,
        catches_up: bool = False,
    ) -> AsyncIterator[None]:
        """So many messages a second while the context lasts, spread evenly over channels, lanes and people. With `catches_up` also where
        something holds the senders up: then they send afterwards what was due meanwhile.

        When it is left, every request that was begun has been accepted.
        """
        assert people <= PEOPLE
        ended = asyncio.Event()
        ways = list(itertools.product(channels, lanes))
        async with self._client(tenant) as client, asyncio.TaskGroup() as senders:
            for number in range(people):
                pace = _Pace(number / rate, people / rate, ended, catches_up)
                mine = [Way(tenant, channel, lane, person(number)) for channel, lane in ways]
                senders.create_task(self._person(client, mine, pace))
            try:
                yield
            finally:
                ended.set()

    async def backlog(
        self, count: int, *, channel: str, lane: str, tenant: str = TENANT, people: int = 40
    ) -> list[Sent]:
        """So many messages as fast as they are taken; returns when all are accepted."""
        before = len(self.sent)
        async with self._client(tenant) as client, asyncio.TaskGroup() as senders:
            for number in range(people):
                way = Way(tenant, channel, lane, person(number))
                share = count // people + (number < count % people)
                senders.create_task(self._so_many(client, way, share))
        return self.sent[before:]

    async def planned(
        self, people: Sequence[int], *, channel: str, lane: str, due: float, each: int = 1
    ) -> list[Sent]:
        """Messages to these people that are to be sent at `due`, in seconds since 1970; returns when all are accepted."""
        ways = [Way(TENANT, channel, lane, person(number)) for number in people for _ in range(each)]
        async with self._client(TENANT) as client:
            return [await self._send(client, way, send_at=due) for way in ways]

    async def one(self, way: Way, *, workflow: str) -> None:
        """One message by a workflow that is not one of the tenants' usual ones."""
        async with self._client(way.tenant) as client:
            await self._send(client, way, workflow=workflow)

    async def cancel(self, sent: Sequence[Sent], *, tenant: str = TENANT) -> None:
        """Take these back, each by its id; returns when all wishes are accepted."""
        async with self._client(tenant) as client:
            for one in sent:
                while not await self._cancelled(client, one.notification):  # noqa: ASYNC110 - ingest is in another process
                    await asyncio.sleep(REPEAT_AFTER)

    def events(self, count: int, *, lane: Lane, counts: bool = True) -> list[KafkaEvent]:
        """Events for one channel after the other, for whoever calls this to write; to people whom nobody else writes to, since their order
        would be anybody's. Unless they do not count, they are looked for as everything that was sent."""
        made = []
        for number in range(count):
            way = Way(TENANT, REACHED[number % len(REACHED)], lane, person(number % 40 + PEOPLE - 40))
            sequence = next(self._sequences.setdefault(way, itertools.count(1)))
            event = _event(way, sequence)
            made.append(event)
            if counts:
                now = time.time()
                self.sent.append(Sent(way, sequence, event.notification, now, now))
        return made

    async def _cancelled(self, client: aiohttp.ClientSession, notification: str) -> bool:
        urls = self._ground.urls("ingest")
        url = urls[next(self._turns) % len(urls)]
        try:
            async with client.delete(f"{url}/v1/notifications/{notification}") as answer:
                return answer.status == 202
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _so_many(self, client: aiohttp.ClientSession, way: Way, count: int) -> None:
        for _ in range(count):
            await self._send(client, way)

    async def _person(self, client: aiohttp.ClientSession, ways: Sequence[Way], pace: "_Pace") -> None:
        due = time.monotonic() + pace.first
        for way in itertools.cycle(ways):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(pace.ended.wait(), max(0.0, due - time.monotonic()))
            if pace.ended.is_set():
                return
            await self._send(client, way, late=max(0.0, time.monotonic() - due))
            due += pace.every
            if not pace.catches_up:
                due = max(due, time.monotonic())

    async def _send(
        self,
        client: aiohttp.ClientSession,
        way: Way,
        *,
        late: float = 0.0,
        send_at: float | None = None,
        workflow: str | None = None,
    ) -> Sent:
        """Once it is accepted."""
        due = time.time() - late if send_at is None else send_at
        sequence = next(self._sequences.setdefault(way, itertools.count(1)))
        body = _request(way, sequence)
        if send_at is not None:
            body["send_at"] = datetime.fromtimestamp(send_at, UTC).isoformat()
        if workflow is not None:
            body["workflow"] = workflow
        key = {"Idempotency-Key": str(uuid.uuid4())}
        while (notification := await self._accepted(client, body, key)) is None:
            self.repeats += 1
            await asyncio.sleep(REPEAT_AFTER)
        sent = Sent(way, sequence, notification, time.time(), due)
        self.sent.append(sent)
        return sent

    async def _accepted(
        self, client: aiohttp.ClientSession, body: dict[str, Any], headers: dict[str, str]
    ) -> str | None:
        """The notification's id; None where the request has to be repeated."""
        urls = self._ground.urls("ingest")
        url = urls[next(self._turns) % len(urls)]
        try:
            async with client.post(f"{url}/v1/notifications", json=body, headers=headers) as answer:
                if answer.status == 202:
                    taken = await answer.json()
                    return str(taken["notifications"][0]["notification_id"])
                if answer.status in {429, 503}:
                    return None
                raise RuntimeError(f"ingest answered {answer.status}: {await answer.text()}")
        except (aiohttp.ClientError, TimeoutError):
            return None

    def _client(self, tenant: str) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._ground.keys[tenant]}"},
            timeout=aiohttp.ClientTimeout(total=CALL_SECONDS),
        )


def _request(way: Way, sequence: int) -> dict[str, Any]:
    return {
        "workflow": workflow_of(way.channel, way.lane),
        "recipients": [way.recipient],
        "data": {"lane": way.lane, "sequence": sequence},
    }


def _event(way: Way, sequence: int) -> KafkaEvent:
    event_id, workflow = str(uuid.uuid4()), workflow_of(way.channel, way.lane)
    event = {
        "specversion": "1.0", "id": event_id, "source": _SOURCE, "type": NOTIFICATION_REQUESTED, "tenant": way.tenant,
        "datacontenttype": "application/json", "data": _request(way, sequence),
    }  # fmt: skip
    notification = notification_id(
        tenant=way.tenant, source=_SOURCE, event_id=event_id, recipient=way.recipient, workflow=workflow
    )
    return KafkaEvent(notification, recipient_key(way.tenant, way.recipient), json.dumps(event).encode())
