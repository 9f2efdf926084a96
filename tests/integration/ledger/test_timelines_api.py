"""`/v1/timelines` over a real PostgreSQL."""

import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from tocsin.contracts.directory import ApiKeyRecord, Scope
from tocsin.contracts.statuses import EventRef, RuleOutcome, StatusRecord, Target, status_of
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

    async def store(self, *statuses: StatusRecord, days: float = 0) -> None:
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
    accepted, routed = body["timeline"][:2]
    assert (accepted["at"], routed["at"]) == ("2026-03-01T12:00:00Z", "2026-03-01T12:00:01Z")
    assert (accepted["decision"], accepted["final"], routed["final"]) == (None, False, False)
    assert routed["decision"]["rules"] == [
        {"rule": "expiry", "outcome": "alive", "input": None},
        {"rule": "preference", "outcome": "passes", "input": {"email": True}},
    ]
    summary = body["summary"]
    assert (summary["recipient"], summary["workflow"], summary["state"]) == ("ann", "hello", "sent")
    assert summary["channels"] == {"email": "sent", "sms": "sent"}
    assert len(summary["deliveries"]) == 2
    assert summary["finished_at"] is not None


async def test_a_timeline_tells_the_link_who_caused_it_and_the_wording(
    timelines: TimelinesClient, statuses_of: Any
) -> None:
    decision, *sent = statuses_of("ann", "email")
    (channel,) = decision.channels
    decision = msgspec.structs.replace(
        decision,
        actor="boss",
        link="https://shop.example/orders/1?a=1",
        channels=[msgspec.structs.replace(channel, template="short", template_version=2)],
    )
    await timelines.store(decision, *sent)
    body = (await timelines.get(f"/v1/timelines/{decision.notification_id}")).json()
    assert (body["summary"]["actor"], body["summary"]["link"]) == (
        "boss",
        "https://shop.example/orders/1?a=1",
    )
    routed = body["timeline"][1]
    assert (routed["status"], routed["template"], routed["template_version"]) == ("routed", "short", 2)
    (listed,) = (await timelines.get("/v1/timelines")).json()["data"]
    assert listed == body["summary"]


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


