"""Twilio's status callbacks, signed as Twilio signs them: https://www.twilio.com/docs/usage/security."""

import hmac
from base64 import b64encode
from collections.abc import Mapping
from typing import Final

from .messages import Sms

STATUSES: Final[dict[str, dict[str, str]]] = {
    "delivered": {"MessageStatus": "delivered"},
    "undelivered": {"MessageStatus": "undelivered", "ErrorCode": "30003"},
}
"""What can be said of a text message, and the fields that say so. 30003: the phone is off, or out of reach."""


def fields_of(sms: Sms, name: str, *, account_sid: str) -> dict[str, str]:
    """The form of one callback."""
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


def signature(url: str, fields: Mapping[str, str], *, token: str) -> str:
    """The value of `X-Twilio-Signature`."""
    signed = url + "".join(f"{name}{fields[name]}" for name in sorted(fields))
    return b64encode(hmac.digest(token.encode(), signed.encode(), "sha1")).decode()
