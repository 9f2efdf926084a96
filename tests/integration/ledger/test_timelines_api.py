"""`/v1/timelines/{notification_id}` over a real PostgreSQL: what a timeline tells."""

from typing import Any

import msgspec
import pytest
from tests.integration.ledger.conftest import TimelinesClient

from tocsin.contracts.statuses import RuleOutcome, StatusRecord, Target
from tocsin.ledger import reading

pytestmark = pytest.mark.postgres


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
