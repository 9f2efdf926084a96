"""A tenant's endpoint: `POST /webhooks/<name>` takes what `dispatch-webhook` sends, as Standard Webhooks says.

With `CATCHER_WEBHOOK_SECRET` the signature is verified. Some names misbehave: `gone` answers 410, `busy` 429, `broken` 500, `moved` 302.
"""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from .mailbox import Mailbox
from .messages import Webhook, uuid_or_none

TOLERANCE_SECONDS: Final = 300
"""How far a receiver lets the timestamp be from its own clock."""
_BEHAVIOURS: Final = {"gone": 410, "busy": 429, "broken": 500, "moved": 302}
_HIDDEN: Final = {"authorization", "cookie"}


@dataclass(frozen=True)
class WebhookAnswer:
    """A status, and in words what is wrong."""

    status: int
    words: str = ""


class WebhookEndpoint:
    """Checks what comes as a receiver does."""

    def __init__(self, *, mailbox: Mailbox, secret: str | None, now: Callable[[], datetime]) -> None:
        self._mailbox = mailbox
        self._secret = secret
        self._now = now

    def take(self, name: str, *, headers: Mapping[str, str], body: bytes) -> WebhookAnswer:
        """204, or why not."""
        if name in _BEHAVIOURS:
            return WebhookAnswer(_BEHAVIOURS[name], f"This endpoint is {name}.")
        refusal = self._refusal(headers, body)
        if refusal is not None:
            return refusal
        try:
            payload = json.loads(body)
        except (ValueError, RecursionError):
            payload = None
        if not isinstance(payload, dict) or not {"type", "timestamp", "data"} <= payload.keys():
            return WebhookAnswer(400, "The body is no JSON object with type, timestamp and data.")
        self._mailbox.add(self._caught(name, headers, payload))
        return WebhookAnswer(204)

    def _refusal(self, headers: Mapping[str, str], body: bytes) -> WebhookAnswer | None:
        message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not message_id or not timestamp.isdecimal():
            return WebhookAnswer(400, "webhook-id or webhook-timestamp is missing.")
        if abs(self._now().timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
            return WebhookAnswer(400, "The timestamp is more than five minutes away.")
        if self._secret is None:
            return None
        key = base64.b64decode(self._secret.removeprefix("whsec_"))
        signed = f"{message_id}.{timestamp}.".encode() + body
        expected = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
        given = headers.get("webhook-signature", "").split(" ")
        if any(hmac.compare_digest(expected.encode(), signature.encode()) for signature in given):
            return None
        return WebhookAnswer(401, "No signature is right.")

    def _caught(self, name: str, headers: Mapping[str, str], payload: dict[str, Any]) -> Webhook:
        data = payload["data"] if isinstance(payload["data"], dict) else {}
        return Webhook(
            provider="webhook",
            received_at=self._now(),
            to=name,
            sender=headers.get("user-agent", ""),
            notification_id=uuid_or_none(str(data.get("notification_id", ""))),
            delivery_id=uuid_or_none(headers["webhook-id"]),
            title=str(data.get("title") or payload["type"]),
            body=str(data.get("body", "")),
            verified=self._secret is not None,
            headers=tuple(
                (header, "…" if header in _HIDDEN else value) for header, value in sorted(headers.items())
            ),
            request=payload,
        )
