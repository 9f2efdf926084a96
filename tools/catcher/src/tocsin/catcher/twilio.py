"""The Twilio endpoint: `POST /2010-04-01/Accounts/{sid}/Messages.json`, as Twilio documents it.

It refuses what the real API refuses, with its codes and its body, see `twilio_refusals`.
"""

import hmac
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from .mailbox import Mailbox
from .messages import Sms, uuid_or_none
from .segments import count_segments
from .twilio_refusals import Refusal, e164, refused

_UNAUTHENTICATED = Refusal(401, 20003, "Authenticate")


class TwilioEndpoint:
    """One account; without one, everybody is refused."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        account_sid: str | None,
        auth_token: str | None,
        now: Callable[[], datetime],
    ) -> None:
        self._mailbox = mailbox
        self._account_sid = account_sid
        self._auth_token = auth_token
        self._now = now

    def create_message(
        self, *, account_sid: str, form: Mapping[str, str], headers: Mapping[str, str]
    ) -> dict[str, Any] | Refusal:
        """The resource created (status 201), or why not. Ids come from the callback's query or `X-Tocsin-` headers."""
        if not self._known(account_sid, headers.get("authorization", "")):
            return _UNAUTHENTICATED
        refusal = refused(form)
        if refusal is not None:
            return refusal
        now, to, body = self._now(), e164(form["To"]) or form["To"], form["Body"]
        counted, sid = count_segments(body), f"SM{uuid4().hex}"
        callback = parse_qs(urlsplit(form.get("StatusCallback", "")).query)
        self._mailbox.add(
            Sms(
                received_at=now,
                to=to,
                sender=form.get("From") or form["MessagingServiceSid"],
                sid=sid,
                body=body,
                encoding=counted.encoding,
                units=counted.units,
                segments=counted.segments,
                request=dict(form),
                provider="twilio",
                notification_id=uuid_or_none(callback.get("notification", [None])[0])
                or uuid_or_none(headers.get("x-tocsin-notification")),
                delivery_id=uuid_or_none(callback.get("delivery", [None])[0])
                or uuid_or_none(headers.get("x-tocsin-delivery")),
            )
        )
        return _resource(
            account_sid=account_sid, sid=sid, to=to, form=form, segments=counted.segments, now=now
        )

    def _known(self, account_sid: str, authorization: str) -> bool:
        if self._account_sid is None or self._auth_token is None or account_sid != self._account_sid:
            return False
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = b64decode(credentials, validate=True)
        except ValueError:
            return False
        return hmac.compare_digest(given, f"{self._account_sid}:{self._auth_token}".encode())


def _resource(
    *, account_sid: str, sid: str, to: str, form: Mapping[str, str], segments: int, now: datetime
) -> dict[str, Any]:
    """The message as Twilio answers it: through a messaging service the sender is chosen later."""
    uri, when = f"/2010-04-01/Accounts/{account_sid}/Messages/{sid}", format_datetime(now)
    service = form.get("MessagingServiceSid") or None
    return {
        "account_sid": account_sid,
        "api_version": "2010-04-01",
        "body": form["Body"],
        "date_created": when,
        "date_sent": None,
        "date_updated": when,
        "direction": "outbound-api",
        "error_code": None,
        "error_message": None,
        "from": form.get("From") or None,
        "messaging_service_sid": service,
        "num_media": "0",
        "num_segments": "0" if service else str(segments),
        "price": None,
        "price_unit": None,
        "sid": sid,
        "status": "accepted" if service else "queued",
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": to,
        "uri": f"{uri}.json",
    }
