"""API keys: their form, whom they let in, and what a refusal says."""

import hashlib
import hmac
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from tocsin.contracts.codec import UNREADABLE_ERRORS, encode
from tocsin.contracts.directory import ApiKeyRecord
from tocsin.kafka import ConsumerRecord
from tocsin.runtime import Health
from tocsin.testing import ManualClock
from tocsin.web import (
    Caller,
    KeyParts,
    KeyTable,
    Manager,
    Previewer,
    Sender,
    new_key,
    parse_key,
    service_app,
    up_to_now,
)


def stored(key: KeyParts, **fields: Any) -> ApiKeyRecord:
    return ApiKeyRecord(
        **{
            "tenant": "acme",
            "id": key.id,
            "mode": key.mode,
            "sha256": key.sha256,
            "scopes": ["send"],
            **fields,
        }
    )


def bearer(key: KeyParts) -> str:
    return f"Bearer {key.reveal()}"


def asking(keys: KeyTable) -> httpx.AsyncClient:
    """A client of an application with one route of each kind."""
    app = service_app(name="auth-test", health=Health(), keys=keys)

    @app.get("/send")
    async def send(caller: Sender) -> str:
        return caller.tenant

    @app.get("/manage")
    async def manage(caller: Manager) -> str:
        return caller.tenant

    @app.get("/preview")
    async def preview(caller: Previewer) -> str:
        return caller.tenant

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t")


def test_a_new_key_can_be_parsed_and_tells_its_secret_only_when_asked() -> None:
    key = new_key("live")
    assert key.reveal() == f"tk_live_{key.id}_{key.secret}"
    assert parse_key(key.reveal()) == key
    assert key.secret not in repr(key)
    assert key.sha256 == hashlib.sha256(key.secret.encode()).hexdigest()
    assert new_key("test").reveal().startswith("tk_test_")
    assert len({new_key("live").reveal() for _ in range(100)}) == 100


@given(st.text())
def test_other_texts_are_no_keys(text: str) -> None:
    assert parse_key(text) is None or text.startswith("tk_")


@pytest.mark.parametrize(
    "text",
    [
        "tk_live_a",
        "tk_live__secretsecretsecret",
        "tk_prod_a_secretsecretsecret",
        "tk_live_a_short",
        "tk_live_a_secretsecretsecret\n",
    ],
)
def test_texts_that_are_nearly_keys(text: str) -> None:
    assert parse_key(text) is None


def test_a_key_is_its_tenant_scopes_and_mode() -> None:
    table, live, test = KeyTable(), new_key("live"), new_key("test")
    table.put(stored(live, scopes=["send", "read"]))
    table.put(stored(test, tenant="other"))
    assert table.find(bearer(live)) == Caller(
        tenant="acme", key_id=live.id, scopes=frozenset({"send", "read"}), test=False
    )
    assert table.find(f"bearer {test.reveal()}") == Caller(
        tenant="other", key_id=test.id, scopes=frozenset({"send"}), test=True
    )
    assert len(table) == 2


async def test_refusals_do_not_say_why() -> None:
    clock = ManualClock()
    table, known, revoked, expired = KeyTable(clock=clock), new_key("live"), new_key("live"), new_key("live")
    table.put(stored(known))
    table.put(stored(revoked))
    table.remove(revoked.id)
    table.remove(revoked.id)
    table.put(stored(expired, expires_at=clock.now() + timedelta(seconds=1)))
    assert isinstance(table.find(bearer(expired)), Caller)
    clock.advance(1)
    wrong_secret = KeyParts(mode="live", id=known.id, secret=new_key("live").secret)
    other_mode = KeyParts(mode="test", id=known.id, secret=known.secret)
    refused = [bearer(key) for key in (new_key("live"), revoked, expired, wrong_secret, other_mode)]
    refused.append("Bearer nonsense")
    reasons = [table.find(authorization) for authorization in refused]
    assert reasons == ["unknown", "unknown", "expired", "mismatch", "mismatch", "malformed"]
    async with asking(table) as client:
        answers = [await client.get("/send", headers={"authorization": text}) for text in refused]
    assert {(answer.status_code, answer.json()["code"], answer.json()["detail"]) for answer in answers} == {
        (401, "unauthenticated", "The key is unknown, expired or revoked.")
    }
    assert all(answer.headers["www-authenticate"] == "Bearer" for answer in answers)


def test_secrets_are_compared_in_constant_time_also_where_no_key_has_the_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[tuple[str, str]] = []

    def compare(given: str, known: str) -> bool:
        compared.append((given, known))
        return given == known

    monkeypatch.setattr(hmac, "compare_digest", compare)
    table, known, unknown = KeyTable(), new_key("live"), new_key("live")
    table.put(stored(known))
    assert isinstance(table.find(bearer(known)), Caller)
    assert table.find(bearer(unknown)) == "unknown"
    assert compared == [(known.sha256, known.sha256), (unknown.sha256, "0" * 64)]


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "tk_live_a_b"])
async def test_a_request_without_a_key_is_told_how_to_send_one(authorization: str) -> None:
    async with asking(KeyTable()) as client:
        for headers in ({}, {"authorization": authorization}):
            answer = await client.get("/send", headers=headers)
            assert answer.status_code == 401
            assert "Authorization: Bearer" in answer.json()["detail"]


