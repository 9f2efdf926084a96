"""After a full run no log, metric or status holds a recipient's address, a body, or a key."""

import asyncio
from pathlib import Path

import httpx
import pytest

from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import KafkaSettings, read_to_end

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

BODY = "Zanzibar-Quetzal-Body"


async def test_addresses_bodies_and_keys_stay_where_they_belong(tocsin):
    person = await tocsin.person()
    data = {"order": BODY, "carrier": "ParcelCo", "arrives": "Friday"}
    body = {"workflow": tocsin.sample["workflow"], "recipients": [person.id], "data": data}
    answer = await tocsin.api.post("/v1/notifications", json=body)
    notification = answer.json()["notifications"][0]["notification_id"]
    await tocsin.assert_three_messages(notification)
    await tocsin.api.post("/v1/notifications", json=body | {"workflow": "none"})  # faults are logged too
    await tocsin.api.post(
        "/v1/notifications", json=body, headers={"authorization": "Bearer tk_live_x_wrongsecret"}
    )

    secrets = [BODY, person.email, person.phone, person.token, "Secret-Name", "wrongsecret"]
    secrets += [tocsin.told[name].rsplit("_", 1)[-1] for name in ("api_key", "admin_key")]
    for name, text in (await logs(tocsin) | await metrics(tocsin) | await status(tocsin)).items():
        for secret in secrets:
            assert secret not in text, f"{secret!r} stands in {name}"


async def logs(tocsin) -> dict[str, str]:
    services = {"ingest", "router", "ledger", "dispatch-email", "dispatch-sms", "dispatch-push"}
    paths = {name: Path(one["log"]) for name, one in tocsin.told["processes"].items() if name in services}
    return {f"{name}'s log": await asyncio.to_thread(path.read_text) for name, path in paths.items()}


async def metrics(tocsin) -> dict[str, str]:
    async with httpx.AsyncClient() as client:
        return {
            f"{name}'s metrics": (await client.get(f"{tocsin.told[name]}/metrics")).text
            for name in ("ingest", "router", "ledger")
        }


async def status(tocsin) -> dict[str, str]:
    settings = KafkaSettings(bootstrap_servers=tocsin.told["kafka"])
    found = {}
    for lane in Lane:
        topic = Topics().status(lane)
        batches = read_to_end(settings=settings, topic=topic, deadline=30)
        values = [record.value or b"" async for batch in batches for record in batch]
        found[topic] = b"\n".join(values).decode()
    return found
