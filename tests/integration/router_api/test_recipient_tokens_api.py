"""A recipient reaches what is theirs with a token that their tenant's server has signed, and nothing else with it."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI
from starlette.types import ASGIApp

from tocsin.router.api import create_app
from tocsin.testing import ManualClock
from tocsin.trust import Seal

from .conftest import Directory

pytestmark = pytest.mark.postgres

SECRET = "marked-secret-of-the-tenants-server"
HS256 = {"id": "2026", "algorithm": "HS256", "secret": SECRET}
PRIVATE = ec.generate_private_key(ec.SECP256R1())
PUBLIC = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
ES256 = {"id": "e1", "algorithm": "ES256", "public_key": PUBLIC}
SHOP = "https://shop.example"
SWITCHES = {"preferences": [{"channel": "sms", "category": "orders", "enabled": False}]}

Sign = Callable[..., str]


@pytest.fixture
def sign(clock: ManualClock) -> Sign:
    """A token of tenant acme's server for ada, good for an hour."""

    def signed(*, key: Any = SECRET, algorithm: str = "HS256", kid: str = "2026", **claims: Any) -> str:
        ends = int((clock.now() + timedelta(hours=1)).timestamp())
        body = {"tid": "acme", "sub": "ada", "aud": "tocsin:inbox", "exp": ends} | claims
        return jwt.encode(body, key, algorithm=algorithm, headers={"kid": kid})

    return signed


@pytest.fixture
async def anybody(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://router.test") as client:
        yield client


@pytest.fixture
async def shop(acme: httpx.AsyncClient) -> httpx.AsyncClient:
    """Tenant acme, with a key for tokens, a category, and ada."""
    for path, body in (
        ("tenant/inbox-keys", {"keys": [HS256], "origins": [SHOP]}),
        ("categories/orders", {"name": "Your orders"}),
        ("recipients/ada", {"email": "ada@example.com"}),
        ("recipients/eve", {"email": "eve@example.com"}),
    ):
        (await acme.put(f"/v1/{path}", json=body)).raise_for_status()
    return acme


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


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


QUESTION = {
    "access-control-request-method": "PUT",
    "access-control-request-headers": "authorization,content-type",
}


async def test_a_browser_lets_the_tenants_own_pages_call(
    shop: httpx.AsyncClient, anybody: httpx.AsyncClient, sign: Sign
) -> None:
    may = await anybody.options("/v1/me/preferences", headers={"origin": SHOP, **QUESTION})
    assert (may.status_code, may.headers["access-control-allow-origin"]) == (204, SHOP)
    assert "authorization" in may.headers["access-control-allow-headers"]
    answer = await anybody.get("/v1/me/preferences", headers={"origin": SHOP, **bearer(sign())})
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert "origin" in answer.headers["vary"].lower()
    refused = await anybody.get("/v1/me/preferences", headers={"origin": SHOP})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, SHOP)


async def test_other_pages_are_not_let_call_nor_shown_an_answer(
    shop: httpx.AsyncClient, other: httpx.AsyncClient, anybody: httpx.AsyncClient, sign: Sign
) -> None:
    theirs = "https://theirs.example"
    await other.put("/v1/tenant/inbox-keys", json={"keys": [], "origins": [theirs]})
    for origin in (
        "https://evil.example",
        "null",
        "https://shop.example.evil.example",
        "http://shop.example",
    ):
        asked = await anybody.options("/v1/me/preferences", headers={"origin": origin, **QUESTION})
        assert "access-control-allow-origin" not in asked.headers
    shown = await anybody.get("/v1/me/preferences", headers={"origin": theirs, **bearer(sign())})
    assert "access-control-allow-origin" not in shown.headers
    elsewhere = await anybody.options("/v1/tenant", headers={"origin": SHOP, **QUESTION})
    assert (elsewhere.status_code, "access-control-allow-origin" in elsewhere.headers) == (405, False)


def test_the_document_says_what_opens_them() -> None:
    paths = create_app().openapi()["paths"]
    assert paths["/v1/me/preferences"]["get"]["security"] == [{"recipientToken": []}]
