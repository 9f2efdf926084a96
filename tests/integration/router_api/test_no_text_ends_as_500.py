"""No text in any parameter or field of any route is more than the router can answer."""

import httpx
import pytest
from fastapi import FastAPI
from tests.every_route import calls

pytestmark = pytest.mark.postgres


async def test_no_text_ends_as_a_server_error(app: FastAPI, acme: httpx.AsyncClient) -> None:
    (await acme.put("/v1/categories/a", json={"default": "required"})).raise_for_status()
    sent = 0
    for call in calls(app):
        answer = await acme.request(
            call.method, call.url, content=call.body, headers={"content-type": "application/json"}
        )
        assert answer.status_code < 500, call
        sent += 1
    assert sent > 800
