"""Endpoints of webhooks at the API: secrets come in, are sealed, rotate, and never go out again."""

import base64
import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tocsin.router.api import create_app
from tocsin.router.api.webhook_endpoints import MOST_ENDPOINTS
from tocsin.runtime.outgoing import AllowedTargets
from tocsin.trust import Seal

from .conftest import Directory

pytestmark = pytest.mark.postgres

PATH = "/v1/webhook-endpoints/shop"
URL = "https://hooks.shop.example/tocsin"
MINE = "whsec_" + base64.b64encode(b"m" * 24).decode()
NEXT = "whsec_" + base64.b64encode(b"n" * 64).decode()
ENTITY = "webhook_endpoint/shop"


async def saved(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await client.put(PATH, json={"url": URL} | fields)


async def stored(directory: Directory, column: str) -> Any:
    ((value,),) = await directory.rows(f"SELECT {column} FROM directory.webhook_endpoints")
    return value


async def test_a_new_one_gets_a_secret_that_is_shown_once(
    acme: httpx.AsyncClient, directory: Directory, seal: Seal
) -> None:
    made = await saved(acme)
    assert made.status_code == 201, made.text
    secret = made.json()["new_secret"]
    (sealed,) = await stored(directory, "secrets")
    assert seal.open(sealed, tenant="acme", entity=ENTITY) == secret
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    again = await saved(acme)
    assert (again.status_code, again.json()["new_secret"], again.headers["etag"]) == (
        200,
        None,
        made.headers["etag"],
    )
    read = await acme.get(PATH)
    listed = await acme.get("/v1/webhook-endpoints")
    assert secret not in read.text + listed.text
    assert read.json()["secrets"] == 1
    assert [each["key"] for each in listed.json()["data"]] == ["shop"]


async def test_saving_the_same_twice_changes_nothing(acme: httpx.AsyncClient, directory: Directory) -> None:
    body = {"secrets": [MINE, NEXT], "headers": {"Authorization": "Bearer marked"}, "event_types": ["a", "b"]}
    first = await saved(acme, **body)
    assert ("webhook_endpoint", "acme", "shop") in await directory.changed()
    second = await saved(acme, **body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.headers["etag"] == second.headers["etag"]
    assert await directory.changed() == []
    assert second.json()["header_names"] == ["Authorization"]


async def test_a_secret_is_rotated_without_a_gap(
    acme: httpx.AsyncClient, directory: Directory, seal: Seal
) -> None:
    await saved(acme, secrets=[MINE])
    added = await acme.post(f"{PATH}/secrets", json={})
    assert added.status_code == 201, added.text
    new = added.json()["new_secret"]
    opened = [seal.open(each, tenant="acme", entity=ENTITY) for each in await stored(directory, "secrets")]
    assert opened == [new, MINE]
    third = await acme.post(f"{PATH}/secrets", json={"secret": NEXT})
    assert (third.status_code, third.json()["code"]) == (409, "conflict")
    for _ in range(2):
        ended = await acme.delete(f"{PATH}/secrets/former")
        assert (ended.status_code, ended.json()["secrets"]) == (200, 1)
    (left,) = await stored(directory, "secrets")
    assert seal.open(left, tenant="acme", entity=ENTITY) == new


async def test_headers_are_sealed_and_stay_until_they_are_given_again(
    acme: httpx.AsyncClient, directory: Directory, seal: Seal
) -> None:
    made = await saved(acme, headers={"Authorization": "Bearer marked", "X-Shop": "1"})
    assert "marked" not in made.text
    sealed = await stored(directory, "headers")
    assert json.loads(seal.open(sealed, tenant="acme", entity=ENTITY)) == {
        "Authorization": "Bearer marked",
        "X-Shop": "1",
    }
    assert (await saved(acme, name="other")).json()["header_names"] == ["Authorization", "X-Shop"]
    assert (await saved(acme, headers={})).json()["header_names"] == []
    assert await stored(directory, "headers") is None


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"url": "http://hooks.shop.example/"}, "/url", "url_forbidden"),
        ({"url": "https://10.0.0.1/"}, "/url", "url_forbidden"),
        ({"url": "https://[::ffff:127.0.0.1]/"}, "/url", "url_forbidden"),
        ({"url": "https://hooks.shop.example:22/"}, "/url", "url_forbidden"),
        ({"url": "https://user:pw@hooks.shop.example/"}, "/url", "link_invalid"),
        ({"url": "gopher://hooks.shop.example/"}, "/url", "link_invalid"),
        ({"secrets": []}, "/secrets", "too_short"),
        ({"secrets": [MINE, NEXT, MINE]}, "/secrets", "too_long"),
        ({"secrets": ["whsec_c2hvcnQ="]}, "/secrets/0", "secret_invalid"),
        ({"secrets": [MINE.removeprefix("whsec_")]}, "/secrets/0", "secret_invalid"),
        ({"headers": {"Webhook-Id": "forged"}}, "/headers", "header_taken"),
        ({"headers": {"content-TYPE": "text/html"}}, "/headers", "header_taken"),
        ({"headers": {"Host": "a"}}, "/headers", "header_taken"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "/headers", "header_taken"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "/headers", "repeated"),
        ({"headers": {"X-A": "1\r\nX-B: 2"}}, "/headers", "header_invalid"),
        ({"headers": {"X-A\r\nX-B": "1"}}, "/headers", "header_invalid"),
        ({"headers": {"X-A": "ü"}}, "/headers", "header_invalid"),
        ({"headers": {"X-A": ""}}, "/headers", "header_invalid"),
        ({"headers": {f"X-{n}": "1" for n in range(21)}}, "/headers", "too_long"),
        ({"event_types": ["*", "a"]}, "/event_types", "types_contradict"),
        ({"event_types": ["a", "a"]}, "/event_types", "repeated"),
        ({"sekrets": []}, "/sekrets", "field_unknown"),
    ],
)
async def test_what_cannot_be_is_refused_with_its_place(
    acme: httpx.AsyncClient, fields: dict[str, Any], pointer: str, code: str
) -> None:
    answer = await saved(acme, **fields)
    assert answer.status_code == 422
    errors = answer.json()["errors"]
    assert (pointer, code) in [(error["pointer"], error["code"]) for error in errors], errors
    for told in ("forged", "chunked", "c2hvcnQ="):
        assert told not in answer.text


