"""Vonage's status webhooks, signed: https://developer.vonage.com/en/messages/concepts/signed-webhooks. A JWT with the SHA-256 of the body."""

import json
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import uuid4

import jwt

from tocsin.catcher.messages import AnyMessage, Sms

from .keys import VONAGE_SIGNATURE_SECRET, ReceiptKeys
from .telling import NotTellable, Told

_EVENTS: Final[dict[str, dict[str, Any]]] = {
    "delivered": {"status": "delivered"},
    "undelivered": {
        "status": "undeliverable",
        "error": {
            "type": "https://developer.vonage.com/api-errors/messages#1260",
            "title": "1260",
            "detail": "Destination unreachable",
        },
    },
}


class VonageTeller:
    """Of one account; a callback goes where its message says."""

    def __init__(self, *, keys: ReceiptKeys, now: Callable[[], datetime]) -> None:
        self._keys = keys
        self._now = now

    def names(self, message: AnyMessage) -> list[str]:
        """All, of a message with a `webhook_url`."""
        told = isinstance(message, Sms) and self._keys.known and message.request.get("webhook_url")
        return list(_EVENTS) if told else []

    def tell(self, message: AnyMessage, name: str) -> Told:
        """The event, with its token."""
        if not isinstance(message, Sms):
            raise NotTellable("Vonage tells of text messages only.")
        secret = self._keys.text(VONAGE_SIGNATURE_SECRET)
        now = self._now()
        event = {
            "message_uuid": message.sid,
            "to": message.to.removeprefix("+"),
            "from": message.sender,
            "timestamp": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "channel": "sms",
            **_EVENTS[name],
        }
        body = json.dumps(event).encode()
        claims = {"iat": int(now.timestamp()), "jti": str(uuid4()), "payload_hash": sha256(body).hexdigest()}
        token = jwt.encode(claims, secret, algorithm="HS256")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return Told(message.request["webhook_url"], headers, body)
