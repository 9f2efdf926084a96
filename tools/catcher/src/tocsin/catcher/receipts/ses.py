"""Events of SES, by SNS: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from tocsin.catcher.messages import AnyMessage, Email

from .keys import ReceiptKeys
from .sns import notification, sns_time
from .telling import NotTellable, Told

_REF: Final = "x-tocsin-ref"
_EVENTS: Final[dict[str, tuple[str, str, dict[str, Any]]]] = {
    "delivered": ("Delivery", "delivery", {"smtpResponse": "250 2.0.0 the catcher took it"}),
    "bounced": (
        "Bounce",
        "bounce",
        {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [{"status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 no such mailbox"}],
        },
    ),
    "undelivered": ("Reject", "reject", {"reason": "Bad content"}),
    "complained": ("Complaint", "complaint", {"complaintFeedbackType": "abuse"}),
    "unsubscribed": (
        "Subscription",
        "subscription",
        {
            "source": "UnsubscribeHeader",
            "newTopicPreferences": {"unsubscribeAll": True},
            "oldTopicPreferences": {"unsubscribeAll": False},
        },
    ),
    "opened": ("Open", "open", {"userAgent": "catcher", "ipAddress": "192.0.2.1"}),
    "clicked": ("Click", "click", {"link": "https://catcher.example/", "userAgent": "catcher"}),
}
"""The event's type, the name of the object that tells more, and that object."""


class SesTeller:
    """Of one topic, at `url`."""

    def __init__(self, *, url: str | None, keys: ReceiptKeys, now: Callable[[], datetime]) -> None:
        self._url = url
        self._keys = keys
        self._now = now

    def names(self, message: AnyMessage) -> list[str]:
        """All, of a mail that bears a ref."""
        if not (self._url and self._keys.known and isinstance(message, Email)):
            return []
        return list(_EVENTS) if any(name.lower() == _REF for name, _ in message.headers) else []

    def tell(self, message: AnyMessage, name: str) -> Told:
        """The event, with the headers of its mail."""
        if not isinstance(message, Email):
            raise NotTellable("SES tells of mails only.")
        now = self._now()
        kind, place, more = _EVENTS[name]
        event = {
            "eventType": kind,
            "mail": {
                "timestamp": sns_time(message.received_at),
                "source": message.envelope_from,
                "messageId": message.id.hex,
                "destination": [message.to],
                "headersTruncated": False,
                "headers": [{"name": header, "value": value} for header, value in message.headers],
            },
            place: {"timestamp": sns_time(now), **more},
        }
        return notification(event, url=self._url or "", keys=self._keys, now=now)
