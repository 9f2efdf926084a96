"""A recipient's places in chats: saved and read with it, and found by their address."""

import httpx
import pytest

from .conftest import Directory

pytestmark = pytest.mark.postgres

TEAM = {"id": "team", "kind": "slack", "address": "C024BE91L"}
HOOK = {"id": "hook", "kind": "slack_webhook", "address": "https://hooks.slack.com/services/T0/B0/secret"}


async def test_places_come_back_as_saved_and_saving_twice_changes_nothing(
    acme: httpx.AsyncClient, directory: Directory
) -> None:
    made = await acme.put("/v1/recipients/team", json={"chats": [TEAM, HOOK]})
    assert made.json()["chats"] == [TEAM, HOOK]
    again = await acme.put("/v1/recipients/team", json={"chats": [TEAM, HOOK]})
    assert again.headers["etag"] == made.headers["etag"]
    assert (await acme.get("/v1/recipients/team")).json() == made.json()
    assert await directory.version("team") == 0


@pytest.mark.parametrize(
    ("chats", "version"),
    [
        ([TEAM, HOOK], 0),
        ([TEAM, HOOK, TEAM | {"id": "other"}], 0),
        ([HOOK, TEAM], 0),
        ([TEAM], 1),
        ([TEAM, HOOK | {"address": "https://hooks.slack.com/services/T0/B0/new"}], 1),
        ([], 1),
    ],
)
async def test_losing_a_place_raises_the_version(
    acme: httpx.AsyncClient, directory: Directory, chats: list[dict[str, str]], version: int
) -> None:
    await acme.put("/v1/recipients/team", json={"chats": [TEAM, HOOK]})
    assert (await acme.put("/v1/recipients/team", json={"chats": chats})).is_success
    assert await directory.version("team") == version


@pytest.mark.parametrize(
    ("chats", "pointer", "code"),
    [
        ([TEAM | {"address": "#general"}], "/chats/0/address", "chat_invalid"),
        ([TEAM, HOOK | {"address": "hooks.slack.com/services/T0/B0/x"}], "/chats/1/address", "chat_invalid"),
        ([HOOK | {"address": "https://hooks.slack.com/ x"}], "/chats/0/address", "chat_invalid"),
        ([TEAM | {"kind": "Slack!"}], "/chats/0/kind", "chat_invalid"),
        ([TEAM | {"id": ".."}], "/chats/0/id", "chat_invalid"),
        ([TEAM, TEAM], "/chats", "chat_invalid"),
        ([TEAM | {"id": f"p{n}"} for n in range(21)], "/chats", "too_long"),
        ([TEAM | {"url": "x"}], "/chats/0/url", "field_unknown"),
    ],
)
async def test_each_fault_has_its_place_and_never_the_address(
    acme: httpx.AsyncClient, chats: list[dict[str, str]], pointer: str, code: str
) -> None:
    answer = await acme.put("/v1/recipients/team", json={"chats": chats})
    assert answer.status_code == 422
    assert (pointer, code) in [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]]
    assert "hooks.slack.com" not in answer.text


async def test_whoever_has_a_suppressed_place_is_raised_and_nobody_of_another_tenant(
    acme: httpx.AsyncClient, directory: Directory
) -> None:
    for who, chats in (("team", [TEAM, HOOK]), ("twin", [HOOK | {"id": "x"}]), ("bob", [TEAM])):
        await acme.put(f"/v1/recipients/{who}", json={"chats": chats})
    await directory.rows("INSERT INTO directory.tenants (id) VALUES ('other') ON CONFLICT DO NOTHING")
    await directory.rows(
        "INSERT INTO directory.recipients (tenant, id, chats) SELECT 'other', 'theirs', chats FROM directory.recipients WHERE id = 'team'"
    )
    added = await acme.post("/v1/suppressions", json={"channel": "chat", "address": HOOK["address"]})
    assert added.status_code == 201
    assert HOOK["address"] not in added.text
    assert [await directory.version(who) for who in ("team", "twin", "bob")] == [1, 1, 0]
    assert await directory.version("theirs", tenant="other") == 0


async def test_a_template_of_a_chat_is_checked_and_shown(acme: httpx.AsyncClient) -> None:
    await acme.put("/v1/categories/ops", json={"name": "Operations", "default": "on"})
    workflow = {"name": "Lost", "category": "ops", "lane": "transactional", "channels": ["chat"]}
    assert (await acme.put("/v1/workflows/lost", json=workflow)).is_success
    path = "/v1/workflows/lost/templates/chat/default/en"
    refused = await acme.put(
        path, json={"parts": {"text": "x", "actions.1.label": "Open", "actions.4.url": "y"}}
    )
    assert {(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]} == {
        ("/parts", "part_missing"),
        ("/parts/actions.4.url", "part_unknown"),
    }
    parts = {
        "text": "Parcel {{ data.parcel }} is lost",
        "title": "Lost",
        "actions.2.label": "Open {{ data.parcel }}",
        "actions.2.url": "https://shop.example/{{ data.parcel }}",
        "actions.3.label": "{{ data.more | default('') }}",
        "actions.3.url": "{{ data.more | default('') }}",
    }
    assert (await acme.put(path, json={"parts": parts, "publish": True})).status_code == 201
    asked = {"channel": "chat", "data": {"parcel": "7](https://evil.example)"}}
    shown = (await acme.post("/v1/workflows/lost/preview", json=asked)).json()
    assert (shown["title"], shown["text"]) == ("Lost", "Parcel 7](https://evil.example) is lost")
    assert shown["actions"] == [
        {
            "name": None,
            "label": "Open 7](https://evil.example)",
            "url": "https://shop.example/7](https://evil.example)",
        }
    ]
    half = await acme.post(
        "/v1/workflows/lost/preview",
        json={"channel": "chat", "parts": parts | {"actions.3.label": "x"}, "data": {"parcel": "7"}},
    )
    assert half.status_code == 422
