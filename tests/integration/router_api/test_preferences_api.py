"""Preferences: what is stored, what follows from it and why; and the link that ends a category."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tocsin.contracts.vocabulary import Channel
from tocsin.router.tokens import UnsubscribeTokens, Unsubscription

from .conftest import Directory

PATH = "/v1/recipients/ada/preferences"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
async def shop(acme: httpx.AsyncClient, directory: Directory) -> httpx.AsyncClient:
    """Tenant acme: orders (on) with two workflows, codes (required) with one, offers (off) with none."""
    for key, default in (("orders", "on"), ("codes", "required"), ("offers", "off")):
        await acme.put(f"/v1/categories/{key}", json={"default": default, "name": key.title()})
    for key, category in (("shipped", "orders"), ("delayed", "orders"), ("login", "codes")):
        await acme.put(f"/v1/workflows/{key}", json={"category": category, "channels": ["email", "sms"]})
    await directory.changed()
    return acme


async def save(client: httpx.AsyncClient, *switches: dict[str, Any]) -> httpx.Response:
    return await client.put(PATH, json={"preferences": list(switches)})


def effective(answer: httpx.Response, channel: str, category: str, workflow: str | None) -> tuple[bool, str]:
    """Whether it is on, and the rule."""
    rules = [
        (preference["enabled"], preference["rule"])
        for preference in answer.json()["effective"]
        if (preference["channel"], preference["category"], preference["workflow"])
        == (channel, category, workflow)
    ]
    assert len(rules) == 1
    return rules[0]


async def test_without_preferences_the_categories_decide(shop: httpx.AsyncClient) -> None:
    read = await shop.get(PATH)
    assert read.json()["stored"] == []
    assert effective(read, "sms", "orders", "shipped") == (True, "default")
    assert effective(read, "email", "offers", None) == (False, "default")
    assert effective(read, "email", "codes", "login") == (True, "required")
    assert (
        len(read.json()["effective"]) == len(Channel) * 3 + 3 * 2
    )  # a row per channel and category, and per workflow


async def test_the_most_specific_switch_decides_and_is_named(shop: httpx.AsyncClient) -> None:
    saved = await save(
        shop,
        {"channel": "sms", "category": "orders", "enabled": False},
        {"workflow": "delayed", "enabled": True},
        {"channel": "sms", "enabled": True},
    )
    assert saved.status_code == 200
    assert effective(saved, "sms", "orders", "shipped") == (False, "sms/orders/*")
    assert effective(saved, "sms", "orders", "delayed") == (True, "*/*/delayed")
    assert effective(saved, "sms", "offers", None) == (True, "sms/*/*")
    assert effective(saved, "email", "orders", "shipped") == (True, "default")
    assert (await shop.get(PATH)).json() == saved.json()


async def test_a_switch_keeps_who_changed_it_and_when(
    shop: httpx.AsyncClient, anyone: httpx.AsyncClient, tokens: UnsubscribeTokens
) -> None:
    on = {"channel": "sms", "category": "orders", "enabled": True}
    body = {"preferences": [on], "source": "settings_page"}
    (first,) = (await shop.put(PATH, json=body)).json()["stored"]
    assert (first["source"], first["workflow"]) == ("settings_page", None)
    again = await save(shop, on, {"channel": "email", "enabled": True})
    assert [preference["source"] for preference in again.json()["stored"]] == ["api", "settings_page"]
    assert again.json()["stored"][1] == first
    (changed,) = (await save(shop, on | {"enabled": False})).json()["stored"]
    assert changed["source"] == "api"
    assert datetime.fromisoformat(changed["changed_at"]) > datetime.fromisoformat(first["changed_at"])
    await anyone.post(link(tokens, category="offers"))
    await anyone.post(link(tokens), data=ONE_CLICK)
    stored = (await shop.get(PATH)).json()["stored"]
    assert [
        (preference["channel"], preference["category"], preference["source"]) for preference in stored
    ] == [
        ("email", "offers", "unsubscribe_page"),
        ("email", "orders", "one_click"),
        ("sms", "orders", "api"),
    ]
    refused = await shop.put(PATH, json={"preferences": [], "source": "A b"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/source")


async def test_only_what_takes_away_raises_the_version(shop: httpx.AsyncClient, directory: Directory) -> None:
    on = {"channel": "email", "category": "offers", "enabled": True}
    off = {"channel": "sms", "category": "orders", "enabled": False}
    await save(shop, on)
    assert await directory.version("ada") == 0
    await save(shop, on, off)
    assert await directory.version("ada") == 1
    await save(shop, on, off)
    assert await directory.version("ada") == 1
    await save(shop, on)
    assert await directory.version("ada") == 1
    await save(shop)
    assert await directory.version("ada") == 2
    assert await directory.changed() == [("recipient_version", "acme", "ada")] * 2


@pytest.mark.parametrize(
    ("switch", "member", "code"),
    [
        ({"category": "codes", "enabled": False}, "/enabled", "category_required"),
        ({"workflow": "login", "channel": "sms", "enabled": False}, "/enabled", "category_required"),
        ({"category": "nothing", "enabled": True}, "/category", "unknown_category"),
        ({"workflow": "nothing", "enabled": True}, "/workflow", "unknown_workflow"),
        ({"channel": "pigeon", "enabled": True}, "/channel", "enum"),
    ],
)
async def test_faults_of_a_switch_are_named(
    shop: httpx.AsyncClient, switch: dict[str, Any], member: str, code: str
) -> None:
    refused = await save(shop, {"enabled": True}, switch)
    assert refused.status_code == 422
    assert [(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]] == [
        (f"/preferences/1{member}", code)
    ]
    assert (await shop.get(PATH)).json()["stored"] == []


async def test_a_switch_stands_once(shop: httpx.AsyncClient) -> None:
    refused = await save(shop, {"enabled": True}, {"enabled": False})
    assert refused.json()["errors"][0]["code"] == "repeated"


async def test_preferences_change_only_from_what_was_read(shop: httpx.AsyncClient) -> None:
    read = await shop.get(PATH)
    body = {"preferences": [{"channel": "sms", "enabled": False}]}
    first = await shop.put(PATH, json=body, headers={"if-match": read.headers["etag"]})
    assert first.status_code == 200
    second = await shop.put(PATH, json={"preferences": []}, headers={"if-match": read.headers["etag"]})
    assert second.status_code == 412


def link(tokens: UnsubscribeTokens, **changed: Any) -> str:
    said = {"tenant": "acme", "recipient": "ada", "category": "orders", "channel": Channel.EMAIL} | changed
    return "/u/" + tokens.sign(Unsubscription(**said))


@pytest.fixture
async def anyone(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Whoever holds a link: no key, no cookie."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://router.test"
    ) as client:
        yield client


@pytest.mark.parametrize(
    "sent",
    [
        {"data": ONE_CLICK},
        {"files": {"List-Unsubscribe": (None, "One-Click")}},
        {"data": ONE_CLICK, "headers": {"origin": "https://mail.example", "sec-fetch-site": "cross-site"}},
        {"data": ONE_CLICK, "headers": {"cookie": "session=of-somebody-else"}},
        {},
    ],
    ids=["form", "multipart", "foreign origin", "cookies", "empty"],
)
async def test_one_click_unsubscribes(
    shop: httpx.AsyncClient,
    anyone: httpx.AsyncClient,
    directory: Directory,
    tokens: UnsubscribeTokens,
    sent: dict[str, Any],
) -> None:
    done = await anyone.post(link(tokens), **sent)
    assert done.status_code == 200
    assert await directory.changed() == [("recipient_version", "acme", "ada")]
    after = await shop.get(PATH)
    assert effective(after, "email", "orders", "shipped") == (False, "email/orders/*")
    assert effective(after, "sms", "orders", "shipped") == (True, "default")
    assert [preference["source"] for preference in after.json()["stored"]] == [
        "one_click" if sent else "unsubscribe_page"
    ]
    assert (await anyone.post(link(tokens), **sent)).status_code == 200
    assert await directory.version("ada") == 1


async def test_opening_the_page_changes_nothing(
    shop: httpx.AsyncClient, anyone: httpx.AsyncClient, directory: Directory, tokens: UnsubscribeTokens
) -> None:
    page = await anyone.get(link(tokens))
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["referrer-policy"] == "no-referrer"
    assert '<form method="post"><button' in page.text
    assert "Orders" in page.text
    scanned = await anyone.head(link(tokens))
    assert (scanned.status_code, scanned.content) == (200, b"")
    different = {"x-request-id"}
    assert {name: text for name, text in scanned.headers.items() if name not in different} == {
        name: text for name, text in page.headers.items() if name not in different
    }
    asked = await anyone.options(link(tokens))
    assert (asked.status_code, asked.headers["allow"]) == (405, "GET, HEAD, POST")
    assert await directory.version("ada") == 0


PAGE_HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
}


@pytest.mark.parametrize(
    ("category", "statuses"),
    [
        ("orders", {"GET": 200, "POST": 200}),
        ("codes", {"GET": 200, "POST": 422}),
        (None, {"GET": 404, "POST": 404}),
    ],
)
async def test_every_page_is_framed_by_nobody_kept_by_nobody_and_runs_nothing(
    shop: httpx.AsyncClient,
    anyone: httpx.AsyncClient,
    tokens: UnsubscribeTokens,
    category: str | None,
    statuses: dict[str, int],
) -> None:
    path = link(tokens, category=category) if category else "/u/x"
    for method, status in statuses.items():
        page = await anyone.request(method, path, headers={"accept": "text/html"})
        assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert PAGE_HEADERS.items() <= page.headers.items()
        policy = page.headers["content-security-policy"]
        assert {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(policy.split("; "))
        assert not any(word in policy for word in ("script-src", "unsafe", "*"))


async def test_a_link_ends_what_a_workflow_had_switched_on(
    shop: httpx.AsyncClient, anyone: httpx.AsyncClient, tokens: UnsubscribeTokens
) -> None:
    await save(shop, {"workflow": "shipped", "enabled": True})
    await anyone.post(link(tokens))
    after = await shop.get(PATH)
    assert effective(after, "email", "orders", "shipped") == (False, "email/*/shipped")
    assert effective(after, "sms", "orders", "shipped") == (True, "*/*/shipped")


async def test_a_required_category_has_no_button(
    shop: httpx.AsyncClient, anyone: httpx.AsyncClient, directory: Directory, tokens: UnsubscribeTokens
) -> None:
    path = link(tokens, category="codes")
    page = await anyone.get(path)
    assert "cannot be switched off" in page.text
    assert "<button" not in page.text
    assert (await anyone.post(path)).status_code == 422
    assert await directory.version("ada") == 0


async def test_a_category_that_is_gone_is_no_fault_of_the_reader(
    shop: httpx.AsyncClient, anyone: httpx.AsyncClient, tokens: UnsubscribeTokens
) -> None:
    assert (await anyone.get(link(tokens, category="gone"))).status_code == 200
    assert (await anyone.post(link(tokens, category="gone"))).status_code == 200


async def test_a_forged_link_does_nothing(
    shop: httpx.AsyncClient, anyone: httpx.AsyncClient, tokens: UnsubscribeTokens
) -> None:
    path = link(tokens)
    for bad in ("/u/x", "/u/x.y", path[:-2], "/u/A" + path[4:], "/u/%00", "/u/é.é"):
        program = await anyone.post(bad)
        assert (program.status_code, program.json()["code"]) == (404, "invalid_link")
        person = await anyone.get(bad, headers={"accept": "text/html"})
        assert (person.status_code, "does not work" in person.text) == (404, True)


async def test_names_on_the_page_are_text(
    shop: httpx.AsyncClient, anyone: httpx.AsyncClient, tokens: UnsubscribeTokens
) -> None:
    await shop.put("/v1/categories/orders", json={"name": "<script>alert(1)</script>"})
    await shop.put("/v1/tenant", json={"name": "<img src=x>"})
    page = await anyone.get(link(tokens))
    assert "<script>" not in page.text
    assert "<img" not in page.text