async def test_a_story_that_is_too_long_says_so(
    timelines: TimelinesClient, statuses_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    long, short = statuses_of("ann", "email", "sms"), statuses_of("bob", "email")
    await timelines.store(*long, *short)
    monkeypatch.setattr(reading, "MOST_ROWS", len(short))
    body = (await timelines.get(f"/v1/timelines/{long[0].notification_id}")).json()
    assert body["summary"]["truncated"] is True
    assert [status["status"] for status in body["timeline"]] == ["accepted", "routed", "routed", "sent"]
    assert {summary["recipient"]: summary["truncated"] for summary in await timelines.list()} == {
        "ann": True,
        "bob": False,
    }
    monkeypatch.setattr(reading, "MOST_ROWS", len(long))
    body = (await timelines.get(f"/v1/timelines/{long[0].notification_id}")).json()
    assert body["summary"]["truncated"] is False


async def test_an_id_used_again_is_marked(timelines: TimelinesClient, statuses_of: Any) -> None:
    first = statuses_of("ann", "email")
    again = statuses_of("ann", "email", origin="events/0/88")[:1]
    await timelines.store(*first)
    await timelines.store(*again, days=2)
    summary = (await timelines.get(f"/v1/timelines/{first[0].notification_id}")).json()["summary"]
    assert (summary["reused_id"], summary["state"]) == (True, "in_progress")


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


def decided(statuses_of: Any, outcome: str, **fields: Any) -> StatusRecord:
    """A decision of its own, with other words."""
    (decision,) = statuses_of("ann", **fields)
    rules = [RuleOutcome(rule=outcome, outcome=outcome)]
    changed: StatusRecord = msgspec.structs.replace(decision, outcome=outcome, rule=outcome, rules=rules)
    return changed


@pytest.mark.parametrize("outcome", ["skipped", "failed", "expired"])
async def test_a_notification_that_ended_as_a_whole(
    timelines: TimelinesClient, statuses_of: Any, outcome: str
) -> None:
    decision = decided(statuses_of, outcome)
    await timelines.store(decision)
    body = (await timelines.get(f"/v1/timelines/{decision.notification_id}")).json()
    assert [each["status"] for each in body["timeline"]] == ["accepted", outcome]
    assert body["timeline"][1]["decision"]["rules"][0]["rule"] == outcome
    assert body["summary"]["state"] == outcome
    assert [summary["state"] for summary in await timelines.list(status=outcome)] == [outcome]
    assert [summary["state"] for summary in await timelines.list(status="accepted")] == [outcome]
    assert await timelines.list(status="routed") == []


async def test_a_duplicate_is_no_acceptance(timelines: TimelinesClient, statuses_of: Any) -> None:
    await timelines.store(decided(statuses_of, "duplicate"))
    assert await timelines.list() == []
    (summary,) = await timelines.list(status="duplicate")
    assert (summary["state"], summary["duplicates"], summary["accepted_at"]) == ("duplicate", 1, None)
    await timelines.store(*statuses_of("ann", "email", origin="events/0/7"))
    (summary,) = await timelines.list()
    assert (summary["state"], summary["duplicates"], summary["reused_id"]) == ("sent", 1, False)


async def test_what_was_not_routed_is_found_and_told(timelines: TimelinesClient, statuses_of: Any) -> None:
    decision, *sent = statuses_of("ann", "email", "sms", "push")
    for channel, outcome, reason in ((1, "skipped", "preference_off"), (2, "failed", "template_missing")):
        (target,) = decision.channels[channel].targets
        decision.channels[channel].targets = [
            Target(target.delivery_id, None, None, outcome, "a_rule", reason)
        ]
    await timelines.store(decision, sent[0])
    body = (await timelines.get(f"/v1/timelines/{decision.notification_id}")).json()
    told = [(each["channel"], each["status"], each["reason"], each["final"]) for each in body["timeline"]]
    assert told == [
        (None, "accepted", None, False),
        ("email", "routed", None, False),
        ("sms", "skipped", "preference_off", True),
        ("push", "failed", "template_missing", True),
        ("email", "sent", None, True),
    ]
    assert body["summary"]["state"] == "partly_sent"
    assert body["summary"]["channels"] == {"email": "sent", "sms": "skipped", "push": "failed"}

    async def found(**query: Any) -> bool:
        return [summary["recipient"] for summary in await timelines.list(**query)] == ["ann"]

    assert await found(status="skipped")
    assert await found(status="failed", channel="push")
    assert not await found(status="failed", channel="sms")
    assert await found(status="routed", channel="email")
    assert not await found(status="routed", channel="sms")
    assert await found(channel="email")
    assert await found(channel="sms")


async def test_a_delivery_decided_again_is_spoken_of_alone(
    timelines: TimelinesClient, statuses_of: Any
) -> None:
    (decision, _) = statuses_of("ann", "email")
    (again, _) = statuses_of("ann", "email", origin="events/0/1", again="recheck", cause="intents/0/1")
    (target,) = again.channels[0].targets
    again.channels[0].targets = [Target(target.delivery_id, "email", None, "expired", "expiry", None)]
    again.outcome = "expired"
    await timelines.store(decision, again)
    body = (await timelines.get(f"/v1/timelines/{decision.notification_id}")).json()
    assert [each["status"] for each in body["timeline"]] == ["accepted", "routed", "expired"]
    assert [delivery["state"] for delivery in body["summary"]["deliveries"]] == ["expired"]


async def test_words_of_a_newer_release_are_kept_and_shown(
    timelines: TimelinesClient, statuses_of: Any
) -> None:
    decision, sent = statuses_of("ann", "pigeon")
    decision.channels[0].rules = [RuleOutcome(rule="moon", outcome="full")]
    (target,) = decision.channels[0].targets
    decision.channels[0].targets.append(
        Target(target.delivery_id[:-1] + "0", "p2", None, "lost", "moon", "wind")
    )
    seen = msgspec.structs.replace(
        sent, status="seen", reason="looked", status_id=decision.status_id[:-1] + "1"
    )
    later = decided(statuses_of, "digested", origin="events/0/8")
    await timelines.store(decision, sent, seen, later)
    body = (await timelines.get(f"/v1/timelines/{decision.notification_id}")).json()
    told = [(each["status"], each["channel"], each["reason"]) for each in body["timeline"]]
    assert set(told) == {
        ("accepted", None, None),
        ("routed", "pigeon", None),
        ("lost", "pigeon", "wind"),
        ("sent", "pigeon", None),
        ("seen", "pigeon", "looked"),
        ("digested", None, None),
    }
    assert body["timeline"][2]["decision"]["rules"][1]["rule"] == "moon"
    assert (await timelines.list())[0]["recipient"] == "ann"
