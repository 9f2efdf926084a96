"""`/v1/timelines` over a real PostgreSQL: which notifications and events a list finds, and in which order."""

import random
from typing import Any

import msgspec
import pytest
from tests.integration.ledger.conftest import TimelinesClient

from tocsin.contracts.statuses import EventRef, status_of
from tocsin.contracts.vocabulary import Lane, Outcome, StatusName

pytestmark = pytest.mark.postgres


async def test_lists_are_newest_first_and_paged(timelines: TimelinesClient, statuses_of: Any) -> None:
    for number in range(7):
        await timelines.store(*statuses_of(f"person-{number}", "email"), days=number / 3)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await timelines.get("/v1/timelines", limit=3, **cursor)).json()
        seen += [summary["recipient"] for summary in page["data"]]
        if not page["has_more"]:
            assert page["next_cursor"] is None
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == [f"person-{number}" for number in reversed(range(7))]


async def test_another_tenants_cursor_shows_ones_own_alone(
    timelines: TimelinesClient, statuses_of: Any
) -> None:
    for number, tenant in enumerate(("other", "acme", "other", "acme")):
        await timelines.store(*statuses_of(f"{tenant}-{number}", "email", tenant=tenant), days=number / 3)
    cursor = (await timelines.get("/v1/timelines", limit=1)).json()["next_cursor"]
    page = (await timelines.get("/v1/timelines", key="other", cursor=cursor)).json()
    assert [summary["recipient"] for summary in page["data"]] == ["other-2", "other-0"]


@pytest.mark.parametrize("cursor", ["x", "W10", "WyJhIiwiYiJd", "WzEsMl0"])
async def test_cursors_nobody_gave_out(timelines: TimelinesClient, cursor: str) -> None:
    answer = await timelines.get("/v1/timelines", cursor=cursor)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


async def test_filters(timelines: TimelinesClient, statuses_of: Any) -> None:
    failed = statuses_of("bob", "sms", workflow="alarm", event="e2")
    failed[-1] = status_of(
        StatusName.FAILED, EventRef(tenant="acme", event_id="e2", origin="events/0/2"), cause="jobs/0/2",
        at=failed[-1].at, lane=Lane.BULK, notification_id=failed[0].notification_id, recipient="bob", workflow="alarm",
        channel="sms", delivery_id=failed[-1].delivery_id, reason="address_invalid",
    )  # fmt: skip
    await timelines.store(*statuses_of("ann", "email"))
    await timelines.store(*failed, days=1)

    async def recipients(**query: Any) -> list[str]:
        return [summary["recipient"] for summary in await timelines.list(**query)]

    assert await recipients() == ["bob", "ann"]
    assert await recipients(recipient="ann") == ["ann"]
    assert await recipients(workflow="alarm") == ["bob"]
    assert await recipients(channel="email") == ["ann"]
    assert await recipients(channel="push") == []
    assert await recipients(status="failed") == ["bob"]
    assert await recipients(status="failed", channel="sms") == ["bob"]
    assert await recipients(status="failed", channel="email") == []
    assert await recipients(status="sent") == ["ann"]
    assert await recipients(event="e2") == ["bob"]
    assert await recipients(since="2026-03-02T00:00:00Z") == ["bob"]
    assert await recipients(since="2026-03-02T00:00:00Z", recipient="ann") == []
    assert (await timelines.get("/v1/timelines", status="beamed")).status_code == 422
    assert (await timelines.get("/v1/timelines", since="2026-03-02T00:00:00")).status_code == 422
    assert (await timelines.get("/v1/timelines", limit=201)).status_code == 422


async def test_scheduled_finds_what_waits_now(timelines: TimelinesClient, statuses_of: Any) -> None:
    def decided(name: str, outcome: Outcome, **fields: Any) -> Any:
        decision = statuses_of(name, **fields)[0]
        return msgspec.structs.replace(decision, outcome=outcome, channels=[])

    names = ("waits", "sent", "cancelled", "waits-again", "came-twice")
    await timelines.store(*(decided(name, Outcome.SCHEDULED) for name in names))
    turn = {"again": "turn", "cause": "intents/0/5"}
    await timelines.store(
        *statuses_of("sent", "email", **turn),
        decided("cancelled", Outcome.CANCELLED, **turn),
        decided("waits-again", Outcome.SCHEDULED, **turn),
        decided("came-twice", Outcome.DUPLICATE, origin="events/0/2"),
        days=1,
    )
    page = await timelines.list(status="scheduled")
    assert {summary["recipient"] for summary in page} == {"waits", "waits-again", "came-twice"}
    assert {summary["state"] for summary in page} == {"scheduled"}
    # An id that was used again waits again.
    await timelines.store(decided("sent", Outcome.SCHEDULED, origin="events/0/3"), days=2)
    assert "sent" in {summary["recipient"] for summary in await timelines.list(status="scheduled")}


