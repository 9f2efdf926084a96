"""Each browser's push service is a far end: what one does holds up no message to another."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.integration.dispatch_push.push_service import PushService
from tests.unit.channel.conftest import LaneBench

from tocsin.channel.breaker import BreakerPolicy
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Channel, DeviceKind, Lane, Reason, StatusName
from tocsin.dispatch_push import webpush
from tocsin.dispatch_push.settings import kinds_for
from tocsin.kafka.consume import turn_reading
from tocsin.runtime.outgoing import AllowedTargets
from tocsin.testing import ManualClock
from tocsin.testing.jobs import job_for
from tocsin.testing.provider_suite import Behaviour
from tocsin.testing.until import until

PLACES = 16
SHARE = 2
"""An eighth of them."""


class PushServiceOfToday(PushService):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.clock = ManualClock(datetime.now(UTC))  # the bench's is the system's


class OtherPushService(PushServiceOfToday):
    """The same at another host."""

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"


@pytest.fixture
async def works(tmp_path: Path) -> AsyncIterator[PushService]:
    service = PushServiceOfToday(tmp_path)
    await service.listen()
    yield service
    await service.hang_up()


@pytest.fixture
async def troubled(tmp_path: Path) -> AsyncIterator[PushService]:
    service = OtherPushService(tmp_path)
    await service.listen()
    yield service
    await service.hang_up()


@pytest.fixture
async def bench(
    tmp_path: Path, works: PushService, troubled: PushService, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LaneBench]:
    """A lane with one instance for both."""
    monkeypatch.setattr(turn_reading, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(webpush, "PUSH_SERVICES", {"127.0.0.1", "localhost"})
    # A breaker that has opened stays open.
    monkeypatch.setattr("tocsin.channel.provider_pool.POLICY", BreakerPolicy(first_pause=3600))
    kinds = kinds_for(AllowedTargets(["127.0.0.1:*"]))
    bench = LaneBench(tmp_path, channel=Channel.PUSH, kinds=kinds)
    entry = works.entry(name="browsers", max_in_flight=PLACES, call_timeout=15.0)
    lines = [f"{name} = {json.dumps(value)}" for name, value in entry.items()]
    (tmp_path / "providers.toml").write_text("[[providers]]\n" + "\n".join(lines))
    await bench.open(lanes=[Lane.TRANSACTIONAL])
    yield bench
    await bench.close()


def to(service: PushService, numbers: range) -> list[Job]:
    return [
        job_for(Channel.PUSH, delivery_id=_id(number), recipient=f"r{number}", **service.job_fields)
        for number in numbers
    ]


def _id(number: int) -> str:
    return f"3b0f6c1e-9d4b-5a53-8e33-{number:012d}"


def ended(bench: LaneBench, status: str = StatusName.SENT) -> set[int]:
    return {int((said.delivery_id or "")[-12:]) for said in bench.statuses if said.status == status}


def views(bench: LaneBench, host: str) -> list[dict[str, Any]]:
    """What is shown of the far end; nothing where nothing is known of it."""
    return [shown for shown in bench.pool.views() if shown["far_end"] == host]


async def test_one_that_hangs_has_its_share_of_the_places_and_stops_no_other(
    bench: LaneBench, works: PushService, troubled: PushService
) -> None:
    await troubled.behave(Behaviour.SILENT)
    shard, _ = bench.start()
    shard.put(*to(troubled, range(20)), *to(works, range(20, 80)))
    await until(lambda: ended(bench) == set(range(20, 80)))
    assert troubled.requests == SHARE
    assert [shown["calls_in_flight"] for shown in views(bench, "localhost")] == [SHARE]


async def test_hosts_that_only_one_tenant_names_have_one_share_together(
    bench: LaneBench, works: PushService, troubled: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webpush, "PUSH_SERVICES", {"127.0.0.1"})
    await troubled.behave(Behaviour.SILENT)
    fields = troubled.job_fields
    shard, _ = bench.start()
    for number, host in enumerate(["localhost", "localhost."] * 6):
        address = str(fields["address"]).replace("localhost", host)
        shard.put(
            job_for(
                Channel.PUSH, delivery_id=_id(number), recipient=f"r{number}", **fields | {"address": address}
            )
        )
    shard.put(*to(works, range(20, 60)))
    await until(lambda: ended(bench) == set(range(20, 60)))
    assert troubled.requests <= SHARE
    assert [shown["calls_in_flight"] for shown in views(bench, "other hosts of acme")] == [SHARE]


async def test_one_that_refuses_connections_has_a_breaker_of_its_own(
    bench: LaneBench, works: PushService, troubled: PushService
) -> None:
    await troubled.hang_up()
    shard, _ = bench.start()
    shard.put(*to(troubled, range(10)))
    await until(lambda: [shown["breaker"] for shown in views(bench, "localhost")] == ["open"])
    shard.put(*to(works, range(10, 60)))
    await until(lambda: ended(bench) == set(range(10, 60)))
    assert {shown["breaker"] for shown in views(bench, "127.0.0.1")} <= {"closed"}


async def test_refusals_that_a_tenant_can_bring_about_open_no_breaker(
    bench: LaneBench, works: PushService
) -> None:
    """Subscriptions that were made for another key, and endpoints that never were any, at a push service that others use."""
    shard, _ = bench.start()
    for first, status, reason in ((0, 401, Reason.SENDER_REFUSED), (20, 400, Reason.RECIPIENT_REFUSED)):
        works.scripted = (status, {}, b"")
        shard.put(*to(works, range(first, first + 20)))
        await until(lambda: len(ended(bench, StatusName.DEFERRED)) >= first + 20)  # noqa: B023 - ends within the turn
        assert {said.reason for said in bench.statuses[first:]} == {reason}
    works.scripted = None
    shard.put(*to(works, range(40, 60)))
    await until(lambda: ended(bench) == set(range(40, 60)))


async def test_a_token_that_is_no_subscription_is_told_at_once(bench: LaneBench) -> None:
    shard, _ = bench.start()
    shard.put(job_for(Channel.PUSH, target=DeviceKind.WEBPUSH, address="no-subscription"))
    await until(lambda: [said.reason for said in bench.statuses] == [Reason.ADDRESS_INVALID])
