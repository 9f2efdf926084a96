"""Tokens that let nobody in: which of them count as guesses, and what they make the database do."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from tocsin.testing import ManualClock
from tocsin.trust import Seal

from .conftest import SHOP, Directory, Sign, bearer, statements

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"exp": 1}, "token_expired"),
        ({"aud": "tocsin:other"}, "token_audience"),
        ({"exp": 2**31}, "token_lives_too_long"),
        ({"nbf": 2**31}, "token_invalid"),
        ({"nbf": None}, "token_invalid"),
        ({"iat": "now"}, "token_invalid"),
    ],
)
async def test_who_has_a_signed_token_guesses_nothing(
    *, shop: httpx.AsyncClient, anybody: httpx.AsyncClient, sign: Sign, claims: dict[str, Any], code: str
) -> None:
    """An app that was left open sends its expired token for hours, from an address that many share."""
    mine = bearer(sign(**claims))
    answers = [await anybody.get("/v1/me/preferences", headers=mine) for _ in range(25)]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(401, code)}


async def test_a_time_that_is_none_is_named(
    shop: httpx.AsyncClient, anybody: httpx.AsyncClient, sign: Sign
) -> None:
    answer = await anybody.get("/v1/me/preferences", headers=bearer(sign(nbf=None)))
    assert "`nbf` is no number of seconds" in answer.json()["detail"]


async def test_a_source_that_guessed_often_makes_nobody_look_up_what_is_unknown(
    *,
    engine: AsyncEngine,
    clock: ManualClock,
    shop: httpx.AsyncClient,
    anybody: httpx.AsyncClient,
    sign: Sign,
) -> None:
    for number in range(20):
        await anybody.get("/v1/me/preferences", headers=bearer(sign(tid=f"nobody-{number}")))
    with statements(engine) as executed:
        for number in range(20, 30):
            token = bearer(sign(tid=f"nobody-{number}"))
            answer = await anybody.get("/v1/me/preferences", headers={"origin": SHOP, **token})
            assert answer.status_code == 429
            await anybody.options(
                "/v1/me/preferences",
                headers={"origin": f"https://x{number}.example", "access-control-request-method": "PUT"},
            )
    assert executed == []


async def test_who_shares_an_address_with_a_guesser_is_let_in(
    *,
    engine: AsyncEngine,
    clock: ManualClock,
    shop: httpx.AsyncClient,
    anybody: httpx.AsyncClient,
    sign: Sign,
) -> None:
    """Of a tenant that is known, once in two seconds: so a key that is taken away is seen, too."""
    forged = bearer(sign(key="x" * 32))
    for _ in range(25):
        answer = await anybody.get("/v1/me/preferences", headers=forged)
    assert answer.status_code == 429
    clock.advance(10)
    with statements(engine) as executed:
        for _ in range(10):
            await anybody.get("/v1/me/preferences", headers=forged)
    assert len(executed) == 1
    assert (await anybody.get("/v1/me/preferences", headers=bearer(sign()))).status_code == 200


async def test_what_another_process_has_saved_is_known_two_seconds_later(
    *,
    clock: ManualClock,
    directory: Directory,
    shop: httpx.AsyncClient,
    anybody: httpx.AsyncClient,
    sign: Sign,
) -> None:
    mine = bearer(sign())
    assert (await anybody.get("/v1/me/preferences", headers=mine)).status_code == 200
    await directory.rows("UPDATE directory.inbox_keys SET keys = '[]'")
    clock.advance(2.1)
    assert (await anybody.get("/v1/me/preferences", headers=mine)).status_code == 401


async def test_a_lost_seal_key_is_the_operators_and_logged_once_a_minute(
    *,
    app: FastAPI,
    clock: ManualClock,
    shop: httpx.AsyncClient,
    anybody: httpx.AsyncClient,
    sign: Sign,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[dict[str, Any]] = []

    class Log:
        def warning(self, _event: str, **facts: Any) -> None:
            lines.append(facts)

    monkeypatch.setattr("tocsin.web.inbox_keys.log", Log())
    app.state.seal = Seal([("k2", "t" * 32)])
    for _ in range(25):
        answer = await anybody.get("/v1/me/preferences", headers=bearer(sign()))
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert "SEAL_KEYS" in answer.json()["detail"]
    assert [(line["tenant"], line["inbox_key"]) for line in lines] == [("acme", "2026")]
    clock.advance(61)
    await anybody.get("/v1/me/preferences", headers=bearer(sign()))
    assert len(lines) == 2
