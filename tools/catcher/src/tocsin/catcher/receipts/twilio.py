"""Twilio's status callbacks, signed as Twilio signs them: https://www.twilio.com/docs/usage/security."""

import hmac
from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from tocsin.catcher.messages import AnyMessage, Sms

from .telling import NotTellable, Told

STATUSES: Final[dict[str, dict[str, str]]] = {
    "delivered": {"MessageStatus": "delivered"},
    "undelivered": {"MessageStatus": "undelivered", "ErrorCode": "30003"},
}
"""What can be said of a text message, and the fields that say so. 30003: the phone is off, or out of reach."""


class TwilioTeller:
    """Of one account; a callback goes where its message says."""

    def __init__(self, *, account_sid: str | None, auth_token: str | None) -> None:
        self._account_sid = account_sid
        self._auth_token = auth_token

    def names(self, message: AnyMessage) -> list[str]:
        """All, of a message with a `StatusCallback`."""
        told = isinstance(message, Sms) and self._auth_token and message.request.get("StatusCallback")
        return list(STATUSES) if told else []

    def tell(self, message: AnyMessage, name: str) -> Told:
        """A form, signed with the auth token."""
        if not isinstance(message, Sms):
            raise NotTellable("Twilio tells of text messages only.")
        url = message.request["StatusCallback"]
        fields = _fields(message, name, account_sid=self._account_sid or "")
        proof = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": _signature(url, fields, token=self._auth_token or ""),
        }
        return Told(url, proof, urlencode(fields).encode())


def _fields(sms: Sms, name: str, *, account_sid: str) -> dict[str, str]:
    said = STATUSES[name]
    return {
        "AccountSid": account_sid,
        "ApiVersion": "2010-04-01",
        "From": sms.sender,
        "To": sms.to,
        "MessageSid": sms.sid,
        "SmsSid": sms.sid,
        "SmsStatus": said["MessageStatus"],
        **said,
    }


def _signature(url: str, fields: Mapping[str, str], *, token: str) -> str:
    signed = url + "".join(f"{name}{fields[name]}" for name in sorted(fields))
    return b64encode(hmac.digest(token.encode(), signed.encode(), "sha1")).decode()
