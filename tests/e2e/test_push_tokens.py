"""Push, through a whole stack: each device by its own push service; and what FCM says of a token ends no other registration."""

import json

import pytest

from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

DATA = {"order": "A-78", "carrier": "ParcelCo", "arrives": "Monday"}


async def test_a_token_registered_while_a_push_to_the_old_one_is_under_way_stays(tocsin):
    person = await tocsin.person()

    async def register(device: str, token: str) -> None:
        path = f"/v1/recipients/{person.id}/devices/{device}"
        assert (await tocsin.admin.put(path, json={"token": token})).is_success

    async def send() -> None:
        body = {"workflow": tocsin.sample["workflow"], "recipients": [person.id], "data": DATA}
        assert (await tocsin.api.post("/v1/notifications", json=body)).status_code == 202

    async def tokens() -> dict[str, str]:
        devices = (await tocsin.admin.get(f"/v1/recipients/{person.id}/devices")).json()["data"]
        return {device["id"]: device["token"] for device in devices}

    for turn in range(3):
        await register(f"{person.id}-phone", f"unregistered-{person.id}-{turn}")
        await send()
        await register(f"{person.id}-phone", f"fresh-{person.id}-{turn}")
    # Statuses of one recipient are read in order: when this one's device is gone, all that was said before has been heard.
    await register("control", f"unregistered-{person.id}-control")
    await send()

    async def control_is_gone() -> bool:
        return "control" not in await tokens()

    await until(control_is_gone, seconds=60, every=0.1)
    assert await tokens() == {f"{person.id}-phone": f"fresh-{person.id}-2"}


async def test_each_device_is_reached_by_its_own_push_service(tocsin):
    """An Android phone, an iPhone and a browser of one person: the catcher decrypts what the browser gets."""
    person = await tocsin.person()
    subscription = (await tocsin.catcher.post("/push", json={})).raise_for_status().json()
    tokens = {
        "apns": "ab12" * 16,
        "webpush": json.dumps(subscription, separators=(",", ":")),
    }  # as `JSON.stringify`
    for kind, token in tokens.items():
        path = f"/v1/recipients/{person.id}/devices/{person.id}-{kind}"
        answer = await tocsin.admin.put(path, json={"kind": kind, "token": token})
        assert answer.is_success, answer.text
    body = {"workflow": tocsin.sample["workflow"], "recipients": [person.id], "data": DATA}
    answer = (await tocsin.api.post("/v1/notifications", json=body)).raise_for_status().json()
    notification = answer["notifications"][0]["notification_id"]
    statuses = await tocsin.until_final(notification, deliveries=5)
    assert {status["provider"] for status in statuses if status["status"] == "sent"} >= {
        "catcher",
        "catcher-apns",
        "catcher-webpush",
    }
    pushes = [caught for caught in await tocsin.caught(notification) if caught["channel"] == "push"]
    assert len(pushes) == 3
    assert len({push["title"] for push in pushes}) == 1
