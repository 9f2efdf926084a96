"""Postmark's webhooks (https://postmarkapp.com/developer/webhooks/webhooks-overview): one event, and the login that stands in their URL."""

import json
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from tocsin.catcher.messages import AnyMessage

from .keys import POSTMARK_LOGIN, ReceiptKeys
from .telling import Told

_EVENTS: Final[dict[str, dict[str, Any]]] = {
    "delivered": {"RecordType": "Delivery", "Details": "250 2.0.0 the catcher took it"},
    "bounced": {
        "RecordType": "Bounce",
        "Type": "HardBounce",
        "TypeCode": 1,
        "Inactive": True,
        "Details": "smtp;550 5.1.1 the catcher knows no such mailbox",
        "Description": "The server was unable to deliver your message.",
    },
    "undelivered": {
        "RecordType": "Bounce",
        "Type": "ManuallyDeactivated",
        "TypeCode": 100_006,
        "Inactive": True,
    },
    "complained": {"RecordType": "SpamComplaint", "Type": "SpamComplaint", "TypeCode": 100_001},
    "unsubscribed": {
        "RecordType": "SubscriptionChange",
        "SuppressSending": True,
        "SuppressionReason": "ManualSuppression",
        "Origin": "Recipient",
    },
    "opened": {"RecordType": "Open", "FirstOpen": True, "UserAgent": "catcher"},
    "clicked": {"RecordType": "Click", "OriginalLink": "https://catcher.example/", "ClickLocation": "HTML"},
}
_TIMES: Final = {
    "Delivery": "DeliveredAt",
    "Bounce": "BouncedAt",
    "SpamComplaint": "BouncedAt",
    "SubscriptionChange": "ChangedAt",
}
"""The name of an event's time where it is not `ReceivedAt`."""


class PostmarkTeller:
    """Of one server, at `url`."""

    def __init__(self, *, url: str | None, keys: ReceiptKeys, now: Callable[[], datetime]) -> None:
        self._url = url
        self._keys = keys
        self._now = now

    def names(self, message: AnyMessage) -> list[str]:
        """All, of a mail with metadata."""
        return list(_EVENTS) if self._url and self._keys.known and message.custom else []

    def tell(self, message: AnyMessage, name: str) -> Told:
        """The event, with the login."""
        login = b64encode(self._keys.text(POSTMARK_LOGIN).encode()).decode()
        said = _EVENTS[name]
        at = self._now()
        event = {
            "MessageID": str(message.id),
            "MessageStream": "outbound",
            "Recipient": message.to,
            "Metadata": message.custom,
            "ID": int(at.timestamp() * 1000),
            _TIMES.get(said["RecordType"], "ReceivedAt"): at.isoformat(),
            **said,
        }
        shown = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        return Told(self._url or "", shown, json.dumps(event).encode())
