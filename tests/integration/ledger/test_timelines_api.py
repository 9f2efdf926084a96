"""`/v1/timelines` over a real PostgreSQL."""

import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from tocsin.contracts.directory import ApiKeyRecord, Scope
from tocsin.contracts.statuses import EventRef, Status, status_of
from tocsin.contracts.vocabulary import Lane, StatusName
from tocsin.ledger import create_app, reading
from tocsin.web import KeyTable, new_key

pytestmark = pytest.mark.postgres


class TimelinesClient:
    """Asks for timelines with the key of a tenant, and stores statuses to ask for."""

    def __init__(
        self, client: httpx.AsyncClient, keys: dict[str, str], ledger_database: Any, log: Any
    ) -> None:
        self._client = client
        self._keys = keys
        self._ledger_database = ledger_database
        self._log = log
        self._next: int | None = None

    async def store(self, *statuses: Status, days: float = 0) -> None:
        at = self._ledger_database.clock.now() + timedelta(days=days)
        records = [
            self._log.status(status, at=at + timedelta(milliseconds=number))
            for number, status in enumerate(statuses)
        ]
        batch = self._log.batch(*records, expected=self._next)
        await self._ledger_database.table().apply([batch])
        self._next = batch.next
        self._ledger_database.clock.advance(1)

    async def get(self, path: str, *, key: str = "acme", **query: Any) -> httpx.Response:
        return await self._client.get(
            path, params=query, headers={"authorization": f"Bearer {self._keys[key]}"}
        )

    async def list(self, **query: Any) -> list[Any]:
        answer = await self.get("/v1/timelines", **query)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["data"])


@pytest.fixture
async def timelines(ledger_database: Any, log: Any) -> AsyncIterator[TimelinesClient]:
    table, keys = KeyTable(), {}
    callers: list[tuple[str, Scope]] = [("acme", "read"), ("other", "read"), ("sender", "send")]
    for tenant, scope in callers:
        key = new_key("live")
        keys[tenant] = key.reveal()
        table.put(ApiKeyRecord(tenant=tenant, id=key.id, mode="live", sha256=key.sha256, scopes=[scope]))
    app = create_app(reader=ledger_database.reader, keys=table)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ledger") as client:
        yield TimelinesClient(client, keys, ledger_database, log())


async def test_a_timeline_tells_everything_in_order(timelines: TimelinesClient, statuses_of: Any) -> None:
    statuses = statuses_of("ann", "email", "sms")
    await timelines.store(*reversed(statuses))
    body = (await timelines.get(f"/v1/timelines/{statuses[0].notification_id}")).json()
    assert [status["status"] for status in body["timeline"]] == [
        "accepted",
        "routed",
        "routed",
        "sent",
        "sent",
    ]
    assert body["timeline"][1]["decision"]["rules"] == [
        {"rule": "preference", "outcome": "passes", "input": {"email": True}}
    ]
    summary = body["summary"]
    assert (summary["recipient"], summary["workflow"], summary["state"]) == ("ann", "hello", "sent")
    assert summary["channels"] == {"email": "sent", "sms": "sent"}
    assert len(summary["deliveries"]) == 2
    assert summary["finished_at"] is not None


async def test_an_id_without_rows_may_come_yet(timelines: TimelinesClient, statuses_of: Any) -> None:
    path = f"/v1/timelines/{statuses_of('ann')[0].notification_id}"
    answer = await timelines.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_yet_known")
    assert int(answer.headers["retry-after"]) >= 1
    assert (await timelines.get("/v1/timelines/no-uuid")).json()["code"] == "not_found"


async def test_nobody_reads_another_tenants_timelines(timelines: TimelinesClient, statuses_of: Any) -> None:
    statuses = statuses_of("ann", "email")
    await timelines.store(*statuses)
    path = f"/v1/timelines/{statuses[0].notification_id}"
    assert (await timelines.get(path, key="other")).json()["code"] == "not_yet_known"
    assert (await timelines.get("/v1/timelines", key="other")).json()["data"] == []
    assert (await timelines.get(path, key="sender")).status_code == 403


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
    assert len(body["timeline"]) == len(statuses)


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


async def test_repetitions_told_once_for_the_whole_event_are_found_by_its_id(
    timelines: TimelinesClient, statuses_of: Any
) -> None:
    """As the router writes it when an event for very many recipients comes again."""
    repeated = status_of(
        StatusName.DUPLICATE, EventRef(tenant="acme", event_id="e9", event_source="s", origin="events/0/4"),
        cause="events/0/4", at=timelines._ledger_database.clock.now(), lane=Lane.BULK, rule="duplicate",
    )  # fmt: skip
    await timelines.store(*statuses_of("ann", "email", event="e9"), repeated)
    kinds = [(summary["kind"], summary["state"]) for summary in await timelines.list(event="e9")]
    assert kinds == [("event", "duplicate"), ("notification", "sent")]
    assert [summary["kind"] for summary in await timelines.list(event="e9", status="duplicate")] == ["event"]
    assert await timelines.list(event="e8") == []
    assert [summary["kind"] for summary in await timelines.list()] == ["notification"]


async def test_a_story_that_is_too_long_says_so(
    timelines: TimelinesClient, statuses_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    long, short = statuses_of("ann", "email", "sms"), statuses_of("bob", "email")
    await timelines.store(*long, *short)
    monkeypatch.setattr(reading, "MOST_ROWS", len(short))
    body = (await timelines.get(f"/v1/timelines/{long[0].notification_id}")).json()
    assert body["summary"]["truncated"] is True
    assert [status["status_id"] for status in body["timeline"]] == [
        status.status_id for status in long[: len(short)]
    ]
    assert {summary["recipient"]: summary["truncated"] for summary in await timelines.list()} == {
        "ann": True,
        "bob": False,
    }
    monkeypatch.setattr(reading, "MOST_ROWS", len(long))
    body = (await timelines.get(f"/v1/timelines/{long[0].notification_id}")).json()
    assert body["summary"]["truncated"] is False


async def test_an_id_used_again_is_marked(timelines: TimelinesClient, statuses_of: Any) -> None:
    first = statuses_of("ann", "email")
    again = [
        status_of(
            status.status, EventRef(tenant="acme", event_id="e2", origin="events/0/88"), cause="events/0/88",
            at=status.at + timedelta(days=2), lane=Lane.BULK, notification_id=status.notification_id,
            delivery_id=status.delivery_id, channel=status.channel, recipient="ann", workflow="hello",
        )
        for status in first[:2]
    ]  # fmt: skip
    await timelines.store(*first)
    await timelines.store(*again, days=2)
    summary = (await timelines.get(f"/v1/timelines/{first[0].notification_id}")).json()["summary"]
    assert (summary["reused_id"], summary["state"]) == (True, "in_progress")


async def test_lists_use_their_indexes(
    timelines: TimelinesClient, ledger_database: Any, statuses_of: Any
) -> None:
    """Rare statuses are looked up, not searched for among all that went well."""
    await timelines.store(*statuses_of("ann", "email"))
    async with ledger_database.database.driver() as connection:
        await connection.execute("SET enable_seqscan = off")
        for condition in (
            "tenant = 'acme' AND status = 'failed' ORDER BY stored_at DESC",
            "tenant = 'acme' AND status = 'accepted' ORDER BY stored_at DESC",
            "tenant = 'acme' AND (status = 'accepted' OR notification_id IS NULL) AND hashtextextended(event_id, 0) = 7",
            "tenant = 'acme' AND status = 'accepted' AND hashtextextended(event_id, 0) = 7",
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