async def test_what_the_operator_allows_may_be_an_endpoint(app: FastAPI, acme: httpx.AsyncClient) -> None:
    app.state.allowed_targets = AllowedTargets(["hooks.internal:8080"])
    assert (await saved(acme, url="http://hooks.internal:8080/")).status_code == 201


async def test_without_seal_keys_there_are_no_endpoints(app: FastAPI, acme: httpx.AsyncClient) -> None:
    app.state.seal = Seal([])
    answer = await saved(acme)
    assert answer.status_code == 409
    assert "has to set SEAL_KEYS" in answer.json()["detail"]


async def test_a_new_seal_key_seals_anew_what_is_saved(
    app: FastAPI, acme: httpx.AsyncClient, directory: Directory
) -> None:
    await saved(acme, secrets=[MINE], headers={"X-A": "1"})
    app.state.seal = Seal([("k2", "t" * 32), ("k1", "s" * 32)])
    assert (await saved(acme)).status_code == 200
    (sealed,) = await stored(directory, "secrets")
    assert sealed.startswith("k2.")
    assert (await stored(directory, "headers")).startswith("k2.")
    app.state.seal = Seal([("k3", "u" * 32)])
    lost = await saved(acme)
    assert (lost.status_code, "send `secrets`" in lost.json()["detail"]) == (409, True)
    assert (await saved(acme, secrets=[MINE], headers={})).status_code == 200


