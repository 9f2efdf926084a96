"""The APNs endpoint: `POST /3/device/<token>`, as Apple documents it
(https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns).

Some tokens say how the device is: those that begin with `dead` are answered with `Unregistered`, `bad0` with `BadDeviceToken`,
`4290` with `TooManyRequests`, `5000` with `InternalServerError` and `5030` with `ServiceUnavailable`.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import jwt

from .apns_key import KEY_ID, TEAM_ID, KeyUnreadableError, read_key
from .http2_server import Http2Answer
from .mailbox import Mailbox
from .messages import Push, uuid_or_none

_PATH: Final = "/3/device/"
_TOKEN: Final = re.compile(r"(?:[0-9a-fA-F]{2}){32,}").fullmatch
_PUSH_TYPES: Final = {
    "alert", "background", "controls", "location", "voip", "complication", "fileprovider", "mdm", "liveactivity", "pushtotalk", "widgets",
}  # fmt: skip
_LARGEST: Final = {"voip": 5120}
_LARGEST_PAYLOAD: Final = 4096
_TOKEN_LIFE: Final = timedelta(hours=1)
_CLOCK_SKEW: Final = timedelta(minutes=10)


class ApnsRefusal(NamedTuple):
    """An error as APNs shapes it; `timestamp` in milliseconds."""

    status: int
    reason: str
    timestamp: int | None = None

    def content(self) -> dict[str, Any]:
        """The JSON of the answer."""
        return {"reason": self.reason} | ({} if self.timestamp is None else {"timestamp": self.timestamp})


_DEVICES: Final = {
    "dead": ApnsRefusal(410, "Unregistered"),
    "bad0": ApnsRefusal(400, "BadDeviceToken"),
    "4290": ApnsRefusal(429, "TooManyRequests"),
    "5000": ApnsRefusal(500, "InternalServerError"),
    "5030": ApnsRefusal(503, "ServiceUnavailable"),
}


class ApnsEndpoint:
    """Takes pushes to any topic that one key of one team signs for. The key's file may appear or change while the catcher runs."""

    def __init__(self, *, mailbox: Mailbox, key_file: Path | None, now: Callable[[], datetime]) -> None:
        self._mailbox = mailbox
        self._key_file = key_file
        self._now = now

    def answer(self, headers: Mapping[str, str], body: bytes) -> Http2Answer:
        """200, or the first thing that APNs would not take."""
        told = {"apns-id": headers.get("apns-id", "")}
        payload = (
            self._address(headers)
            or self._unauthorized(headers)
            or _headers(headers)
            or self._device(headers)
            or _payload(headers, body)
        )
        if isinstance(payload, ApnsRefusal):
            return Http2Answer(payload.status, told, payload.content())
        self._mailbox.add(self._caught(headers, payload))
        return Http2Answer(200, told)

    def _address(self, headers: Mapping[str, str]) -> ApnsRefusal | None:
        path = headers.get(":path", "")
        if headers.get(":method") != "POST":
            return ApnsRefusal(405, "MethodNotAllowed")
        if not path.startswith(_PATH):
            return ApnsRefusal(404, "BadPath")
        if path == _PATH:
            return ApnsRefusal(400, "MissingDeviceToken")
        return None if _TOKEN(path.removeprefix(_PATH)) else ApnsRefusal(400, "BadDeviceToken")

    def _unauthorized(self, headers: Mapping[str, str]) -> ApnsRefusal | None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return ApnsRefusal(403, "MissingProviderToken")
        try:
            if self._key_file is None or jwt.get_unverified_header(token).get("kid") != KEY_ID:
                return ApnsRefusal(403, "InvalidProviderToken")
            claims = jwt.decode(
                token,
                read_key(self._key_file),
                algorithms=["ES256"],
                issuer=TEAM_ID,
                options={"require": ["iss", "iat"], "verify_iat": False},
            )
        except (jwt.InvalidTokenError, KeyUnreadableError):
            return ApnsRefusal(403, "InvalidProviderToken")
        age = self._now().timestamp() - float(claims["iat"])
        timely = -_CLOCK_SKEW.total_seconds() <= age <= _TOKEN_LIFE.total_seconds()
        return None if timely else ApnsRefusal(403, "ExpiredProviderToken")

    def _device(self, headers: Mapping[str, str]) -> ApnsRefusal | None:
        refusal = _DEVICES.get(headers[":path"].removeprefix(_PATH)[:4].lower())
        if refusal is not None and refusal.status == 410:
            return refusal._replace(timestamp=int(self._now().timestamp() * 1000))
        return refusal

    def _caught(self, headers: Mapping[str, str], payload: dict[str, Any]) -> Push:
        shown = payload.get("aps", {}).get("alert", "")
        title, body = (
            ("", shown) if isinstance(shown, str) else (shown.get("title", ""), shown.get("body", ""))
        )
        token, topic = headers[":path"].removeprefix(_PATH), headers["apns-topic"]
        told = {name: value for name, value in headers.items() if name.startswith("apns-")}
        return Push(
            provider="apns",
            received_at=self._now(),
            to=token,
            sender=topic,
            name=headers.get("apns-id", ""),
            project=topic,
            token=token,
            title=title,
            body=body,
            data={name: str(value) for name, value in payload.items() if name != "aps"},
            request={"headers": told, "payload": payload},
            notification_id=uuid_or_none(str(payload.get("tocsin_notification", ""))),
            delivery_id=uuid_or_none(str(payload.get("tocsin_delivery", "")) or headers.get("apns-id")),
        )


def _headers(headers: Mapping[str, str]) -> ApnsRefusal | None:  # noqa: PLR0911 - one for each reason
    if not headers.get("apns-topic"):
        return ApnsRefusal(400, "MissingTopic")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", headers["apns-topic"]):
        return ApnsRefusal(400, "BadTopic")
    if headers.get("apns-push-type", "alert") not in _PUSH_TYPES:
        return ApnsRefusal(400, "InvalidPushType")
    if headers.get("apns-priority", "10") not in {"10", "5", "1"}:
        return ApnsRefusal(400, "BadPriority")
    if not headers.get("apns-expiration", "0").isdigit():
        return ApnsRefusal(400, "BadExpirationDate")
    if "apns-id" in headers and uuid_or_none(headers["apns-id"]) is None:
        return ApnsRefusal(400, "BadMessageId")
    if len(headers.get("apns-collapse-id", "").encode()) > 64:
        return ApnsRefusal(400, "BadCollapseId")
    return None


def _payload(headers: Mapping[str, str], body: bytes) -> dict[str, Any] | ApnsRefusal:
    """APNs has no word for what is no JSON: it is as if nothing had come."""
    if len(body) > _LARGEST.get(headers.get("apns-push-type", ""), _LARGEST_PAYLOAD):
        return ApnsRefusal(413, "PayloadTooLarge")
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return ApnsRefusal(400, "PayloadEmpty")
    if not isinstance(payload, dict) or not isinstance(payload.get("aps"), dict):
        return ApnsRefusal(400, "PayloadEmpty")
    return payload
