"""Changes of the same thing at the same time: each takes effect as if it were alone, and none fails for the other."""

import asyncio

import httpx

from .conftest import Directory


async def test_one_of_many_creates_and_the_others_update(
    acme: httpx.AsyncClient, directory: Directory
) -> None:
    bodies = [{"email": f"a{number}@example.com"} for number in range(8)]
    answers = await asyncio.gather(*(acme.put("/v1/recipients/ada", json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert await directory.version("ada") == 7


async def test_many_at_once_in_any_order_do_not_block_each_other(
    acme: httpx.AsyncClient, directory: Directory
) -> None:
    names = [f"r{number}" for number in range(50)]

    def bulk(turn: int) -> dict[str, object]:
        ordered = names if turn % 2 else names[::-1]
        return {"recipients": [{"id": name, "email": f"{name}-{turn}@example.com"} for name in ordered]}

    answers = await asyncio.gather(
        *(acme.post("/v1/recipients/bulk", json=bulk(turn)) for turn in range(6)),
        *(acme.delete(f"/v1/recipients/{name}") for name in names[:10]),
    )
    assert {answer.status_code for answer in answers[:6]} == {200}
    assert {answer.status_code for answer in answers[6:]} <= {204, 404}
    assert {
        recipient["id"]
        for recipient in (await acme.get("/v1/recipients", params={"limit": 200})).json()["data"]
    } >= set(names[10:])


async def test_a_workflow_made_at_once_by_many_is_one(acme: httpx.AsyncClient) -> None:
    await acme.put("/v1/categories/orders", json={})
    body = {"category": "orders", "channels": ["sms"]}
    answers = await asyncio.gather(*(acme.put("/v1/workflows/shipped", json=body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert {answer.json()["revision"] for answer in answers} == {1}


async def test_revisions_made_at_once_are_numbered_without_gaps(acme: httpx.AsyncClient) -> None:
    await acme.put("/v1/categories/orders", json={})
    await acme.put("/v1/workflows/shipped", json={"category": "orders", "channels": ["sms"]})
    path = "/v1/workflows/shipped/templates/sms/default/de"
    answers = await asyncio.gather(
        *(acme.put(path, json={"parts": {"body": f"Text {number}"}, "publish": True}) for number in range(6))
    )
    assert sorted(answer.json()["revision"] for answer in answers) == [1, 2, 3, 4, 5, 6]
    assert (await acme.get(path)).json()["published_revision"] == 6


async def test_a_category_and_a_workflow_in_it_never_part(acme: httpx.AsyncClient) -> None:
    body = {"category": "orders", "channels": ["sms"]}
    for _ in range(5):
        await acme.put("/v1/categories/orders", json={})
        made, gone = await asyncio.gather(
            acme.put("/v1/workflows/shipped", json=body), acme.delete("/v1/categories/orders")
        )
        assert (made.status_code, gone.status_code) in {(201, 409), (422, 204)}
        await acme.delete("/v1/workflows/shipped")


async def test_preferences_saved_at_once_raise_the_version_each(
    acme: httpx.AsyncClient, directory: Directory
) -> None:
    path = "/v1/recipients/ada/preferences"
    off = [{"preferences": [{"channel": channel, "enabled": False}]} for channel in ("sms", "email", "push")]
    answers = await asyncio.gather(*(acme.put(path, json=body) for body in off))
    assert {answer.status_code for answer in answers} == {200}
    assert len((await acme.get(path)).json()["stored"]) == 1
    assert await directory.version("ada") == 3
