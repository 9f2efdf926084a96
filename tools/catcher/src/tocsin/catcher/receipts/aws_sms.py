"""Events of AWS End User Messaging, by SNS: https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-format.html."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from tocsin.catcher.messages import AnyMessage, Sms

from .keys import ReceiptKeys
from .sns import notification
from .telling import NotTellable, Told

_EVENTS: Final = {
    "delivered": ("TEXT_DELIVERED", "DELIVERED"),
    "undelivered": ("TEXT_UNREACHABLE", "UNREACHABLE"),
}


class AwsSmsTeller:
    """Of one topic, at `url`."""

    def __init__(self, *, url: str | None, keys: ReceiptKeys, now: Callable[[], datetime]) -> None:
        self._url = url
        self._keys = keys
        self._now = now

    def names(self, message: AnyMessage) -> list[str]:
        """All, of a text message with a `Context`."""
        return list(_EVENTS) if self._url and self._keys.known and message.custom else []

    def tell(self, message: AnyMessage, name: str) -> Told:
        """The event, with the message's `Context`."""
        if not isinstance(message, Sms):
            raise NotTellable("AWS End User Messaging tells of text messages only.")
        now = self._now()
        kind, status = _EVENTS[name]
        event = {
            "eventType": kind,
            "eventVersion": "1.0",
            "eventTimestamp": int(now.timestamp() * 1000),
            "isFinal": True,
            "originationPhoneNumber": message.sender,
            "destinationPhoneNumber": message.to,
            "messageId": message.sid,
            "messageStatus": status,
            "context": message.custom,
        }
        return notification(event, url=self._url or "", keys=self._keys, now=now)
