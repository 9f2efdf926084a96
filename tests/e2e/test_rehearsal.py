"""What an on-call person relies on: each of six incidents on a running stack pages within a minute, and nothing else does.

Rules, routes, waits and silences are those that are shipped; only scrapes and judgements are more frequent. The seconds are printed.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e.incidents import (
    dead_mail_server,
    frozen,
    full_outbox,
    one_provider_each,
    poison,
    refused_credentials,
)
from tests.e2e.pager import Pager, Who, on_call

from tocsin.dev.observe import WitnessServer
from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.prometheus]

WITHIN = 60
"""Seconds from the harm to the page: the issue at stake, not a guess of how long it takes."""
A_SECOND = 2

MUST = {
    ("TocsinChannelDown", "dispatch-email"): "dead mail server",
    ("TocsinCredentialsRefused", "dispatch-sms"): "refused credentials",
    ("TocsinChannelDown", "dispatch-sms"): "refused credentials of the channel's one provider",
    ("TocsinPoison", "router"): "poison",
    ("TocsinOutboxOld", "router"): "full outbox",
}
FROZEN = {("TocsinComponentGone", "router")}
WAITING = {("TocsinRecordsWait", "router")}
"""It pages, too, where the group that Alertmanager gathers is told before the cause is known, which then silences it."""


@pytest.fixture
def targets(local_stack: dict[str, Any], tmp_path: Path) -> Iterator[dict[str, str]]:
    """All processes of the stack, and a witness."""
    with WitnessServer(tmp_path / "witness", kafka=local_stack["kafka"]) as witness:
        yield {**local_stack["operations"], witness.name: witness.url}


@pytest.fixture(autouse=True)
def one_provider(local_stack: dict[str, Any]) -> Iterator[None]:
    """A channel is down when its only provider is."""
    with one_provider_each(local_stack, "email", "sms"):
        yield


@pytest.fixture
async def workflow(tocsin: Any) -> str:
    """Critical, by mail and text message."""
    key = f"rehearsal-{uuid.uuid4().hex[:8]}"
    body = {"name": "Rehearsal", "category": "orders", "lane": "critical", "channels": ["email", "sms"]}
    (await tocsin.admin.put(f"/v1/workflows/{key}", json=body)).raise_for_status()
    for channel, parts in (("email", {"subject": "Code", "text": "4711"}), ("sms", {"body": "4711"})):
        path = f"/v1/workflows/{key}/templates/{channel}/default/en"
        saved = await tocsin.admin.put(path, json={"parts": parts, "publish": True})
        saved.raise_for_status()

    await until(partial(arrives, tocsin, key), seconds=60, every=0.2)
    return key


async def arrives(tocsin: Any, workflow: str) -> bool:
    """Whether a message comes through, by mail and text message."""
    answer = await send(tocsin, workflow)
    if answer.status_code != 202:
        return False
    notification = answer.json()["notifications"][0]["notification_id"]
    statuses = await tocsin.until_final(notification, deliveries=2)
    return [status["status"] for status in statuses].count("sent") == 2


async def send(tocsin: Any, workflow: str) -> httpx.Response:
    name = f"p{uuid.uuid4().hex[:8]}"
    person = {"id": name, "email": f"{name}@person.example", "phone": "+491713920009"}
    answer: httpx.Response = await tocsin.api.post(
        "/v1/notifications", json={"workflow": workflow, "recipients": [person], "data": {}}
    )
    return answer


@pytest.fixture
async def load(tocsin: Any, workflow: str) -> AsyncIterator[None]:
    """Some messages a second, whatever happens."""

    async def messages() -> None:
        while True:
            answer = await send(tocsin, workflow)
            assert answer.status_code == 202, answer.text
            await asyncio.sleep(1 / A_SECOND)

    sending = asyncio.create_task(messages())
    yield
    sending.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sending
    # Others' tests use the stack, too.
    await until(partial(arrives, tocsin, workflow), seconds=120, every=0.2)


async def save_category(tocsin: Any, name: str) -> None:
    answer = await tocsin.admin.put(f"/v1/categories/{name}", json={"default": "on"})
    assert answer.status_code == 202, answer.text


async def pages(pager: Pager, expected: set[Who]) -> None:
    """Return once all expected have paged; say what did where they do not."""
    try:
        await until(lambda: expected <= pager.pages.keys(), seconds=WITHIN, every=0.2)
    except TimeoutError:
        pytest.fail(f"after {WITHIN} s these have not paged: {expected - pager.pages.keys()}; these have: {pager.pages}")  # fmt: skip


async def all_is_well(targets: dict[str, str], pager: Pager) -> None:
    """Every process is seen, nothing is about to page, and nothing waits."""
    await until(lambda: pager.sees_all(len(targets)), seconds=120, every=0.5)


async def test_four_incidents_at_once_page_each_for_itself(
    tocsin: Any,
    load: None,
    targets: dict[str, str],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    stack = tocsin.stack
    with on_call(tmp_path / "on-call", targets) as pager:
        await all_is_well(targets, pager)
        began = time.monotonic()
        async with (
            dead_mail_server(stack),
            refused_credentials(stack),
            poison(stack),
            full_outbox(stack, partial(save_category, tocsin)),
        ):
            await pages(pager, set(MUST))
            nothing_but(pager, set(MUST))
        for alert, moment in pager.pages.items():
            record_property("measured", f"{MUST[alert]}: {alert[0]} pages after {moment - began:.0f} s")


async def test_a_frozen_router_pages(
    tocsin: Any,
    load: None,
    targets: dict[str, str],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    with on_call(tmp_path / "on-call", targets) as pager:
        await all_is_well(targets, pager)
        began = time.monotonic()
        async with frozen(tocsin.endpoints(), "router"):
            await pages(pager, FROZEN)
            nothing_but(pager, FROZEN, beside=WAITING)
        for alert, moment in pager.pages.items():
            record_property("measured", f"frozen router: {alert[0]} pages after {moment - began:.0f} s")


@pytest.mark.nightly
async def test_two_messages_for_a_dead_mail_server_page(
    tocsin: Any,
    workflow: str,
    targets: dict[str, str],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """They are put off, and wait in timers: nothing waits in the dispatcher."""
    operations = tocsin.stack["operations"]["dispatch-email"]

    async def fails() -> bool:
        assert (await send(tocsin, workflow)).status_code == 202
        async with httpx.AsyncClient(base_url=operations) as client:
            views = (await client.get("/internal/providers")).json()["providers"]
        return any(view["last_error"] for view in views)

    with on_call(tmp_path / "on-call", targets) as pager:
        await all_is_well(targets, pager)
        async with dead_mail_server(tocsin.stack):
            await until(fails, seconds=60, every=2)  # the dispatcher has read its file, and one message fails
            began = time.monotonic()
            await send(tocsin, workflow)  # each is tried three times at once, and five calls open the breaker
            await pages(pager, {("TocsinChannelDown", "dispatch-email")})
            nothing_but(pager, {("TocsinChannelDown", "dispatch-email")})
        for alert, moment in pager.pages.items():
            record_property(
                "measured", f"few messages, no provider: {alert[0]} pages after {moment - began:.0f} s"
            )
    await until(partial(arrives, tocsin, workflow), seconds=120, every=0.2)


def nothing_but(pager: Pager, expected: set[Who], *, beside: frozenset[Who] | set[Who] = frozenset()) -> None:
    """Neither has anything else paged, nor will it: nothing that fires is silenced by nothing."""
    assert (pager.pages.keys() | pager.about_to_page()) - beside == expected
    assert not [text for text in pager.texts if "<no value>" in text or "<error" in text]
