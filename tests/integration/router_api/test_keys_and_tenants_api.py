"""API keys and tenants: shown once, stored as a hash, rotated in pairs, revoked at once; and who may make what."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.contracts.directory import Scope
from tocsin.testing import ManualClock
from tocsin.web import Gate, parse_key

from .conftest import Caller, Directory

KEY: dict[str, Any] = {"name": "shop", "scopes": ["send", "read"]}


def using(app: FastAPI, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://router.test",
        headers={"authorization": f"Bearer {key}"},
    )


async def test_a_key_is_shown_once_and_stored_as_a_hash(
    acme: httpx.AsyncClient, app: FastAPI, directory: Directory
) -> None:
    made = await acme.post("/v1/api-keys", json={**KEY, "mode": "test"})
    assert made.status_code == 201
    parts = parse_key(made.json()["key"])
    assert parts is not None
    assert (parts.mode, parts.id) == ("test", made.json()["id"])
    rows = await directory.rows("SELECT * FROM directory.api_keys WHERE id = :id", id=parts.id)
    assert parts.sha256 in str(rows)
    assert parts.secret not in str(rows)
    read = (await acme.get(f"/v1/api-keys/{parts.id}")).json()
    assert "key" not in read
    assert (read["name"], read["scopes"], read["active"]) == ("shop", ["read", "send"], True)
    assert [key["id"] for key in (await acme.get("/v1/api-keys")).json()["data"]] == [parts.id]
    assert await directory.changed() == [("api_key", "acme", parts.id)]
    async with using(app, made.json()["key"]) as client:
        assert (await client.get("/v1/recipients")).status_code == 200
        assert (await client.put("/v1/recipients/a", json={})).status_code == 403


async def test_a_revoked_key_works_no_more(
    acme: httpx.AsyncClient, app: FastAPI, directory: Directory
) -> None:
    made = (await acme.post("/v1/api-keys", json=KEY)).json()
    await directory.changed()
    assert (await acme.delete(f"/v1/api-keys/{made['id']}")).status_code == 204
    async with using(app, made["key"]) as client:
        assert (await client.get("/v1/recipients")).status_code == 401
    assert (await acme.get(f"/v1/api-keys/{made['id']}")).json()["active"] is False
    assert await directory.changed() == [("api_key", "acme", made["id"])]


REFUSE_TO_COMMIT = (
    "CREATE FUNCTION directory.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$",
    (
        "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT OR UPDATE ON directory.api_keys "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION directory.refuse()"
    ),
)


async def test_what_is_not_committed_changes_no_key(
    acme: httpx.AsyncClient, app: FastAPI, engine: AsyncEngine
) -> None:
    """Neither is a key let in that was never stored, nor one shut out that is not revoked."""
    made = (await acme.post("/v1/api-keys", json=KEY)).json()
    gate: Gate = app.state.gate
    known = len(gate.keys)
    async with engine.begin() as db:
        for statement in REFUSE_TO_COMMIT:
            await db.execute(text(statement))
    assert (await acme.delete(f"/v1/api-keys/{made['id']}")).status_code == 500
    assert (await acme.post("/v1/api-keys", json=KEY)).status_code == 500
    assert len(gate.keys) == known
    async with using(app, made["key"]) as client:
        assert (await client.get("/v1/recipients")).status_code == 200


async def test_two_keys_work_while_one_replaces_the_other(
    acme: httpx.AsyncClient, app: FastAPI, clock: ManualClock
) -> None:
    old = (await acme.post("/v1/api-keys", json=KEY)).json()
    path = f"/v1/api-keys/{old['id']}/rotate"
    new = await acme.post(path, json={"overlap_seconds": 60})
    assert new.status_code == 201
    assert (new.json()["replaces"], new.json()["scopes"]) == (old["id"], ["read", "send"])
    assert (await acme.post(path, json={})).status_code == 409
    next_path = f"/v1/api-keys/{new.json()['id']}/rotate"
    assert (await acme.post(next_path, json={})).status_code == 409
    both = [
        (await acme.get(f"/v1/api-keys/{key_id}")).json()["active"]
        for key_id in (old["id"], new.json()["id"])
    ]
    assert both == [True, True]
    clock.advance(61)
    assert (await acme.get(f"/v1/api-keys/{old['id']}")).json()["active"] is False
    assert (await acme.post(next_path, json={})).status_code == 201


@pytest.mark.parametrize("own", [["manage"], ["operate", "manage"], ["read", "manage"]])
@pytest.mark.parametrize("wanted", ["send", "read", "manage", "operate"])
async def test_a_key_gives_no_more_than_it_has(
    caller: Caller, acme: httpx.AsyncClient, own: list[Scope], wanted: Scope
) -> None:
    """Making, rotating and revoking ask the same: every scope of the other key."""
    manager = await caller("acme", scopes=own)
    existing = (await acme.post("/v1/api-keys", json={"scopes": [wanted]})).json()["id"]
    for method, path, body, done in (
        ("POST", "/v1/api-keys", {"scopes": ["manage", wanted] if wanted != "manage" else [wanted]}, 201),
        ("POST", f"/v1/api-keys/{existing}/rotate", {}, 201),
        ("DELETE", f"/v1/api-keys/{existing}", None, 204),
    ):
        answer = await manager.request(method, path, json=body)
        if wanted in own:
            assert answer.status_code == done
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
            assert f"`{wanted}`" in answer.json()["detail"]
    assert (await acme.get(f"/v1/api-keys/{existing}")).json()["active"] is (wanted not in own)


async def test_the_scopes_that_a_key_lacks_are_named(caller: Caller) -> None:
    manager = await caller("acme", scopes=["manage"])
    refused = await manager.post("/v1/api-keys", json={"scopes": ["manage", "send", "operate"]})
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/scopes/1", "/scopes/2"]
    assert "the scopes `send`, `operate`" in refused.json()["detail"]


async def test_an_operator_gives_other_tenants_no_more_than_it_has(caller: Caller) -> None:
    await caller("other")
    operator = await caller("acme", scopes=["operate", "read"])
    made = await operator.post("/v1/tenants/other/api-keys", json={"scopes": ["read"]})
    assert made.status_code == 201
    refused = await operator.post("/v1/tenants/other/api-keys", json={"scopes": ["read", "send"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")


async def test_a_live_key_makes_and_replaces_test_keys(acme: httpx.AsyncClient) -> None:
    made = (await acme.post("/v1/api-keys", json={**KEY, "mode": "test"})).json()
    replacement = await acme.post(f"/v1/api-keys/{made['id']}/rotate", json={})
    assert replacement.json()["key"].startswith("tk_test_")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["fly"]}, "/scopes/0"),
        ({"scopes": ["send", "send"]}, "/scopes"),
        ({"scopes": ["send"], "mode": "prod"}, "/mode"),
        ({"scopes": ["send"], "expires_at": "2026-01-01T00:00:00"}, "/expires_at"),
    ],
)
async def test_faults_of_a_key_are_named(acme: httpx.AsyncClient, body: dict[str, Any], pointer: str) -> None:
    refused = await acme.post("/v1/api-keys", json=body)
    assert refused.status_code == 422
    assert [fault["pointer"] for fault in refused.json()["errors"]] == [pointer]


async def test_a_key_ends_when_it_was_made_to(
    acme: httpx.AsyncClient, app: FastAPI, clock: ManualClock
) -> None:
    end = clock.now() + timedelta(seconds=30)
    made = (await acme.post("/v1/api-keys", json={**KEY, "expires_at": end.isoformat()})).json()
    async with using(app, made["key"]) as client:
        assert (await client.get("/v1/recipients")).status_code == 200
        clock.advance(31)
        assert (await client.get("/v1/recipients")).status_code == 401


async def test_a_tenant_has_settings(acme: httpx.AsyncClient, directory: Directory) -> None:
    body: dict[str, Any] = {
        "name": "Acme",
        "default_locale": "de",
        "attributes": {"colour": "red"},
        "senders": {
            "email": {"address": "shop@example.com", "name": "Acme", "reply_to": "help@example.com"},
            "sms": {"address": "ACME"},
        },
        "providers": {"email": ["smtp-eu", "smtp-us"]},
        "provider_weights": {"sms": {"twilio-a": 3, "twilio-b": 1}},
    }
    first = await acme.put("/v1/tenant", json=body)
    assert first.status_code == 200
    await acme.put("/v1/tenant", json=body)
    assert await directory.changed() == [("tenant", "acme")]
    read = await acme.get("/v1/tenant")
    assert read.headers["etag"] == first.headers["etag"]
    assert read.json()["senders"]["email"] == body["senders"]["email"]
    assert {name: read.json()[name] for name in body.keys() - {"senders"}} == {
        name: body[name] for name in body.keys() - {"senders"}
    }
    stale = await acme.put("/v1/tenant", json={}, headers={"if-match": '"1"'})
    assert stale.status_code == 412


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"senders": {"email": {"address": "nobody"}}}, "/senders/email/address"),
        ({"senders": {"sms": {"address": "way too long a name"}}}, "/senders/sms/address"),
        ({"senders": {"email": {"address": "a@b.c", "name": "x\r\nBcc: y"}}}, "/senders/email/name"),
        ({"senders": {"push": {}}}, "/senders/push"),
        ({"providers": {"email": ["UPPER"]}}, "/providers/email/0"),
        ({"provider_weights": {"email": {"ses": 0}}}, "/provider_weights/email/ses"),
        ({"provider_weights": {"email": {}}}, "/provider_weights/email"),
        (
            {"providers": {"email": ["ses"]}, "provider_weights": {"email": {"ses": 1}}},
            "/provider_weights",
        ),
        ({"id": "else"}, "/id"),
    ],
)
async def test_faults_of_settings_are_named(
    acme: httpx.AsyncClient, body: dict[str, Any], pointer: str
) -> None:
    refused = await acme.put("/v1/tenant", json=body)
    assert refused.status_code == 422
    assert [fault["pointer"] for fault in refused.json()["errors"]] == [pointer]


async def test_operators_create_tenants_and_their_first_keys(
    acme: httpx.AsyncClient, caller: Caller, app: FastAPI, directory: Directory
) -> None:
    made = await acme.post("/v1/tenants", json={"id": "globex", "name": "Globex"})
    assert made.status_code == 201
    assert (await acme.post("/v1/tenants", json={"id": "globex"})).status_code == 409
    key = await acme.post("/v1/tenants/globex/api-keys", json={"scopes": ["manage", "read"]})
    assert [change[0] for change in await directory.changed()] == ["tenant", "api_key"]
    async with using(app, key.json()["key"]) as globex:
        assert (await globex.get("/v1/tenant")).json()["name"] == "Globex"
        assert (await globex.get("/v1/tenants")).status_code == 403
        assert (await globex.post("/v1/tenants", json={"id": "more"})).status_code == 403
    assert (await acme.post("/v1/tenants/nobody/api-keys", json=KEY)).status_code == 404
    assert [tenant["id"] for tenant in (await acme.get("/v1/tenants")).json()["data"]] == ["acme", "globex"]
    assert (await acme.put("/v1/tenants/globex", json={"name": "G"})).json()["name"] == "G"
    assert (await acme.get("/v1/tenants/globex")).json()["name"] == "G"
    assert (await acme.put("/v1/tenants/nobody", json={})).status_code == 404


async def test_only_an_operator_limits_a_tenant_and_a_tenants_own_change_leaves_that(
    acme: httpx.AsyncClient,
) -> None:
    limits = {"requests_per_second": 50, "key_recipients_per_second": 200}
    assert (await acme.put("/v1/tenants/acme", json={"name": "A", "limits": limits})).json()[
        "limits"
    ] == limits
    refused = await acme.put("/v1/tenant", json={"name": "B", "limits": {}})
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/limits"]
    own = await acme.put("/v1/tenant", json={"name": "B"})
    assert (own.json()["name"], own.json()["limits"]) == ("B", limits)
    assert (await acme.put("/v1/tenants/acme", json={"name": "B"})).json()["limits"] is None
    refused = await acme.put("/v1/tenants/acme", json={"limits": {"requests_per_second": 0}})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (
        422,
        "/limits/requests_per_second",
    )


async def test_a_changed_quota_is_not_reached_yet(acme: httpx.AsyncClient, directory: Directory) -> None:
    await acme.put("/v1/tenants/acme", json={"limits": {"messages_per_day": 10}})
    await directory.rows("UPDATE directory.tenants SET quota_reached_on = '2026-03-01'")
    assert (await acme.get("/v1/tenant")).json()["quota_reached_on"] == "2026-03-01"
    raised = await acme.put("/v1/tenants/acme", json={"limits": {"messages_per_day": 20}})
    assert (raised.json()["limits"], raised.json()["quota_reached_on"]) == ({"messages_per_day": 20}, None)
