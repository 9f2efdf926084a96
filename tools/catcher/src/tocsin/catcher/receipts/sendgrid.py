"""SendGrid's Event Webhook, signed (https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event).

An array with one event; ECDSA over the timestamp and the body. The custom arguments of the mail stand beside the event's own fields.
"""

import json
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from tocsin.catcher.messages import AnyMessage

from .keys import SENDGRID_KEY, ReceiptKeys
from .telling import NotTellable, Told

_EVENTS: Final[dict[str, dict[str, Any]]] = {
    "delivered": {"event": "delivered", "response": "250 2.0.0 the catcher took it"},
    "bounced": {
        "event": "bounce",
        "type": "bounce",
        "status": "5.1.1",
        "reason": "550 5.1.1 the catcher knows no such mailbox",
    },
    "undelivered": {"event": "dropped", "reason": "Bounced Address", "status": "5.0.0"},
    "complained": {"event": "spamreport"},
    "unsubscribed": {"event": "unsubscribe"},
    "opened": {"event": "open", "sg_machine_open": False, "useragent": "catcher", "ip": "192.0.2.1"},
    "clicked": {
        "event": "click",
        "url": "https://catcher.example/",
        "useragent": "catcher",
        "ip": "192.0.2.1",
    },
}


class SendGridTeller:
    """Of one account, at `url`."""

    def __init__(self, *, url: str | None, keys: ReceiptKeys, now: Callable[[], datetime]) -> None:
        self._url = url
        self._keys = keys
        self._now = now

    def names(self, message: AnyMessage) -> list[str]:
        """All, of a mail with custom arguments."""
        return list(_EVENTS) if self._url and self._keys.known and message.custom else []

    def tell(self, message: AnyMessage, name: str) -> Told:
        """The signed event."""
        key = self._keys.private_key(SENDGRID_KEY)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise NotTellable(f"{SENDGRID_KEY} holds no key of an elliptic curve.")
        at = int(self._now().timestamp())
        event = {
            "email": message.to,
            "timestamp": at,
            "sg_event_id": uuid4().hex,
            "sg_message_id": f"{message.id.hex}.filter",
            **_EVENTS[name],
            **message.custom,
        }
        body = json.dumps([event]).encode()
        signature = b64encode(key.sign(str(at).encode() + body, ec.ECDSA(SHA256()))).decode()
        proof = {
            "Content-Type": "application/json",
            "X-Twilio-Email-Event-Webhook-Signature": signature,
            "X-Twilio-Email-Event-Webhook-Timestamp": str(at),
        }
        return Told(self._url or "", proof, body)