async def test_a_key_is_taken_only_from_one_header() -> None:
    keys, key = KeyTable(), new_key("live")
    keys.put(stored(key))
    async with asking(keys) as client:
        for query, headers in (
            (f"?key={key.reveal()}", {}),
            (f"?access_token={key.reveal()}", {}),
            ("", {"x-api-key": key.reveal()}),
            ("", {"authorization": f"Basic {key.reveal()}"}),
            ("", {"cookie": f"authorization=Bearer {key.reveal()}"}),
        ):
            assert (await client.get(f"/send{query}", headers=headers)).status_code in {401, 422}
        twice = [("authorization", bearer(new_key("live"))), ("authorization", bearer(key))]
        assert (await client.get("/send", headers=twice)).status_code == 401


def test_a_key_put_again_replaces_the_former() -> None:
    table, key = KeyTable(), new_key("live")
    table.put(stored(key))
    table.put(stored(key, scopes=["operate"]))
    caller = table.find(bearer(key))
    assert isinstance(caller, Caller)
    assert caller.scopes == {"operate"}


async def test_routes_ask_for_their_scope() -> None:
    keys, key = KeyTable(), new_key("live")
    keys.put(stored(key))
    async with asking(keys) as client:
        client.headers["authorization"] = bearer(key)
        assert (await client.get("/send")).json() == "acme"
        refused = await client.get("/manage")
        assert (refused.status_code, refused.json()["detail"]) == (
            403,
            "This needs a key with the scope `manage`.",
        )


async def test_a_test_key_changes_nothing_and_is_told_which_key_does() -> None:
    keys, key, weak = KeyTable(), new_key("test"), new_key("test")
    keys.put(stored(key, scopes=["send", "manage"]))
    keys.put(stored(weak))
    async with asking(keys) as client:
        client.headers["authorization"] = bearer(key)
        assert [(await client.get(path)).status_code for path in ("/send", "/preview")] == [200, 200]
        for which in (key, weak):  # told at once, instead of being sent for a test key with the scope
            refused = await client.get("/manage", headers={"authorization": bearer(which)})
            assert (refused.status_code, refused.json()["code"]) == (403, "test_key")
            assert refused.json()["detail"].endswith("Use a live key with the scope `manage`.")


async def test_a_key_made_a_moment_ago_is_looked_for_once_more() -> None:
    """No other refusal waits: a known key's refusal stays what it is, and what is no key cannot become one."""
    keys, made, known, guessed = KeyTable(), new_key("live"), new_key("live"), new_key("live")
    keys.put(stored(known))
    looks: list[float] = []

    async def catch_up(*, seconds: float) -> bool:
        looks.append(seconds)
        keys.put(stored(made))
        return len(looks) == 1

    bring_up_to_now = up_to_now(catch_up, service="auth-test")
    app = service_app(name="auth-test", health=Health(), keys=keys, bring_up_to_now=bring_up_to_now)

    @app.get("/send")
    async def send(caller: Sender) -> str:
        return caller.key_id

    @app.get("/manage")
    async def manage(caller: Manager) -> str:
        return caller.key_id

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:

        async def status(path: str, authorization: str) -> int:
            return (await client.get(path, headers={"authorization": authorization})).status_code

        wrong = f"Bearer tk_live_{known.id}_{guessed.secret}"
        for path, authorization in (
            ("/send", ""),
            ("/send", "Bearer nonsense"),
            ("/send", wrong),
            ("/manage", bearer(known)),
        ):
            assert await status(path, authorization) == (403 if authorization == bearer(known) else 401)
        assert looks == []
        assert await status("/send", bearer(made)) == 200
        assert looks == [1.0]
        late = REGISTRY.get_sample_value("tocsin_directory_late_total", {"component": "auth-test"})
        assert await status("/send", bearer(guessed)) == 401
        assert len(looks) == 2
        counted = REGISTRY.get_sample_value("tocsin_directory_late_total", {"component": "auth-test"})
        assert (late, counted) == (0, 1)


def test_keys_come_and_go_with_the_directory() -> None:
    keys = KeyTable()
    key = ApiKeyRecord(tenant="acme", id="k1", mode="live", sha256="0" * 64, scopes=["read"])
    keys.apply(ConsumerRecord("d", 0, 0, 0, b"workflow/acme/x", b"not read"))
    keys.apply(ConsumerRecord("d", 0, 1, 0, key.record_key, encode(key)))
    assert len(keys) == 1
    keys.apply(ConsumerRecord("d", 0, 2, 0, key.record_key, None))
    assert len(keys) == 0
    with pytest.raises(UNREADABLE_ERRORS):
        keys.apply(ConsumerRecord("d", 0, 3, 0, key.record_key, b"{}"))
