"""`dispatch-inapp` is killed again and again with thousands of jobs before it and apps that follow their boxes: each app sees each item once."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import httpx
import pytest

from tocsin.dispatch_inapp.tickets import Tickets
from tocsin.kafka import KafkaSettings
from tocsin.runtime import SystemClock
from tocsin.testing.service_process import PATIENCE
from tocsin.testing.until import until
from tocsin.trust import Seal, TokenHolder

from .conftest import Inboxes
from .test_killed_dispatcher import JOBS, Site

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

SEAL_SECRET: Final = "s" * 32
APPS: Final = 40
KILLED_AT: Final = (2_000, 6_000)


@dataclass
class App:
    """One that follows the box of its recipient, and connects anew behind the last number whenever its stream ends."""

    recipient: str
    seen: list[int] = field(default_factory=list)
    opened: int = 0

    async def follow(self, where: dict[str, str], tickets: Tickets) -> None:
        until_then = datetime.now(UTC) + timedelta(hours=1)
        holder = TokenHolder(tenant="acme", recipient=self.recipient, expires_at=until_then)
        async with httpx.AsyncClient(timeout=httpx.Timeout(60, connect=5)) as client:
            while True:
                query = {"ticket": tickets.make(holder), "after": str(len(self.seen))}
                with suppress(httpx.HTTPError):
                    async with client.stream(
                        "GET", f"{where['url']}/v1/inbox/events", params=query
                    ) as answer:
                        answer.raise_for_status()
                        self.opened += 1
                        async for line in answer.aiter_lines():
                            if line.startswith('data: {"id"'):
                                self.seen.append(json.loads(line.removeprefix("data: "))["seq"])
                await asyncio.sleep(0.1)


@asynccontextmanager
async def following(where: dict[str, str]) -> AsyncIterator[list[App]]:
    apps = [App(f"r{number}") for number in range(APPS)]
    tickets = Tickets(seal=Seal([("k1", SEAL_SECRET)]), clock=SystemClock())
    tasks = [asyncio.create_task(app.follow(where, tickets)) for app in apps]
    try:
        yield apps
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def site(kafka_server: str, topic_prefix: str, database_url: str, tmp_path: Path) -> Site:
    kafka = KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=topic_prefix)
    return Site(kafka, database_url, tmp_path)


async def test_apps_that_follow_their_boxes_see_each_item_once(
    inboxes: Inboxes, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAL_KEYS", f"k1:{SEAL_SECRET}")
    await site.prepare()
    where = {"url": "http://127.0.0.1:9"}
    sent_to = Counter[str]()

    async def has_stored(rows: int) -> bool:
        stored = await inboxes.rows("SELECT count(*) AS rows FROM inbox.items")
        return int(stored[0]["rows"]) >= rows

    async with following(where) as apps:

        def have_opened(times: int) -> bool:
            return all(app.opened >= times for app in apps)

        def have_seen_all() -> bool:
            return all(len(app.seen) >= sent_to[app.recipient] for app in apps)

        for number, rows in enumerate((*KILLED_AT, JOBS), start=1):
            async with site.dispatcher(number) as process:
                where["url"] = (await process.addresses(2))[1]
                await until(partial(have_opened, number), seconds=PATIENCE)
                sent_to = sent_to or await site.publish_jobs()
                await until(partial(has_stored, rows), seconds=PATIENCE)
                if rows == JOBS:
                    await until(have_seen_all, seconds=PATIENCE)
                process.process.kill()
                await process.ended()
    for app in apps:
        assert app.seen == list(range(1, sent_to[app.recipient] + 1)), app.recipient
    assert sum(len(app.seen) for app in apps) > APPS
    await inboxes.counts_are_those_of_rows()
