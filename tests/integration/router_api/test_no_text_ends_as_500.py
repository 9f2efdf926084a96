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


HALF_A_PAIR: list[tuple[str, str, str, str]] = [
    ("PUT", "/v1/categories/news", '{"name":"\\ud800","default":"required"}', "/name"),
    ("PUT", "/v1/workflows/w", '{"category":"a","channels":["sms"],"name":"\\ud800"}', "/name"),
    (
        "PUT",
        "/v1/workflows/w",
        '{"category":"a","channels":["sms"],"event_types":["a","\\ud800"]}',
        "/event_types/1",
    ),
    ("POST", "/v1/api-keys", '{"scopes":["send"],"mode":"test","name":"\\ud800"}', "/name"),
    ("PUT", "/v1/tenant", '{"name":"\\ud800"}', "/name"),
    (
        "PUT",
        "/v1/tenant",
        '{"senders":{"email":{"address":"a@b.example","name":"\\ud800"}}}',
        "/senders/email/name",
    ),
    ("PUT", "/v1/recipients/ada/devices/phone", '{"token":"\\ud800"}', "/token"),
]


@pytest.mark.parametrize(("method", "path", "body", "pointer"), HALF_A_PAIR)
async def test_finding_13_half_a_surrogate_pair_is_a_fault_of_its_field(
    acme: httpx.AsyncClient, method: str, path: str, body: str, pointer: str
) -> None:
    """It was 500, and the log repeated the character."""
    answer = await acme.request(method, path, content=body, headers={"content-type": "application/json"})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert [(fault["pointer"], fault["code"]) for fault in problem["errors"]] == [(pointer, "text_invalid")]
    assert "ud800" not in answer.text