async def test_another_revision_than_the_one_read_changes_nothing(acme: httpx.AsyncClient) -> None:
    read = (await saved(acme)).headers["etag"]
    changed = await acme.put(PATH, json={"url": URL, "name": "new"}, headers={"if-match": read})
    assert changed.status_code == 200
    for late in (
        acme.put(PATH, json={"url": URL}, headers={"if-match": read}),
        acme.post(f"{PATH}/secrets", json={}, headers={"if-match": read}),
        acme.delete(f"{PATH}/secrets/former", headers={"if-match": read}),
        acme.delete(PATH, headers={"if-match": read}),
    ):
        assert (await late).status_code == 412


async def test_one_that_is_deleted_is_gone(acme: httpx.AsyncClient, directory: Directory) -> None:
    await saved(acme)
    await directory.changed()
    assert (await acme.delete(PATH)).status_code == 204
    assert await directory.changed() == [("webhook_endpoint", "acme", "shop")]
    for call in (acme.get(PATH), acme.delete(PATH), acme.post(f"{PATH}/secrets", json={})):
        assert (await call).status_code == 404


async def test_another_tenants_is_none(acme: httpx.AsyncClient, other: httpx.AsyncClient) -> None:
    await saved(acme, name="acme's")
    for call in (
        other.get(PATH),
        other.delete(PATH),
        other.post(f"{PATH}/secrets", json={}),
        other.delete(f"{PATH}/secrets/former"),
    ):
        assert (await call).status_code == 404
    assert (await other.put(PATH, json={"url": URL, "name": "other's"})).status_code == 201
    assert (await acme.get(PATH)).json()["name"] == "acme's"


async def test_there_are_only_so_many(acme: httpx.AsyncClient) -> None:
    for number in range(MOST_ENDPOINTS):
        made = await acme.put(f"/v1/webhook-endpoints/e{number}", json={"url": URL})
        assert made.status_code == 201
    assert (await saved(acme)).status_code == 409
    assert (await acme.put("/v1/webhook-endpoints/e0", json={"url": URL})).status_code == 200


async def test_what_tocsin_disabled_its_tenant_enables(acme: httpx.AsyncClient, directory: Directory) -> None:
    await saved(acme)
    await directory.rows(
        "UPDATE directory.webhook_endpoints SET enabled = false, disabled_reason = 'gone', disabled_at = now()"
    )
    assert (await saved(acme, enabled=False)).json()["disabled_reason"] == "gone"
    enabled = (await saved(acme)).json()
    assert (enabled["enabled"], enabled["disabled_reason"], enabled["disabled_at"]) == (True, None, None)


def test_the_document_names_no_secret_in_answers() -> None:
    schema = create_app().openapi()["components"]["schemas"]["WebhookEndpoint"]["properties"]
    assert schema["secrets"]["type"] == "integer"


async def test_statuses_are_asked_for_by_name(acme: httpx.AsyncClient) -> None:
    made = await saved(acme, event_types=[], statuses=["delivered", "bounced"])
    assert made.status_code == 201, made.text
    assert (made.json()["event_types"], made.json()["statuses"]) == ([], ["delivered", "bounced"])
    everything = await saved(acme, statuses=["*"])
    assert everything.json()["statuses"] == ["*"]
    assert (await saved(acme)).json()["statuses"] == []


@pytest.mark.parametrize(
    ("statuses", "pointer", "code"),
    [
        (["deliverd"], "/statuses/0", "status_unknown"),
        (["sent", "sent"], "/statuses", "repeated"),
        (["*", "sent"], "/statuses", "types_contradict"),
        ("sent", "/statuses", "list_type"),
    ],
)
async def test_statuses_that_are_none(
    acme: httpx.AsyncClient, statuses: Any, pointer: str, code: str
) -> None:
    answer = await saved(acme, statuses=statuses)
    assert answer.status_code == 422
    ((fault),) = answer.json()["errors"]
    assert (fault["pointer"], fault["code"]) == (pointer, code)
