"""What Twilio refuses to send, and how it says so (https://www.twilio.com/docs/api/errors).

Among it the magic numbers that Twilio gives to test credentials
(https://www.twilio.com/docs/iam/test-credentials), so that each refusal can be tried.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import phonenumbers

_LONGEST_BODY = 1600
_MAGIC_TO = {
    "+15005550001": (21211, "The 'To' number {} is not a valid phone number."),
    "+15005550002": (21612, "The 'To' phone number {} is not currently reachable via SMS."),
    "+15005550003": (21408, "Permission to send an SMS has not been enabled for the region of {}."),
    "+15005550004": (21610, "Attempt to send to unsubscribed recipient {}."),
    "+15005550009": (21614, "'To' number {} is not a valid mobile number."),
}
_MAGIC_FROM = {
    "+15005550001": (21212, "The 'From' number {} is not a valid phone number or shortcode."),
    "+15005550007": (21606, "The 'From' phone number {} is not a valid, SMS-capable number of your account."),
    "+15005550008": (21611, "This 'From' number {} has exceeded the maximum number of queued messages."),
}


@dataclass(frozen=True)
class Refusal:
    """An error as Twilio words it."""

    status: int
    code: int
    message: str

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        more = f"https://www.twilio.com/docs/errors/{self.code}"
        return {"code": self.code, "message": self.message, "more_info": more, "status": self.status}


def refused(form: Mapping[str, str]) -> Refusal | None:
    """Why Twilio would not create a message from this form; None if it would."""
    for check in (_missing, _too_long, _bad_recipient, _bad_sender, _bad_service, _bad_callback):
        refusal = check(form)
        if refusal is not None:
            return refusal
    return None


def e164(number: str) -> str | None:
    """The number as Twilio writes it; None when no phone could have it."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(parsed):
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def _missing(form: Mapping[str, str]) -> Refusal | None:
    if not form.get("To"):
        return Refusal(400, 21604, "A 'To' phone number is required.")
    if not form.get("Body"):
        return Refusal(400, 21602, "Message body is required.")
    if not form.get("From") and not form.get("MessagingServiceSid"):
        return Refusal(400, 21603, "A 'From' phone number is required.")
    return None


def _too_long(form: Mapping[str, str]) -> Refusal | None:
    if len(form["Body"]) <= _LONGEST_BODY:
        return None
    return Refusal(400, 21617, "The concatenated message body exceeds the 1600 character limit.")


def _bad_recipient(form: Mapping[str, str]) -> Refusal | None:
    number = e164(form["To"])
    if number is not None and number not in _MAGIC_TO:
        return None
    code, words = _MAGIC_TO.get(number or "", _MAGIC_TO["+15005550001"])
    return Refusal(400, code, words.format(form["To"]))


def _bad_sender(form: Mapping[str, str]) -> Refusal | None:
    sender = form.get("From", "")
    if not sender or (_may_send(sender) and sender not in _MAGIC_FROM):
        return None
    code, words = _MAGIC_FROM.get(sender, _MAGIC_FROM["+15005550001"])
    return Refusal(400, code, words.format(sender))


def _bad_service(form: Mapping[str, str]) -> Refusal | None:
    service = form.get("MessagingServiceSid", "")
    if not service or re.fullmatch(r"MG[0-9a-fA-F]{32}", service):
        return None
    return Refusal(400, 21705, f"The Messaging Service Sid {service} is invalid.")


def _bad_callback(form: Mapping[str, str]) -> Refusal | None:
    callback = form.get("StatusCallback", "")
    if not callback or re.fullmatch(r"https?://[^/\s]+(/\S*)?", callback):
        return None
    return Refusal(400, 21609, f"The StatusCallback URL {callback} is not a valid URL.")


def _may_send(sender: str) -> bool:
    """A phone number, a short code, or an alphanumeric sender id (up to 11, at least one letter)."""
    if re.fullmatch(r"\d{3,8}", sender) or e164(sender):
        return True
    return re.fullmatch(r"(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}", sender) is not None
