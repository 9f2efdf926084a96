"""A recipient reaches what is theirs with a token that their tenant's server has signed, and nothing else with it."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI
from sqlalchemy import text

from tocsin.router.api import create_app
from tocsin.testing.until import until
from tocsin.trust import Seal

from .conftest import HS256, SECRET, SHOP, Directory, Sign, bearer

pytestmark = pytest.mark.postgres

SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJl3dIeudNqd0DPMRD6OIh65tjkxFNOtwGcWB2gCgPhk me@here"
PRIVATE = ec.generate_private_key(ec.SECP256R1())
PUBLIC = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
ES256 = {"id": "e1", "algorithm": "ES256", "public_key": PUBLIC}
SWITCHES = {"preferences": [{"channel": "sms", "category": "orders", "enabled": False}]}


async def test_a_recipient_sees_and_changes_their_preferences(
    shop: httpx.AsyncClient, anybody: httpx.AsyncClient, sign: Sign
) -> None:
    mine = bearer(sign())
    seen = await anybody.get("/v1/me/preferences", headers=mine)
    assert (seen.json()["stored"], seen.json()["names"]) == ([], {"orders": "Your orders"})
    saved = await anybody.put(
        "/v1/me/preferences", json=SWITCHES, headers=mine | {"if-match": seen.headers["etag"]}
    )
    assert saved.status_code == 200, saved.text
    (stored,) = (await shop.get("/v1/recipients/ada/preferences")).json()["stored"]
    assert (stored["channel"], stored["enabled"], stored["source"]) == ("sms", False, "recipient")
    assert (await shop.get("/v1/recipients/eve/preferences")).json()["stored"] == []
    late = await anybody.put("/v1/me/preferences", json=SWITCHES, headers=mine | {"if-match": '"other"'})
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")


async def test_a_recipient_changes_one_switch_and_the_others_stay(
    shop: httpx.AsyncClient, anybody: httpx.AsyncClient, directory: Directory, sign: Sign
) -> None:
    mine = bearer(sign())
    await anybody.put("/v1/me/preferences", json=SWITCHES, headers=mine)
    version = await directory.version("ada")

    async def stored(channel: str, *, enabled: bool | None) -> dict[str, Any]:
        change = {"channel": channel, "category": "orders", "enabled": enabled}
        answer = await anybody.patch("/v1/me/preferences", json={"preferences": [change]}, headers=mine)
        assert answer.status_code == 200, answer.text
        return {switch["channel"]: switch["enabled"] for switch in answer.json()["stored"]}

    assert await stored("email", enabled=False) == {"sms": False, "email": False}
    assert await directory.version("ada") == version + 1
    assert await stored("sms", enabled=True) == {"sms": True, "email": False}
    assert await stored("email", enabled=None) == {"sms": True}
    assert await stored("push", enabled=None) == {"sms": True}  # there was none
    (switch,) = (await shop.get("/v1/recipients/ada/preferences")).json()["stored"]
    assert switch["source"] == "recipient"


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ([{"category": "orders"}], "/preferences/0/enabled", "missing"),
        ([{"category": "none", "enabled": True}], "/preferences/0/category", "unknown_category"),
        ([{"category": "codes", "enabled": False}], "/preferences/0/enabled", "category_required"),
        ([{"category": "orders", "enabled": value} for value in (True, None)], "/preferences/1", "repeated"),
    ],
)
async def test_a_change_that_cannot_be_changes_nothing(
    *,
    shop: httpx.AsyncClient,
    anybody: httpx.AsyncClient,
    sign: Sign,
    changes: list[dict[str, Any]],
    pointer: str,
    code: str,
) -> None:
    mine = bearer(sign())
    await shop.put("/v1/categories/codes", json={"default": "required"})
    answer = await anybody.patch("/v1/me/preferences", json={"preferences": changes}, headers=mine)
    assert answer.status_code == 422
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [(pointer, code)]
    assert (await shop.get("/v1/recipients/ada/preferences")).json()["stored"] == []


async def test_switches_have_an_end(
    shop: httpx.AsyncClient, anybody: httpx.AsyncClient, directory: Directory, sign: Sign
) -> None:
    await directory.rows(
        "INSERT INTO directory.preferences (tenant, recipient, channel, category, workflow, enabled, source) "
        "SELECT 'acme', 'ada', 'sms', 'c' || n, '*', false, 'import' FROM generate_series(1, 1000) n"
    )
    body = {"preferences": [{"category": "orders", "enabled": False}]}
    answer = await anybody.patch("/v1/me/preferences", json=body, headers=bearer(sign()))
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


async def test_what_a_recipient_switches_off_is_rechecked_before_it_is_sent(
    shop: httpx.AsyncClient, anybody: httpx.AsyncClient, directory: Directory, sign: Sign
) -> None:
    before = await directory.version("ada")
    (await anybody.put("/v1/me/preferences", json=SWITCHES, headers=bearer(sign()))).raise_for_status()
    assert await directory.version("ada") == before + 1


async def test_a_required_category_stays_on(
    shop: httpx.AsyncClient, anybody: httpx.AsyncClient, sign: Sign
) -> None:
    await shop.put("/v1/categories/codes", json={"default": "required"})
    body = {"preferences": [{"category": "codes", "enabled": False}]}
    answer = await anybody.put("/v1/me/preferences", json=body, headers=bearer(sign()))
    assert (answer.status_code, answer.json()["code"]) == (422, "category_required")


async def test_a_recipient_registers_and_removes_a_device(
    shop: httpx.AsyncClient, anybody: httpx.AsyncClient, sign: Sign
) -> None:
    mine = bearer(sign())
    made = await anybody.put("/v1/me/devices/phone", json={"token": "t1", "app": "shop"}, headers=mine)
    again = await anybody.put("/v1/me/devices/phone", json={"token": "t1", "app": "shop"}, headers=mine)
    assert (made.status_code, again.status_code) == (201, 200)
    assert [
        device["id"] for device in (await anybody.get("/v1/me/devices", headers=mine)).json()["data"]
    ] == ["phone"]
    assert (await shop.get("/v1/recipients/ada/devices/phone")).json()["token"] == "t1"
    assert (await anybody.delete("/v1/me/devices/phone", headers=mine)).status_code == 204
    assert (await anybody.get("/v1/me/devices", headers=mine)).json()["data"] == []


async def test_who_is_not_stored_has_preferences_and_no_devices(
    shop: httpx.AsyncClient, anybody: httpx.AsyncClient, sign: Sign
) -> None:
    nobody = bearer(sign(sub="nobody"))
    assert (await anybody.get("/v1/me/preferences", headers=nobody)).status_code == 200
    assert (await anybody.get("/v1/me/devices", headers=nobody)).status_code == 404
    assert (await anybody.put("/v1/me/devices/d", json={"token": "t"}, headers=nobody)).status_code == 404


async def test_a_public_key_needs_no_secret_kept(
    shop: httpx.AsyncClient, anybody: httpx.AsyncClient, sign: Sign
) -> None:
    saved = await shop.put("/v1/tenant/inbox-keys", json={"keys": [ES256]})
    assert saved.json()["keys"] == [ES256]
    good = bearer(sign(key=PRIVATE, algorithm="ES256", kid="e1"))
    assert (await anybody.get("/v1/me/preferences", headers=good)).status_code == 200
    assert (await anybody.get("/v1/me/preferences", headers=bearer(sign()))).json()[
        "code"
    ] == "token_key_unknown"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"exp": 1}, "token_expired"),
        ({"exp": 2**31}, "token_lives_too_long"),
        ({"aud": "tocsin:other"}, "token_audience"),
        ({"tid": "other"}, "token_key_unknown"),
        ({"tid": "nobody-s"}, "token_key_unknown"),
        ({"kid": "2025"}, "token_key_unknown"),
        ({"key": "x" * 32}, "token_invalid"),
        ({"key": None, "algorithm": "none"}, "token_invalid"),
        ({"sub": None}, "token_invalid"),
    ],
)
async def test_a_wrong_token_is_refused_with_its_code(
    *,
    shop: httpx.AsyncClient,
    other: httpx.AsyncClient,
    anybody: httpx.AsyncClient,
    sign: Sign,
    changed: dict[str, Any],
    code: str,
) -> None:
    await other.put("/v1/tenant/inbox-keys", json={"keys": [HS256 | {"id": "theirs", "secret": "y" * 32}]})
    answer = await anybody.get("/v1/me/preferences", headers=bearer(sign(**changed)))
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_another_tenants_key_of_the_same_name_signs_for_its_tenant_alone(
    shop: httpx.AsyncClient, other: httpx.AsyncClient, anybody: httpx.AsyncClient, sign: Sign
) -> None:
    await other.put("/v1/tenant/inbox-keys", json={"keys": [HS256 | {"secret": "y" * 32}]})
    forged = bearer(sign(key="y" * 32))
    assert (await anybody.get("/v1/me/preferences", headers=forged)).json()["code"] == "token_invalid"
    theirs = bearer(sign(key="y" * 32, tid="other"))
    assert (await anybody.get("/v1/me/preferences", headers=theirs)).json()["names"] == {}


async def test_a_token_opens_no_other_route_and_a_key_none_of_these(
    shop: httpx.AsyncClient, anybody: httpx.AsyncClient, sign: Sign
) -> None:
    for path in ("/v1/recipients/ada", "/v1/tenant", "/v1/tenant/inbox-keys", "/v1/api-keys"):
        answer = await anybody.get(path, headers=bearer(sign()))
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), path
    assert (await shop.get("/v1/me/preferences")).json()["code"] == "token_invalid"


async def test_many_wrong_tokens_of_one_address_are_slowed(
    shop: httpx.AsyncClient, anybody: httpx.AsyncClient, sign: Sign
) -> None:
    codes = [
        (await anybody.get("/v1/me/preferences", headers=bearer(sign(key="x" * 32)))).json()["code"]
        for _ in range(25)
    ]
    assert {*codes[:20]} == {"token_invalid"}
    assert {*codes[20:]} == {"too_many_failures"}
    assert (await anybody.get("/v1/me/preferences", headers=bearer(sign()))).status_code == 200


async def test_a_key_is_rotated_without_a_gap_and_its_secret_is_never_shown(
    shop: httpx.AsyncClient, anybody: httpx.AsyncClient, directory: Directory, sign: Sign
) -> None:
    old, new = bearer(sign()), bearer(sign(key="n" * 32, kid="2027"))
    kept, added = {"id": "2026", "algorithm": "HS256"}, HS256 | {"id": "2027", "secret": "n" * 32}
    both = await shop.put("/v1/tenant/inbox-keys", json={"keys": [kept, added]})
    assert both.json()["keys"] == [kept | {"public_key": None}, kept | {"id": "2027", "public_key": None}]
    for token in (old, new):
        assert (await anybody.get("/v1/me/preferences", headers=token)).status_code == 200
    (await shop.put("/v1/tenant/inbox-keys", json={"keys": [kept | {"id": "2027"}]})).raise_for_status()
    assert (await anybody.get("/v1/me/preferences", headers=old)).status_code == 401
    assert (await anybody.get("/v1/me/preferences", headers=new)).status_code == 200
    shown = (await shop.get("/v1/tenant/inbox-keys")).text
    lies = str(await directory.rows("SELECT * FROM directory.inbox_keys"))
    assert ("n" * 32 in shown, "n" * 32 in lies, SECRET in lies) == (False, False, False)


async def test_a_secret_does_not_open_in_another_tenants_row(
    shop: httpx.AsyncClient,
    other: httpx.AsyncClient,
    anybody: httpx.AsyncClient,
    directory: Directory,
    sign: Sign,
) -> None:
    await directory.rows(
        "INSERT INTO directory.inbox_keys (tenant, keys) SELECT 'other', keys FROM directory.inbox_keys WHERE tenant = 'acme'"
    )
    moved = await anybody.get("/v1/me/preferences", headers=bearer(sign(tid="other")))
    assert moved.json()["code"] == "token_key_unknown"


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"keys": [HS256, HS256]}, "/keys/1/id", "repeated"),
        ({"keys": [{"id": "a", "algorithm": "HS256"}]}, "/keys/0/secret", "missing"),
        ({"keys": [{"id": "a", "algorithm": "ES256"}]}, "/keys/0/public_key", "missing"),
        ({"keys": [HS256 | {"public_key": PUBLIC}]}, "/keys/0/public_key", "key_contradicts"),
        ({"keys": [ES256 | {"secret": "x" * 32}]}, "/keys/0/secret", "key_contradicts"),
        ({"keys": [ES256 | {"public_key": "x"}]}, "/keys/0/public_key", "key_invalid"),
        ({"keys": [HS256 | {"secret": PUBLIC}]}, "/keys/0/secret", "key_invalid"),
        ({"keys": [HS256 | {"secret": SSH}]}, "/keys/0/secret", "key_invalid"),
        ({"keys": [], "origins": ["https://shop.example:443"]}, "/origins/0", "origin_invalid"),
        ({"keys": [], "origins": ["https://shop.example:99999"]}, "/origins/0", "origin_invalid"),
        ({"keys": [], "origins": ["shop.example"]}, "/origins/0", "origin_invalid"),
        ({"keys": [], "origins": ["https://shop.example/"]}, "/origins/0", "origin_invalid"),
        ({"keys": [], "origins": [SHOP, SHOP]}, "/origins", "repeated"),
    ],
)
async def test_keys_that_cannot_be_are_refused(
    acme: httpx.AsyncClient, body: dict[str, Any], pointer: str, code: str
) -> None:
    answer = await acme.put("/v1/tenant/inbox-keys", json=body)
    assert answer.status_code == 422
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [(pointer, code)]


async def test_too_short_a_secret_and_a_third_key_are_refused(acme: httpx.AsyncClient) -> None:
    keys = [HS256 | {"id": str(number)} for number in range(3)]
    assert (await acme.put("/v1/tenant/inbox-keys", json={"keys": keys})).status_code == 422
    short = await acme.put("/v1/tenant/inbox-keys", json={"keys": [HS256 | {"secret": "marked-short"}]})
    assert short.status_code == 422
    assert "marked" not in short.text


async def test_without_seal_keys_a_secret_is_refused_and_a_public_key_is_not(
    app: FastAPI, acme: httpx.AsyncClient
) -> None:
    app.state.seal = Seal([])
    refused = await acme.put("/v1/tenant/inbox-keys", json={"keys": [HS256]})
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert "has to set SEAL_KEYS" in refused.json()["detail"]
    assert (await acme.put("/v1/tenant/inbox-keys", json={"keys": [ES256]})).status_code == 200


async def test_a_secret_is_sealed_anew_when_it_is_saved_under_a_newer_seal_key(
    app: FastAPI, shop: httpx.AsyncClient, anybody: httpx.AsyncClient, sign: Sign
) -> None:
    old, new = ("k1", "s" * 32), ("k2", "t" * 32)
    app.state.seal = Seal([new, old])
    kept = {"keys": [{"id": "2026", "algorithm": "HS256"}]}
    (await shop.put("/v1/tenant/inbox-keys", json=kept)).raise_for_status()
    app.state.seal = Seal([new])
    assert (await anybody.get("/v1/me/preferences", headers=bearer(sign()))).status_code == 200
    app.state.seal = Seal([old])
    refused = await shop.put("/v1/tenant/inbox-keys", json=kept)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert "send the secret again" in refused.json()["detail"]
    assert (await shop.put("/v1/tenant/inbox-keys", json={"keys": [HS256]})).status_code == 200


async def test_a_secret_that_is_kept_is_the_one_that_was_saved_last(
    *,
    shop: httpx.AsyncClient,
    anybody: httpx.AsyncClient,
    directory: Directory,
    seal: Seal,
    sign: Sign,
) -> None:
    """Another request rotates the secret, and commits while one that keeps it has begun."""
    rotated = [
        HS256 | {"sealed": seal.seal("n" * 32, tenant="acme", entity="inbox_key/2026"), "secret": None}
    ]
    waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    kept = {"keys": [{"id": "2026", "algorithm": "HS256"}], "origins": ["https://new.example"]}
    async with directory.engine.connect() as rotation:
        await rotation.execute(
            text("UPDATE directory.inbox_keys SET keys = cast(:keys AS jsonb)"), {"keys": json.dumps(rotated)}
        )
        keeping = asyncio.create_task(shop.put("/v1/tenant/inbox-keys", json=kept))

        async def is_waiting() -> bool:
            return bool(await directory.rows(waits))

        await until(is_waiting)
        await rotation.commit()
        assert (await keeping).status_code == 200
    assert (await anybody.get("/v1/me/preferences", headers=bearer(sign()))).status_code == 401
    new = bearer(sign(key="n" * 32))
    assert (await anybody.get("/v1/me/preferences", headers=new)).status_code == 200


def test_the_document_says_what_opens_them() -> None:
    paths = create_app().openapi()["paths"]
    assert paths["/v1/me/preferences"]["get"]["security"] == [{"recipientToken": []}]
