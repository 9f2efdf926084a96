"""A push token registered for a second recipient leaves the first: what is for one person is not shown to another."""

import asyncio

import httpx
import pytest

from .conftest import Directory

SHARE = {"name": "Acme", "shared_devices": True}


@pytest.fixture(autouse=True)
async def people(acme: httpx.AsyncClient) -> None:
    await acme.post("/v1/recipients/bulk", json={"recipients": [{"id": "anna"}, {"id": "bernd"}]})


async def register(client: httpx.AsyncClient, recipient: str, token: str, device: str = "tablet") -> int:
    answer = await client.put(f"/v1/recipients/{recipient}/devices/{device}", json={"token": token})
    return answer.status_code


async def tokens(client: httpx.AsyncClient, recipient: str) -> dict[str, str]:
    answer = await client.get(f"/v1/recipients/{recipient}/devices")
    return {device["id"]: device["token"] for device in answer.json()["data"]}


@pytest.mark.parametrize("token", ["t1", "t" * 4096])
async def test_the_second_takes_it_and_jobs_of_the_first_are_decided_again(
    acme: httpx.AsyncClient, directory: Directory, token: str
) -> None:
    await register(acme, "anna", token)
    await register(acme, "anna", "other", device="phone")
    await directory.changed()
    assert await register(acme, "bernd", token) == 201
    assert (await tokens(acme, "anna"), await tokens(acme, "bernd")) == (
        {"phone": "other"},
        {"tablet": token},
    )
    assert (await directory.version("anna"), await directory.version("bernd")) == (1, 0)
    assert await directory.changed() == [("recipient_version", "acme", "anna")]
    assert await register(acme, "bernd", token) == 200
    assert await directory.changed() == []
    assert await register(acme, "anna", token) == 201
    assert (await tokens(acme, "bernd"), await directory.version("bernd")) == ({}, 1)


async def test_a_changed_token_is_taken_too_and_raises_both(
    acme: httpx.AsyncClient, directory: Directory
) -> None:
    await register(acme, "anna", "t1")
    await register(acme, "bernd", "t2")
    assert await register(acme, "bernd", "t1") == 200
    assert (await tokens(acme, "anna"), await tokens(acme, "bernd")) == ({}, {"tablet": "t1"})
    assert (await directory.version("anna"), await directory.version("bernd")) == (1, 1)


async def test_one_recipients_token_stands_under_one_id(
    acme: httpx.AsyncClient, directory: Directory
) -> None:
    """An app that was installed anew would be told everything twice."""
    await register(acme, "anna", "t1", device="before")
    assert await register(acme, "anna", "t1", device="after") == 201
    assert await tokens(acme, "anna") == {"after": "t1"}
    assert await directory.version("anna") == 1


async def test_a_tenant_may_share_devices(acme: httpx.AsyncClient, directory: Directory) -> None:
    assert (await acme.put("/v1/tenant", json=SHARE)).json()["shared_devices"] is True
    await register(acme, "anna", "t1")
    assert await register(acme, "bernd", "t1") == 201
    assert await tokens(acme, "anna") == await tokens(acme, "bernd") == {"tablet": "t1"}
    assert await directory.version("anna") == 0


async def test_nothing_is_taken_from_another_tenant_nor_for_a_recipient_who_is_not_there(
    acme: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    await other.put("/v1/recipients/anna", json={})
    await register(other, "anna", "t1")
    await register(acme, "anna", "t1")
    assert await register(acme, "nobody", "t1") == 404
    assert await tokens(other, "anna") == await tokens(acme, "anna") == {"tablet": "t1"}


async def test_two_who_swap_their_tokens_at_once_do_not_deadlock(acme: httpx.AsyncClient) -> None:
    await register(acme, "anna", "t0")
    await register(acme, "bernd", "t1")
    for turn in range(20):
        mine, yours = f"t{turn % 2}", f"t{(turn + 1) % 2}"
        answers = await asyncio.gather(register(acme, "anna", yours), register(acme, "bernd", mine))
        assert set(answers) <= {200, 201}
        standing = [*(await tokens(acme, "anna")).values(), *(await tokens(acme, "bernd")).values()]
        assert len(standing) == len(set(standing)) >= 1


async def test_many_who_register_one_token_at_once_leave_one_owner(acme: httpx.AsyncClient) -> None:
    names = [f"r{number}" for number in range(8)]
    await acme.post("/v1/recipients/bulk", json={"recipients": [{"id": name} for name in names]})
    answers = await asyncio.gather(*(register(acme, name, "t1") for name in names for _ in range(3)))
    assert set(answers) <= {200, 201}
    assert sum([len(await tokens(acme, name)) for name in names]) == 1
