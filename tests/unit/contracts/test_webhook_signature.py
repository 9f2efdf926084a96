"""Signatures as the library of Standard Webhooks for Python judges them."""

import base64
import os
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tocsin.contracts.webhook_signature import signature_headers

ID = "3b0f6c1e-9d4b-5a53-8e33-1f2a4cbb1d10"
BODY = '{"type":"com.shop.order.shipped","data":{"text":"Grüße 🎉"}}'.encode()


def a_secret(size: int = 32) -> str:
    return "whsec_" + base64.b64encode(os.urandom(size)).decode()


def headers(*secrets: str, body: bytes = BODY, age: int = 0) -> dict[str, str]:
    return signature_headers(secrets, message_id=ID, timestamp=int(time.time()) - age, body=body)


@pytest.mark.parametrize("size", [24, 32, 64])
def test_the_library_takes_what_is_signed(size: int) -> None:
    secret = a_secret(size)
    assert Webhook(secret).verify(BODY, headers(secret))["type"] == "com.shop.order.shipped"


def test_while_a_secret_is_replaced_either_is_enough() -> None:
    new, former = a_secret(), a_secret()
    both = headers(new, former)
    assert both["webhook-signature"].count("v1,") == 2
    for secret in (new, former):
        Webhook(secret).verify(BODY, both)
    with pytest.raises(WebhookVerificationError):
        Webhook(a_secret()).verify(BODY, both)


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        (BODY + b" ", {}),
        (BODY, {"webhook-id": "another"}),
        (BODY, {"webhook-timestamp": str(int(time.time()) + 60)}),
    ],
    ids=["body", "id", "timestamp"],
)
def test_whatever_is_changed_the_library_refuses_it(body: bytes, changed: dict[str, str]) -> None:
    secret = a_secret()
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, headers(secret) | changed)


def test_one_that_was_recorded_is_refused_after_five_minutes() -> None:
    secret = a_secret()
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, headers(secret, age=301))
