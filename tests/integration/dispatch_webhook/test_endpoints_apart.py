"""Each endpoint is a far end: what one does holds up no message to another, not even about the same recipient."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.dispatch_webhook.webhook_world import WebhookWorld, endpoint, put
from tests.unit.channel.conftest import LaneBench

from tocsin.channel.breaker import BreakerPolicy
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Channel, Lane, Reason, StatusName
from tocsin.dispatch_webhook.settings import kinds_for
from tocsin.kafka.consume import turn_reading
from tocsin.runtime.outgoing import AllowedTargets
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import Behaviour
from tocsin.testing.until import until

EACH = 2
"""Places of an endpoint."""


@pytest.fixture
async def works() -> AsyncIterator[WebhookWorld]:
    world = WebhookWorld()
    await world.listen()
    yield world
    await world.hang_up()


@pytest.fixture
async def troubled() -> AsyncIterator[WebhookWorld]:
    world = WebhookWorld()
    await world.listen()
    yield world
    await world.hang_up()


@pytest.fixture
async def bench(
    tmp_path: Path, works: WebhookWorld, troubled: WebhookWorld, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LaneBench]:
    """A lane with one instance for both endpoints."""
    monkeypatch.setattr(turn_reading, "POLL_SECONDS", 0.01)
    # A breaker that has opened stays open.
    monkeypatch.setattr("tocsin.channel.provider_pool.POLICY", BreakerPolicy(first_pause=3600))
    put(works.endpoints, endpoint(works.hook, key="works"))
    put(works.endpoints, endpoint(troubled.hook, key="troubled"))
    bench = LaneBench(
        tmp_path,
        channel=Channel.WEBHOOK,
        kinds=kinds_for(works.endpoints, AllowedTargets(["127.0.0.1:*"])),
        turn_of=works.endpoints.turn_of,
    )
    (tmp_path / "providers.toml").write_text(
        f'[[providers]]\nname = "webhooks"\nkind = "webhook"\nmax_in_flight = 16\nmax_in_flight_per_endpoint = {EACH}\n'
    )
    await bench.open(lanes=[Lane.TRANSACTIONAL])
    yield bench
    await bench.close()


def to(key: str, numbers: range, *, recipient: str | None = None) -> list[Job]:
    return [
        job_for(
            Channel.WEBHOOK,
            delivery_id=f"3b0f6c1e-9d4b-5a53-8e33-{number:012d}",
            recipient=recipient or f"r{number}",
            address_key=key,
            address=key,
        )
        for number in numbers
    ]


def ended(bench: LaneBench, status: str = StatusName.SENT) -> set[int]:
    return {int((said.delivery_id or "")[-12:]) for said in bench.statuses if said.status == status}


def views(bench: LaneBench, key: str) -> list[dict[str, Any]]:
    return [shown for shown in bench.pool.views() if shown["far_end"] == f"acme/{key}"]


async def test_one_that_hangs_has_its_places_and_stops_no_other(
    bench: LaneBench, troubled: WebhookWorld
) -> None:
    """Neither messages about others nor those about the same recipient."""
    await troubled.behave(Behaviour.SILENT)
    shard, _ = bench.start()
    shard.put(*to("troubled", range(20), recipient="ada"), *to("works", range(20, 80), recipient="ada"))
    await until(lambda: ended(bench) == set(range(20, 80)))
    assert troubled.requests == EACH
    assert [shown["calls_in_flight"] for shown in views(bench, "troubled")] == [EACH]


async def test_one_that_asks_for_order_gets_a_recipients_messages_one_by_one(
    bench: LaneBench, works: WebhookWorld, troubled: WebhookWorld
) -> None:
    put(works.endpoints, endpoint(troubled.hook, key="troubled", ordered=True))
    await troubled.behave(Behaviour.SILENT)
    shard, _ = bench.start()
    shard.put(*to("troubled", range(20), recipient="ada"), *to("works", range(20, 40), recipient="ada"))
    await until(lambda: ended(bench) == set(range(20, 40)))
    assert troubled.requests == 1


async def test_one_that_is_away_has_a_breaker_of_its_own(bench: LaneBench, troubled: WebhookWorld) -> None:
    await troubled.hang_up()
    shard, _ = bench.start()
    shard.put(*to("troubled", range(10)))
    await until(lambda: [shown["breaker"] for shown in views(bench, "troubled")] == ["open"])
    shard.put(*to("works", range(10, 60)))
    await until(lambda: ended(bench) == set(range(10, 60)))
    assert {shown["breaker"] for shown in views(bench, "works")} <= {"closed"}


async def test_one_that_is_gone_ends_its_messages_and_no_other(
    bench: LaneBench, troubled: WebhookWorld
) -> None:
    await troubled.behave(Behaviour.REFUSES_RECIPIENT)
    shard, _ = bench.start()
    shard.put(*to("troubled", range(3)), *to("works", range(3, 6)))
    await until(lambda: ended(bench) == {3, 4, 5} and ended(bench, StatusName.FAILED) == {0, 1, 2})
    reasons = {said.reason for said in bench.statuses if said.status == StatusName.FAILED}
    assert reasons == {Reason.ENDPOINT_GONE}
