"""The Vonage endpoint: `POST /v1/messages`, as Vonage documents it (https://developer.vonage.com/en/api/messages).

It refuses what the real API refuses, with its codes (https://developer.vonage.com/en/api-errors/messages). Some numbers say how the
phone is: 15005550001 is invalid, 15005550002 unreachable, 15005550004 has opted out; 15005550008 throttles.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt

from .mailbox import Mailbox
from .messages import Sms, uuid_or_none
from .segments import count_segments

_NUMBER = re.compile(r"[1-9]\d{6,14}", re.ASCII)
_SENDER = re.compile(r"[1-9]\d{2,14}|(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11}", re.ASCII)
_FIELDS = {
    "channel",
    "message_type",
    "to",
    "from",
    "text",
    "ttl",
    "client_ref",
    "webhook_url",
    "webhook_version",
    "sms",
}
_LONGEST_TEXT = 1000
_CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class VonageRefusal:
    """A problem (RFC 7807) as Vonage words it."""

    status: int
    code: str
    title: str
    detail: str
    parameters: tuple[str, ...] = ()

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        page = "https://developer.vonage.com/api-errors"
        own = f"{page}/messages" if self.code.isdecimal() else page
        problem: dict[str, Any] = {
            "type": f"{own}#{self.code}",
            "title": self.title,
            "detail": self.detail,
            "instance": uuid4().hex,
        }
        if self.parameters:
            problem["invalid_parameters"] = [
                {"name": name, "reason": "invalid value"} for name in self.parameters
            ]
        return problem


_PHONES = {
    "15005550001": VonageRefusal(422, "1170", "Invalid or Missing Msisdn Param", "The number is invalid."),
    "15005550002": VonageRefusal(422, "1260", "Destination unreachable", "The number cannot be reached."),
    "15005550004": VonageRefusal(422, "1240", "Illegal Number", "The number has opted out."),
    "15005550008": VonageRefusal(429, "1000", "Throttled", "You have exceeded the submission capacity."),
}


class VonageEndpoint:
    """One application, whose public key is in a file; without one, everybody is refused."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        application_id: str | None,
        public_key_file: Path | None,
        now: Callable[[], datetime],
    ) -> None:
        self._mailbox = mailbox
        self._application_id = application_id
        self._public_key_file = public_key_file
        self._now = now

    def send(self, payload: object, *, headers: Mapping[str, str]) -> dict[str, str] | VonageRefusal:
        """`{"message_uuid": …}` (status 202), or why not. Ids come from `client_ref` or `X-Tocsin-` headers."""
        if not self._known(headers.get("authorization", "")):
            detail = "You did not provide correct credentials. Check your authentication credentials."
            return VonageRefusal(401, "unauthorized", "Invalid credentials supplied", detail)
        if not isinstance(payload, dict):
            return _invalid("body")
        refusal = _refused(payload)
        if refusal is not None:
            return refusal
        text, identity = payload["text"], str(uuid4())
        counted = count_segments(text)
        self._mailbox.add(
            Sms(
                received_at=self._now(),
                to=f"+{payload['to']}",
                sender=payload["from"],
                sid=identity,
                body=text,
                encoding=counted.encoding,
                units=counted.units,
                segments=counted.segments,
                provider="vonage",
                request={name: str(value) for name, value in payload.items()},
                notification_id=uuid_or_none(headers.get("x-tocsin-notification")),
                delivery_id=uuid_or_none(payload.get("client_ref"))
                or uuid_or_none(headers.get("x-tocsin-delivery")),
            )
        )
        return {"message_uuid": identity}

    def _known(self, authorization: str) -> bool:
        """Whether it bears a token of the application, signed with its key, at most a day long, and not over."""
        scheme, _, token = authorization.partition(" ")
        if self._application_id is None or self._public_key_file is None or scheme.lower() != "bearer":
            return False
        try:
            claims = jwt.decode(
                token,
                self._public_key_file.read_bytes(),
                algorithms=["RS256"],
                options={
                    "require": ["application_id", "iat", "jti"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
            begin = float(claims["iat"])
            end = float(claims.get("exp", begin + 900))
        except (jwt.InvalidTokenError, OSError, ValueError, TypeError):
            return False
        now, skew = self._now().timestamp(), _CLOCK_SKEW.total_seconds()
        current = begin - skew <= now < end <= begin + 24 * 3600
        return current and claims["application_id"] == self._application_id


def _refused(message: Mapping[str, Any]) -> VonageRefusal | None:
    texts = {name: message.get(name) for name in ("channel", "message_type", "to", "from", "text")}
    wrong = [name for name, value in texts.items() if not isinstance(value, str) or not value]
    wrong += sorted(message.keys() - _FIELDS)
    if wrong:
        return _invalid(*wrong)
    checks: dict[str, object] = {
        "channel": message["channel"] == "sms",
        "message_type": message["message_type"] == "text",
        "to": _NUMBER.fullmatch(message["to"]) is not None,
        "from": _SENDER.fullmatch(message["from"]) is not None,
        "text": len(message["text"]) <= _LONGEST_TEXT,
        "ttl": _in_range(message.get("ttl"), 20, 604_800),
        "client_ref": len(str(message.get("client_ref", ""))) <= 100,
        "webhook_url": re.fullmatch(r"https?://[^/\s]+(/\S*)?", str(message.get("webhook_url", "https://a"))),
    }
    wrong = [name for name, right in checks.items() if not right]
    return _invalid(*wrong) if wrong else _PHONES.get(message["to"])


def _in_range(value: object, least: int, most: int) -> bool:
    return value is None or (type(value) is int and least <= value <= most)


def _invalid(*parameters: str) -> VonageRefusal:
    detail = "The value of one or more parameters is invalid."
    return VonageRefusal(422, "1020", "Invalid params", detail, parameters)
