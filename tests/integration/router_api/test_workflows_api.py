"""Categories, workflows, templates: what is saved is checked, what is published reaches the outbox, what is used stays."""

import json
from html import unescape
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.hostile_programs import (
    DEEP_EXPRESSIONS,
    DOUBLING_EXPRESSION,
    DOUBLING_SCHEMA,
    LOOK_AROUND,
    TOO_LONG_EXPRESSION,
)

from tocsin.router.api.fields import stored_bytes
from tocsin.router.api.workflows import MOST_SUBSCRIBERS

from .conftest import Directory

SCHEMA = {
    "type": "object",
    "properties": {"order": {"type": "object", "properties": {"id": {"type": "string"}}}},
}
FLOW: dict[str, Any] = {
    "category": "orders",
    "channels": ["email", "sms", "push"],
    "event_types": ["com.shop.order.shipped"],
    "data_schema": SCHEMA,
}
SEND = {"name": "first", "kind": "send", "channels": ["email"]}
MAIL = {
    "subject": "Order {{ data.order.id }}",
    "text": "It is on its way.",
    "html": "<b>{{ data.order.id }}</b>",
}


@pytest.fixture
async def shop(acme: httpx.AsyncClient, directory: Directory) -> httpx.AsyncClient:
    """Tenant acme with a category and a workflow."""
    assert (await acme.put("/v1/categories/orders", json={"name": "Orders"})).status_code == 201
    assert (await acme.put("/v1/workflows/shipped", json=FLOW)).status_code == 201
    await directory.changed()
    return acme


async def test_a_category_comes_back_as_saved_and_is_published_once(
    acme: httpx.AsyncClient, directory: Directory
) -> None:
    body = {"name": "Offers", "default": "off", "ttl_seconds": 60, "delivery": "at_most_once"}
    assert (await acme.put("/v1/categories/offers", json=body)).status_code == 201
    assert (await acme.put("/v1/categories/offers", json=body)).status_code == 200
    assert await directory.changed() == [("category", "acme", "offers")]
    read = (await acme.get("/v1/categories/offers")).json()
    assert {name: read[name] for name in body} == body
    assert [category["key"] for category in (await acme.get("/v1/categories")).json()["data"]] == ["offers"]
    assert (await acme.delete("/v1/categories/offers")).status_code == 204
    assert await directory.changed() == [("category", "acme", "offers")]


async def test_a_category_says_how_often_its_messages_may_be_sent(acme: httpx.AsyncClient) -> None:
    assert (await acme.put("/v1/categories/offers", json={})).json()["delivery"] == "at_least_once"
    answer = await acme.put("/v1/categories/offers", json={"delivery": "exactly_once"})
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/delivery"]


async def test_a_category_says_whether_an_uncertain_message_may_go_elsewhere(acme: httpx.AsyncClient) -> None:
    assert (await acme.put("/v1/categories/offers", json={})).json()["resend_elsewhere"] is False
    saved = await acme.put("/v1/categories/offers", json={"resend_elsewhere": True})
    assert saved.json()["resend_elsewhere"] is True
    contradiction = {"resend_elsewhere": True, "delivery": "at_most_once"}
    answer = await acme.put("/v1/categories/offers", json=contradiction)
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/resend_elsewhere"]


async def test_a_category_says_whether_its_mails_are_tracked_and_never_if_nobody_can_switch_it_off(
    acme: httpx.AsyncClient,
) -> None:
    assert (await acme.put("/v1/categories/offers", json={})).json()["tracking"] == "off"
    saved = await acme.put("/v1/categories/offers", json={"tracking": "aggregate"})
    assert saved.json()["tracking"] == "aggregate"
    contradiction = {"tracking": "individual", "default": "required"}
    for body in (contradiction, {"tracking": "always"}):
        answer = await acme.put("/v1/categories/offers", json=body)
        assert answer.status_code == 422
        assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/tracking"]


@pytest.mark.parametrize(("seconds", "status"), [(518_400, 201), (518_401, 422), (0, 422)])
async def test_a_categorys_messages_live_at_most_six_days(
    acme: httpx.AsyncClient, seconds: int, status: int
) -> None:
    answer = await acme.put("/v1/categories/offers", json={"ttl_seconds": seconds})
    assert answer.status_code == status
    if status == 422:
        assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/ttl_seconds"]


