"""What FCM says of a token ends that token's registration, and no other."""

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