async def test_a_notification_stands_once_in_a_list_however_often_it_fits(
    timelines: TimelinesClient, statuses_of: Any
) -> None:
    statuses = statuses_of("ann", "email", "sms")
    await timelines.store(*statuses)
    await timelines.store(*statuses, days=1)
    assert len(await timelines.list(status="sent")) == 1
    assert len(await timelines.list(status="sent", channel="sms")) == 1
    assert len(await timelines.list()) == 1
    body = (await timelines.get(f"/v1/timelines/{statuses[0].notification_id}")).json()
    assert [each["status"] for each in body["timeline"]] == ["accepted", "routed", "routed", "sent", "sent"]


async def test_records_about_an_event_are_found_by_its_id(
    timelines: TimelinesClient, statuses_of: Any
) -> None:
    refused = status_of(
        StatusName.EVENT_REFUSED, EventRef(tenant="acme", event_id="e9", event_source="s", origin="events/0/3"),
        cause="events/0/3", at=timelines._ledger_database.clock.now(), lane=Lane.BULK, reason="workflow_unknown", detail="No such.",
    )  # fmt: skip
    await timelines.store(refused, *statuses_of("ann", "email", event="e9"))
    summaries = await timelines.list(event="e9")
    assert [(summary["kind"], summary["state"]) for summary in summaries] == [
        ("notification", "sent"),
        ("event", "event_refused"),
    ]
    assert (summaries[1]["reason"], summaries[1]["detail"], summaries[1]["event_id"]) == (
        "workflow_unknown",
        "No such.",
        "e9",
    )
    assert [summary["kind"] for summary in await timelines.list()] == ["notification"]
    assert [summary["kind"] for summary in await timelines.list(status="event_refused")] == ["event"]
    assert [summary["kind"] for summary in await timelines.list(event="e9", status="event_refused")] == [
        "event"
    ]
    for more in ({}, {"status": "event_refused"}):
        assert await timelines.list(key="other", event="e9", **more) == []


async def test_repetitions_told_once_for_the_whole_event_are_found_by_its_id(
    timelines: TimelinesClient, statuses_of: Any
) -> None:
    """As the router writes it when an event for very many recipients comes again."""
    repeated = status_of(
        StatusName.EVENT_DUPLICATE, EventRef(tenant="acme", event_id="e9", event_source="s", origin="events/0/4"),
        cause="events/0/4", at=timelines._ledger_database.clock.now(), lane=Lane.BULK, rule="duplicate",
    )  # fmt: skip
    await timelines.store(*statuses_of("ann", "email", event="e9"), repeated)
    kinds = [(summary["kind"], summary["state"]) for summary in await timelines.list(event="e9")]
    assert kinds == [("event", "event_duplicate"), ("notification", "sent")]
    assert [summary["kind"] for summary in await timelines.list(event="e9", status="event_duplicate")] == [
        "event"
    ]
    assert await timelines.list(event="e8") == []
    assert [summary["kind"] for summary in await timelines.list()] == ["notification"]


async def test_lists_use_their_indexes(
    timelines: TimelinesClient, ledger_database: Any, statuses_of: Any
) -> None:
    """Rare statuses are looked up, not searched for among all that went well."""
    accepted = "kind = 'decision' AND again IS NULL AND status <> 'duplicate'"
    await timelines.store(*statuses_of("ann", "email"))
    async with ledger_database.database.driver() as connection:
        await connection.execute("SET enable_seqscan = off")
        for condition in (
            "tenant = 'acme' AND status = 'failed' ORDER BY stored_at DESC",
            f"tenant = 'acme' AND {accepted} ORDER BY stored_at DESC",
            f"tenant = 'acme' AND (({accepted}) OR notification_id IS NULL) AND hashtextextended(event_id, 0) = 7",
            f"tenant = 'acme' AND {accepted} AND hashtextextended(event_id, 0) = 7",
        ):
            plan = await connection.fetch(f"EXPLAIN SELECT 1 FROM ledger.statuses WHERE {condition}")
            text = "\n".join(row[0] for row in plan)
            assert "Seq Scan" not in text, text
            assert "tenant" in text, text


async def test_an_event_with_the_longest_of_ids_is_stored_and_found(
    timelines: TimelinesClient, statuses_of: Any, random_text: str
) -> None:
    """An index entry takes 2,704 bytes, and text that cannot be compressed is larger."""
    first, *rest = statuses_of("ann", "email")
    strange = [msgspec.structs.replace(status, event_id=random_text) for status in (first, *rest)]
    await timelines.store(*strange)
    (summary,) = (await timelines.get("/v1/timelines", event=random_text)).json()["data"]
    assert (summary["event_id"], summary["notification_id"]) == (random_text, first.notification_id)
    assert (await timelines.get("/v1/timelines", event=random_text[:-1])).json()["data"] == []


@pytest.fixture
def random_text() -> str:
    chosen = random.Random(7)
    return "".join(chr(chosen.randrange(0x4E00, 0x9FA5)) for _ in range(1024))