async def test_optional_categories_need_a_public_address(acme: httpx.AsyncClient, app: FastAPI) -> None:
    app.state.public_url = None
    refused = await acme.put("/v1/categories/offers", json={"default": "on"})
    assert refused.status_code == 422
    assert "PUBLIC_URL" in refused.json()["detail"]
    assert (await acme.put("/v1/categories/codes", json={"default": "required"})).status_code == 201


async def test_a_category_in_use_stays(shop: httpx.AsyncClient) -> None:
    refused = await shop.delete("/v1/categories/orders")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


async def test_a_workflow_comes_back_as_saved(shop: httpx.AsyncClient, directory: Directory) -> None:
    same = await shop.put("/v1/workflows/shipped", json=FLOW)
    assert (same.status_code, same.json()["revision"]) == (200, 1)
    assert await directory.changed() == []
    changed = await shop.put("/v1/workflows/shipped", json={**FLOW, "lane": "critical"})
    assert (changed.json()["revision"], changed.json()["lane"]) == (2, "critical")
    assert await directory.changed() == [("workflow", "acme", "shipped")]
    read = (await shop.get("/v1/workflows/shipped")).json()
    assert {name: read[name] for name in FLOW} == FLOW
    assert read["published"] is True
    assert read["steps"] == [
        {"name": "1", "kind": "send", "channels": FLOW["channels"], "template": "default"}
    ]
    assert [workflow["key"] for workflow in (await shop.get("/v1/workflows")).json()["data"]] == ["shipped"]


async def test_steps_come_back_as_saved_and_channels_where_they_say_as_much(shop: httpx.AsyncClient) -> None:
    written = {name: value for name, value in FLOW.items() if name != "channels"}
    only = {"name": "1", "kind": "send", "channels": FLOW["channels"], "template": "default"}
    same = await shop.put("/v1/workflows/shipped", json={**written, "steps": [only]})
    assert (same.status_code, same.json()["revision"]) == (200, 1)
    steps = [only, {"name": "as-text", "kind": "send", "channels": ["sms"], "template": "short"}]
    changed = await shop.put("/v1/workflows/shipped", json={**written, "steps": steps})
    assert (changed.status_code, changed.json()["revision"]) == (200, 2)
    read = (await shop.get("/v1/workflows/shipped")).json()
    assert (read["steps"], read["channels"]) == (steps, None)
    back = await shop.put("/v1/workflows/shipped", json={**written, "channels": ["sms"], "steps": None})
    assert back.json()["steps"] == [only | {"channels": ["sms"]}]
    assert back.json()["channels"] == ["sms"]


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"category": "nothing"}, "/category", "unknown_category"),
        ({"channels": []}, "/channels", "too_short"),
        ({"channels": ["email", "email"]}, "/channels", "repeated"),
        ({"channels": ["pigeon"]}, "/channels/0", "enum"),
        ({"recipients": "data.[?"}, "/recipients", "expression_invalid"),
        ({"recipients": "length(data.x)"}, "/recipients", "expression_invalid"),
        ({"recipients": DEEP_EXPRESSIONS[0]}, "/recipients", "expression_invalid"),
        ({"recipients": DEEP_EXPRESSIONS[1]}, "/recipients", "expression_invalid"),
        ({"recipients": TOO_LONG_EXPRESSION}, "/recipients", "string_too_long"),
        ({"recipients": DOUBLING_EXPRESSION}, "/recipients", "expression_invalid"),
        ({"data_schema": DOUBLING_SCHEMA}, "/data_schema", "schema_invalid"),
        ({"data_schema": {"pattern": LOOK_AROUND}}, "/data_schema", "schema_invalid"),
        ({"data_schema": {"type": "strin"}}, "/data_schema", "schema_invalid"),
        ({"data_schema": {"$ref": "http://127.0.0.1:9/x"}}, "/data_schema", "schema_invalid"),
        ({"event_types": ["a\nb"]}, "/event_types/0", "control_character"),
        ({"channels": None}, "/steps", "steps_missing"),
        ({"steps": [SEND]}, "/steps", "steps_and_channels"),
        ({"channels": None, "steps": []}, "/steps", "too_short"),
        ({"channels": None, "steps": [SEND | {"name": str(n)} for n in range(21)]}, "/steps", "too_long"),
        ({"channels": None, "steps": [SEND, SEND]}, "/steps", "step_name_repeated"),
        ({"channels": None, "steps": [SEND | {"name": "A b"}]}, "/steps/0/name", "string_pattern_mismatch"),
        (
            {"channels": None, "steps": [SEND | {"name": "a" * 64}]},
            "/steps/0/name",
            "string_pattern_mismatch",
        ),
        ({"channels": None, "steps": [SEND | {"kind": "wait"}]}, "/steps/0/kind", "step_kind_unknown"),
        ({"channels": None, "steps": [SEND | {"kind": ["send"]}]}, "/steps/0/kind", "step_kind_unknown"),
        ({"channels": None, "steps": [SEND | {"window": "day"}]}, "/steps/0/window", "field_unknown"),
        ({"channels": None, "steps": [SEND | {"channels": []}]}, "/steps/0/channels", "too_short"),
        (
            {"channels": None, "steps": [SEND | {"template": "a/b"}]},
            "/steps/0/template",
            "string_pattern_mismatch",
        ),
    ],
)
async def test_faults_of_a_workflow_are_named(
    shop: httpx.AsyncClient, change: dict[str, Any], pointer: str, code: str
) -> None:
    refused = await shop.put("/v1/workflows/shipped", json={**FLOW, **change})
    assert refused.status_code == 422
    assert [(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]] == [(pointer, code)]


