"""Events move the numbers of every service that they pass."""

import asyncio
import uuid
from collections import Counter

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tocsin.contracts.vocabulary import Channel
from tocsin.dev.sample import APP_EVENT_TYPE, TEAM, WEBHOOK_EVENT_TYPE
from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

DISPATCHERS = tuple(channel.dispatcher for channel in Channel)
ELSEWHERE = {WEBHOOK_EVENT_TYPE: "anna", APP_EVENT_TYPE: "anna", "com.shop.parcel.lost": TEAM}
"""Events of the sample's other workflows, one for each channel that the first event does not reach, and their recipients."""
EXPECTED = {
    "ingest": ["tocsin_produced_records_total kind=events"],
    "router": [
        "tocsin_consumed_records_total kind=events",
        "tocsin_produced_records_total kind=directory",
        "tocsin_produced_records_total kind=jobs",
        "tocsin_produced_records_total kind=status",
        "tocsin_processed_messages_total outcome=decided",
        "tocsin_decision_delay_seconds_count",
        "tocsin_workflow_notifications_total outcome=decided",
        "tocsin_kafka_request_seconds_count request=end_txn",
    ],
    **{
        name: [
            "tocsin_consumed_records_total kind=jobs",
            "tocsin_produced_records_total kind=status",
            "tocsin_deliveries_total status=sent",
            "tocsin_hand_off_seconds_count outcome=sent",
            "tocsin_stage_seconds_count stage=wait",
            "tocsin_stage_seconds_count stage=send",
            "tocsin_stage_seconds_count stage=record",
        ]
        for name in DISPATCHERS
    },
    "ledger": [
        "tocsin_consumed_records_total kind=status",
        "tocsin_processed_messages_total outcome=written",
        "tocsin_stage_seconds_count stage=store",
        "tocsin_ledger_delay_seconds_count",
    ],
}
"""Samples by name, and one label where a service shows several of the name; over all lanes."""


async def numbers(tocsin, service: str) -> Counter[str]:
    """Every sample of the service's own, summed under its name alone and under its name with each label."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{tocsin.stack['operations'][service]}/metrics")).raise_for_status().text
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.labels.get("component", service) != service:
                continue
            for name in (
                sample.name,
                *(f"{sample.name} {key}={value}" for key, value in sample.labels.items()),
            ):
                found[name] += sample.value  # type: ignore[assignment]  # samples are floats, and add up as well
    return found


async def all_numbers(tocsin) -> dict[str, Counter[str]]:
    shown = await asyncio.gather(*(numbers(tocsin, service) for service in EXPECTED))
    return dict(zip(EXPECTED, shown, strict=True))


async def test_events_move_every_service(tocsin, event):
    before = await all_numbers(tocsin)
    made = await tocsin.admin.post("/v1/api-keys", json={"name": "moves the directory", "scopes": ["send"]})
    assert made.is_success, made.text
    person = await tocsin.person()
    event |= {"subject": person.id}
    del event["tenant"]
    headers = {"content-type": "application/cloudevents+json"}
    answer = await tocsin.api.post("/v1/events", json=event, headers=headers)
    assert answer.status_code == 202, answer.text
    notification = tocsin.notification(event_id=event["id"], source=event["source"], recipient=person.id)
    await tocsin.assert_three_messages(notification)
    for kind, whom in ELSEWHERE.items():
        other = event | {"id": str(uuid.uuid4()), "type": kind, "subject": whom}
        assert (await tocsin.api.post("/v1/events", json=other, headers=headers)).status_code == 202

    async def still() -> dict[str, list[str]]:
        now = await all_numbers(tocsin)
        return {
            service: left
            for service, names in EXPECTED.items()
            if (left := [name for name in names if now[service][name] <= before[service][name]])
        }

    async def all_moved() -> bool:
        return not await still()

    try:
        await until(all_moved, seconds=20, every=0.2)
    except TimeoutError:
        pytest.fail(f"these did not move: {await still()}", pytrace=False)
