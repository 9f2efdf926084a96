"""Mailgun's webhooks (https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads): one event, its proof in the body."""

import hmac
import json
from collections.abc import Callable
from datetime import datetime
from secrets import token_hex
from typing import Any, Final
from uuid import uuid4

from tocsin.catcher.messages import AnyMessage

from .keys import MAILGUN_SIGNING_KEY, ReceiptKeys
from .telling import Told

_PERSON: Final = {"client-type": "browser", "device-type": "desktop", "user-agent": "catcher", "bot": ""}
_EVENTS: Final[dict[str, dict[str, Any]]] = {
    "delivered": {"event": "delivered", "delivery-status": {"code": 250, "message": "OK"}},
    "bounced": {
        "event": "failed",
        "severity": "permanent",
        "reason": "bounce",
        "delivery-status": {
            "code": 550,
            "enhanced-code": "5.1.1",
            "bounce-type": "hard",
            "message": "5.1.1 the catcher knows no such mailbox",
        },
    },
    "undelivered": {"event": "failed", "severity": "permanent", "reason": "suppress-bounce"},
    "complained": {"event": "complained"},
    "unsubscribed": {"event": "unsubscribed", "client-info": _PERSON},
    "opened": {"event": "opened", "client-info": _PERSON},
    "clicked": {"event": "clicked", "url": "https://catcher.example/", "client-info": _PERSON},
}


class MailgunTeller:
    """Of one account, at `url`."""

    def __init__(self, *, url: str | None, keys: ReceiptKeys, now: Callable[[], datetime]) -> None:
        self._url = url
        self._keys = keys
        self._now = now

    def names(self, message: AnyMessage) -> list[str]:
        """All, of a mail with variables."""
        return list(_EVENTS) if self._url and self._keys.known and message.custom else []

    def tell(self, message: AnyMessage, name: str) -> Told:
        """The event beside its signature (HMAC-SHA256 of timestamp and token)."""
        key = self._keys.text(MAILGUN_SIGNING_KEY)
        at, token = self._now().timestamp(), token_hex(25)
        signature = hmac.digest(key.encode(), f"{int(at)}{token}".encode(), "sha256").hex()
        call = {
            "signature": {"token": token, "timestamp": str(int(at)), "signature": signature},
            "event-data": {
                "id": uuid4().hex,
                "timestamp": at,
                "recipient": message.to,
                "user-variables": message.custom,
                **_EVENTS[name],
            },
        }
        return Told(self._url or "", {"Content-Type": "application/json"}, json.dumps(call).encode())
