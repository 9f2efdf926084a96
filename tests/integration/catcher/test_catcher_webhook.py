"""A tenant's endpoint: what it shows, and what it refuses. Our own signatures are sent."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tocsin.catcher.testing import RunningCatcher
from tocsin.contracts.webhook_signature import signature_headers

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
NOTIFICATION = "c1d3a1f0-2f6e-5a2b-9a67-0d7a3b1c2e4f"
DELIVERY = "3b0f6c1e-9d4b-5a53-8e33-1f2a4cbb1d10"
PAYLOAD = {
    "type": "com.shop.order.shipped",
    "timestamp": "2026-01-01T12:00:00Z",
    "data": {"notification_id": NOTIFICATION, "title": "On its way", "body": "Order 1"},
}


def post(
    catcher: RunningCatcher,
    name: str = "shop",
    *,
    secret: str = SECRET,
    age: int = 0,
    body: Any = PAYLOAD,
    **headers: str,
) -> httpx.Response:
    content = json.dumps(body).encode()
    signed = signature_headers([secret], message_id=DELIVERY, timestamp=int(time.time()) - age, body=content)
    return httpx.post(f"{catcher.url}/webhooks/{name}", content=content, headers=signed | headers)


@pytest.fixture
def verifying(start_catcher: Callable[..., RunningCatcher]) -> RunningCatcher:
    return start_catcher(CATCHER_WEBHOOK_SECRET=SECRET)


def test_what_is_signed_is_shown(verifying: RunningCatcher) -> None:
    assert post(verifying, Authorization="Bearer marked").status_code == 204
    (shown,) = verifying.messages()
    assert (shown["channel"], shown["to"], shown["title"]) == ("webhook", "shop", "On its way")
    assert (shown["notification_id"], shown["delivery_id"]) == (NOTIFICATION, DELIVERY)
    assert shown["verified"] is True
    whole = httpx.get(f"{verifying.url}/api/messages/{shown['id']}").json()
    assert whole["request"] == PAYLOAD
    assert ["authorization", "…"] in whole["headers"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"secret": "whsec_" + base64.b64encode(b"x" * 32).decode()}, 401),
        ({"age": 400}, 400),
        ({"body": [1]}, 400),
        ({"body": {"type": "a"}}, 400),
    ],
)
def test_what_no_receiver_would_take_is_refused(
    verifying: RunningCatcher, fields: dict[str, Any], status: int
) -> None:
    before = len(verifying.messages())
    assert post(verifying, **fields).status_code == status
    assert len(verifying.messages()) == before


def test_without_a_secret_any_signature_is_taken(catcher: RunningCatcher) -> None:
    assert post(catcher).status_code == 204
    assert catcher.messages()[0]["verified"] is False


@pytest.mark.parametrize(("name", "status"), [("gone", 410), ("busy", 429), ("broken", 500), ("moved", 302)])
def test_some_names_misbehave(catcher: RunningCatcher, name: str, status: int) -> None:
    assert post(catcher, name).status_code == status
    assert catcher.messages() == []
