"""What a tenant and a key may send in a second: who is refused, with what words, and that nothing of it is stored."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.ingest.conftest import WayIn, record_of

from tocsin.contracts.cloudevents import BATCH, STRUCTURED
from tocsin.contracts.directory import TenantLimits, TenantRecord
from tocsin.contracts.events import CANCELLATION_REQUESTED
from tocsin.ingest.rate_limits import RateLimits, day_is_full
from tocsin.ingest.settings import IngestSettings
from tocsin.testing import ManualClock
from tocsin.web import Caller, Problem


def caller(tenant: str = "acme", key: str = "k1") -> Caller:
    return Caller(tenant=tenant, key_id=key, scopes=frozenset({"send"}), test=False)


def limits(
    *, instances: int = 1, of: TenantLimits | None = None, **defaults: int
) -> tuple[RateLimits, ManualClock]:
    clock = ManualClock()
    rates = RateLimits(
        defaults=TenantLimits(**defaults),
        instances=instances,
        limits_of=lambda tenant: of if tenant == "acme" else None,
        clock=clock,
    )
    return rates, clock


def taken(rates: RateLimits, who: Caller, *, requests: int = 20) -> int:
    """How many of so many requests at once are taken."""
    count = 0
    for _ in range(requests):
        try:
            rates.request(who)
        except Problem:
            continue
        count += 1
    return count


def test_a_tenant_and_a_key_send_so_many_in_a_second() -> None:
    rates, clock = limits(requests_per_second=10, key_requests_per_second=6)
    assert taken(rates, caller(key="k1")) == 6
    assert taken(rates, caller(key="k2")) == 4
    assert taken(rates, caller("other", key="k3")) == 6
    clock.advance(0.5)
    assert taken(rates, caller(key="k1")) == 3
    assert taken(rates, caller(key="k2")) == 2
    clock.advance(60)
    assert taken(rates, caller(key="k1")) == 6


def test_each_instance_gives_its_share() -> None:
    rates, clock = limits(instances=4, requests_per_second=10)
    assert taken(rates, caller()) == 2
    clock.advance(2)
    assert taken(rates, caller()) == 2
    few, _ = limits(instances=4, requests_per_second=1)
    assert taken(few, caller()) == 1


def test_a_tenants_own_limits_go_before_the_settings() -> None:
    rates, _ = limits(
        of=TenantLimits(requests_per_second=3), requests_per_second=10, key_requests_per_second=2
    )
    assert taken(rates, caller()) == 2
    assert taken(rates, caller(key="k2")) == 1
    assert taken(rates, caller("other", key="k3")) == 2


def test_without_a_limit_everything_is_taken() -> None:
    rates, _ = limits()
    assert taken(rates, caller(), requests=1000) == 1000


def test_many_recipients_are_taken_at_once_and_their_time_follows() -> None:
    rates, clock = limits(recipients_per_second=100)
    rates.recipients(caller(), 350)
    with pytest.raises(Problem) as refused:
        rates.recipients(caller(), 1)
    assert refused.value.headers == {
        "retry-after": "3", "ratelimit-policy": '"tenant-recipients";q=100;w=1', "ratelimit": '"tenant-recipients";r=0;t=3',
    }  # fmt: skip
    clock.advance(2.6)
    rates.recipients(caller(), 1)


def test_what_one_limit_refuses_takes_nothing_of_another() -> None:
    rates, clock = limits(recipients_per_second=10, key_recipients_per_second=5)
    rates.recipients(caller(key="k1"), 5)
    for _ in range(3):
        with pytest.raises(Problem):
            rates.recipients(caller(key="k1"), 5)
    rates.recipients(caller(key="k2"), 5)
    clock.advance(1)
    rates.recipients(caller(key="k1"), 5)


def test_a_changed_limit_holds_at_once() -> None:
    of = [TenantLimits(requests_per_second=1)]
    rates = RateLimits(defaults=TenantLimits(), instances=1, limits_of=lambda _: of[0], clock=ManualClock())
    assert taken(rates, caller()) == 1
    of[0] = TenantLimits(requests_per_second=5)
    assert taken(rates, caller()) == 5


def test_the_settings_say_nothing_unless_they_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    assert IngestSettings().default_limits == TenantLimits()
    monkeypatch.setenv("INGEST_INSTANCES", "3")
    monkeypatch.setenv("INGEST_TENANT_RECIPIENTS_PER_SECOND", "500")
    settings = IngestSettings()
    assert (settings.instances, settings.default_limits) == (3, TenantLimits(recipients_per_second=500))


def allow(way_in: WayIn, **given: int) -> None:
    way_in.directory.apply(record_of(TenantRecord(tenant="acme", limits=TenantLimits(**given))))


def body(*recipients: str) -> dict[str, Any]:
    return {"workflow": "welcome", "recipients": list(recipients), "data": {}}


async def test_a_request_too_many_is_answered_429_and_not_stored(way_in: WayIn) -> None:
    way_in.publish_workflow("welcome")
    allow(way_in, requests_per_second=1)
    assert (await way_in.post("/v1/notifications", body("ann"))).status_code == 202
    refused = await way_in.post("/v1/notifications", body("ann"))
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["ratelimit-policy"] == '"tenant-requests";q=1;w=1'
    assert refused.headers["ratelimit"] == '"tenant-requests";r=0;t=1'
    assert (
        await way_in.post("/v1/events", b"{", content_type="application/cloudevents+json")
    ).status_code == 429
    assert len(way_in.publisher.records) == 1


async def test_a_cancellation_is_a_request(way_in: WayIn) -> None:
    allow(way_in, requests_per_second=1)
    for status in (202, 429):
        answer = await way_in.post("/v1/cancellations", {"key": "k"}, content_type="application/json")
        assert answer.status_code == status
    assert len(way_in.publisher.records) == 1


async def test_recipients_too_many_are_answered_429_and_not_stored(way_in: WayIn) -> None:
    way_in.publish_workflow("welcome")
    allow(way_in, recipients_per_second=3)
    assert (await way_in.post("/v1/notifications", body("a", "b", "c", "d"))).status_code == 202
    refused = await way_in.post("/v1/notifications", body("e"))
    assert (refused.status_code, refused.headers["ratelimit-policy"]) == (429, '"tenant-recipients";q=3;w=1')
    assert len(way_in.publisher.records) == 1


async def test_a_batch_is_taken_whole_or_not_at_all(way_in: WayIn) -> None:
    way_in.publish_workflow("welcome")
    allow(way_in, key_recipients_per_second=2)
    event = {"specversion": "1.0", "source": "/s", "type": "com.shop.none", "data": {}}
    batch = [event | {"id": f"{number}"} for number in range(3)]
    assert (await way_in.post("/v1/events", batch, content_type=BATCH)).status_code == 202
    assert len(way_in.publisher.records) == 3
    refused = await way_in.post("/v1/events", batch, content_type=BATCH)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert len(way_in.publisher.records) == 3


async def test_a_day_that_is_full_is_answered_429_until_it_is_over(way_in: WayIn) -> None:
    way_in.publish_workflow("welcome")
    today = datetime.now(UTC).date()
    for day, status in ((today - timedelta(days=1), 202), (today, 429)):
        tenant = TenantRecord(tenant="acme", quota_reached_on=day, limits=TenantLimits(messages_per_day=50))
        way_in.directory.apply(record_of(tenant))
        answer = await way_in.post("/v1/notifications", body("ann"))
        assert answer.status_code == status
    assert answer.json()["code"] == "quota_exceeded"
    assert 0 < int(answer.headers["retry-after"]) <= 86_400
    assert answer.headers["ratelimit-policy"] == '"tenant-day";q=50;w=86400'
    assert (await way_in.post("/v1/notifications", body("ann"), key="test")).status_code == 202
    assert len(way_in.publisher.records) == 2


def test_the_day_is_over_at_midnight() -> None:
    problem = day_is_full(datetime(2026, 1, 31, 23, 59, 30, tzinfo=UTC), None)
    assert problem.headers["retry-after"] == "30"


async def test_what_cancels_is_taken_on_a_full_day(way_in: WayIn) -> None:
    today = datetime.now(UTC).date()
    way_in.directory.apply(record_of(TenantRecord(tenant="acme", quota_reached_on=today)))
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": CANCELLATION_REQUESTED,
        "data": {"key": "order-1"},
    }
    for body_, content_type in ((event, STRUCTURED), ([event], BATCH)):
        answer = await way_in.post("/v1/events", body_, content_type=content_type)
        assert answer.status_code in {202, 207}, answer.text
    by_key = await way_in.post("/v1/cancellations", {"key": "order-1"}, content_type="application/json")
    assert by_key.status_code == 202
    assert len(way_in.publisher.records) == 3