async def test_one_type_of_event_triggers_twenty_workflows_of_a_tenant(
    shop: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    await other.put("/v1/categories/orders", json={"default": "required"})
    flow = {"category": "orders", "channels": ["sms"], "event_types": ["com.quiet", "com.busy"]}
    for number in range(MOST_SUBSCRIBERS):
        assert (await shop.put(f"/v1/workflows/busy-{number}", json=flow)).status_code == 201
    refused = await shop.put("/v1/workflows/one-more", json=flow | {"event_types": ["com.new", "com.busy"]})
    assert refused.status_code == 422
    (fault,) = refused.json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("/event_types/1", "too_many_workflows")
    assert (await shop.put("/v1/workflows/busy-3", json=flow | {"name": "again"})).status_code == 200
    assert (await other.put("/v1/workflows/theirs", json=flow)).status_code == 201
    assert (await shop.put("/v1/workflows/busy-3", json=flow | {"event_types": []})).status_code == 200
    assert (await shop.put("/v1/workflows/one-more", json=flow)).status_code == 201


async def test_templates_are_revisions_and_one_is_published(
    shop: httpx.AsyncClient, directory: Directory
) -> None:
    path = "/v1/workflows/shipped/templates/email/default/de"
    first = await shop.put(path, json={"parts": MAIL})
    assert (first.status_code, first.json()["revision"], first.json()["published_revision"]) == (201, 1, None)
    assert (await shop.put(path, json={"parts": MAIL})).status_code == 200
    assert await directory.changed() == []
    published = await shop.post(f"{path}/publish", json={})
    assert published.json()["published_revision"] == 1
    assert await directory.changed() == [("template", "acme", "shipped", "email", "default", "de")]
    second = await shop.put(path, json={"parts": {**MAIL, "text": "Soon."}, "publish": True})
    assert (second.json()["revision"], second.json()["published_revision"]) == (2, 2)
    back = await shop.post(f"{path}/publish", json={"revision": 1})
    assert (back.json()["revision"], back.json()["published_revision"]) == (1, 1)
    assert (await shop.get(path)).json()["revision"] == 2
    assert (await shop.get(f"{path}/revisions/1")).json()["parts"] == MAIL
    pages = [
        (await shop.get(f"{path}/revisions", params={"limit": 1})).json(),
        (await shop.get(f"{path}/revisions")).json(),
    ]
    assert [len(page["data"]) for page in pages] == [1, 2]
    rest = await shop.get(f"{path}/revisions", params={"cursor": pages[0]["next_cursor"]})
    assert [entry["revision"] for entry in rest.json()["data"]] == [2]
    await directory.changed()
    assert (await shop.post(f"{path}/unpublish")).json()["published_revision"] is None
    assert await directory.changed() == [("template", "acme", "shipped", "email", "default", "de")]
    assert (await shop.post(f"{path}/publish", json={"revision": 9})).status_code == 404
    assert (await shop.delete(path)).status_code == 204
    assert (await shop.get(path)).status_code == 404


async def test_templates_of_one_language_are_told_apart_by_name(shop: httpx.AsyncClient) -> None:
    path = "/v1/workflows/shipped/templates/sms"
    for name, body in (("default", "Long"), ("short", "Brief")):
        made = await shop.put(f"{path}/{name}/en", json={"parts": {"body": body}, "publish": True})
        assert (made.status_code, made.json()["name"], made.json()["revision"]) == (201, name, 1)
    listed = (await shop.get("/v1/workflows/shipped/templates")).json()["data"]
    assert [(entry["name"], entry["parts"]["body"]) for entry in listed] == [
        ("default", "Long"),
        ("short", "Brief"),
    ]
    for asked, shown in (({}, "Long"), ({"template": "short"}, "Brief")):
        preview = await shop.post("/v1/workflows/shipped/preview", json={"channel": "sms"} | asked)
        assert preview.json()["body"] == shown
    nothing = await shop.post("/v1/workflows/shipped/preview", json={"channel": "sms", "template": "other"})
    assert nothing.status_code == 404
    assert (await shop.delete(f"{path}/default/en")).status_code == 204
    assert (await shop.get(f"{path}/short/en")).status_code == 200
    assert (await shop.put(f"{path}/Not%20a%20name/en", json={"parts": {"body": "x"}})).status_code == 422


async def test_templates_are_listed_by_channel_and_language(shop: httpx.AsyncClient) -> None:
    for channel, locale in (("sms", "en"), ("sms", "de"), ("push", "en")):
        parts = {"body": "Hello"} | ({"title": "Hi"} if channel == "push" else {})
        await shop.put(f"/v1/workflows/shipped/templates/{channel}/default/{locale}", json={"parts": parts})
    seen = []
    params: dict[str, Any] = {"limit": 2}
    while True:
        page = (await shop.get("/v1/workflows/shipped/templates", params=params)).json()
        seen += [(entry["channel"], entry["locale"]) for entry in page["data"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
    assert seen == [("push", "en"), ("sms", "de"), ("sms", "en")]
    assert (await shop.get("/v1/workflows/nothing/templates")).status_code == 404


@pytest.mark.parametrize(
    ("channel", "parts", "pointer", "code"),
    [
        ("email", {**MAIL, "html": "{{ data.order.nr }}"}, "/parts/html", "variable_unknown"),
        ("email", {**MAIL, "subject": "{{ data."}, "/parts/subject", "template_syntax"),
        ("email", {"text": "Hello"}, "/parts", "part_missing"),
        ("sms", {"body": "Hello", "html": "Hello"}, "/parts/html", "part_unknown"),
    ],
)
async def test_faults_of_a_template_are_named(
    shop: httpx.AsyncClient, channel: str, parts: dict[str, str], pointer: str, code: str
) -> None:
    refused = await shop.put(f"/v1/workflows/shipped/templates/{channel}/default/de", json={"parts": parts})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_template")
    assert (pointer, code) in [(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]]


async def test_a_schema_that_published_templates_do_not_fit_is_refused(shop: httpx.AsyncClient) -> None:
    await shop.put("/v1/workflows/shipped/templates/email/default/de", json={"parts": MAIL, "publish": True})
    narrower = {"type": "object", "properties": {"invoice": {"type": "string"}}}
    refused = await shop.put("/v1/workflows/shipped", json={**FLOW, "data_schema": narrower})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/data_schema"
    assert (await shop.get("/v1/workflows/shipped")).json()["data_schema"] == SCHEMA


async def test_a_deleted_workflow_takes_its_templates_with_it(
    shop: httpx.AsyncClient, directory: Directory
) -> None:
    path = "/v1/workflows/shipped/templates/email/default/de"
    await shop.put(path, json={"parts": MAIL, "publish": True})
    await directory.changed()
    assert (await shop.delete("/v1/workflows/shipped")).status_code == 204
    assert await directory.changed() == [
        ("template", "acme", "shipped", "email", "default", "de"),
        ("workflow", "acme", "shipped"),
    ]
    assert (await shop.get(path)).status_code == 404
    assert (await shop.delete("/v1/categories/orders")).status_code == 204


async def test_a_preview_is_written_for_the_recipient(shop: httpx.AsyncClient) -> None:
    await shop.put("/v1/recipients/ada", json={"locale": "de-AT", "attributes": {"name": "Ada"}})
    path = "/v1/workflows/shipped/templates/sms/default"
    await shop.put(f"{path}/de", json={"parts": {"body": "Hallo {{ recipient.attributes.name }}"}})
    await shop.put(f"{path}/en", json={"parts": {"body": "Hello {{ recipient.attributes.name }}"}})
    german = await shop.post(
        "/v1/workflows/shipped/preview", json={"channel": "sms", "recipient": {"id": "ada"}}
    )
    assert (german.json()["body"], german.json()["locale"], german.json()["revision"]) == (
        "Hallo Ada",
        "de",
        1,
    )
    default = await shop.post(
        "/v1/workflows/shipped/preview",
        json={"channel": "sms", "locale": "fr", "recipient": {"attributes": {"name": "Eve"}}},
    )
    assert (default.json()["body"], default.json()["locale"]) == ("Hello Eve", "en")


async def test_a_preview_of_words_that_are_not_saved(shop: httpx.AsyncClient) -> None:
    body = {
        "channel": "email",
        "parts": {**MAIL, "html": "<b>{{ data.order.id }}</b> {{ links.unsubscribe }}"},
        "data": {"order": {"id": "<1>"}},
    }
    shown = (await shop.post("/v1/workflows/shipped/preview", json=body)).json()
    assert shown["subject"] == "Order <1>"
    assert "<b>&lt;1&gt;</b>" in shown["html"]
    assert unescape(shown["html"]) == "<b><1></b> https://notify.example.com/u/preview"
    assert (shown["revision"], shown["locale"]) == (None, "en")
    linked = body | {"parts": {**MAIL, "html": '<a href="{{ link }}">{{ data.order.id }}</a>'}}
    without = await shop.post("/v1/workflows/shipped/preview", json=linked)
    assert (without.status_code, without.json()["errors"][0]["pointer"]) == (422, "/parts/html")
    shown = await shop.post(
        "/v1/workflows/shipped/preview", json=linked | {"link": "https://a.example/b?c=1"}
    )
    assert unescape(shown.json()["html"]) == '<a href="https://a.example/b?c=1"><1></a>'
    refused = await shop.post("/v1/workflows/shipped/preview", json=linked | {"link": "javascript:alert(1)"})
    assert [(fault["pointer"], fault["code"]) for fault in refused.json()["errors"]] == [
        ("/link", "link_invalid")
    ]
    undefined = await shop.post("/v1/workflows/shipped/preview", json={**body, "data": {}})
    assert (undefined.status_code, undefined.json()["code"]) == (422, "render_failed")
    nothing = await shop.post("/v1/workflows/shipped/preview", json={"channel": "push"})
    assert nothing.status_code == 404


async def test_what_no_longer_fits_once_it_is_stored_is_refused(
    shop: httpx.AsyncClient, directory: Directory
) -> None:
    """PostgreSQL gives 1e300 back with 301 digits: 40 kB sent would be 2.4 MB to publish."""
    noted = {"examples": [float(f"{first}.{second}e300") for first in range(1, 10) for second in range(900)]}
    refused = await shop.put("/v1/workflows/shipped", json=FLOW | {"data_schema": noted})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/data_schema")
    small = {"examples": noted["examples"][:100]}
    saved = await shop.put("/v1/workflows/plain", json=FLOW | {"data_schema": small})
    assert saved.status_code == 201
    attributes = {"scale": [1e-300] * 200}
    refused = await shop.put("/v1/recipients/p1", json={"attributes": attributes})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/attributes")
    text = '{"attributes": {"most": 1e999}}'
    refused = await shop.put("/v1/recipients/p1", content=text, headers={"content-type": "application/json"})
    assert refused.status_code == 422
    assert await directory.changed() == [("workflow", "acme", "plain")]


async def test_sizes_are_those_of_what_postgresql_gives_back(directory: Directory) -> None:
    numbers: dict[str, Any] = {"n": [1e300, 1.5e-300, 2.5, 1e16, -3e20, 12, 1e22], "t": ["1e300", "\u00e9"]}
    query = "SELECT replace(replace(CAST(:json AS jsonb)::text, ': ', ':'), ', ', ',')"
    ((stored,),) = await directory.rows(query, json=json.dumps(numbers))
    assert abs(stored_bytes(numbers) - len(stored.encode())) <= 2 * len(numbers["n"])
