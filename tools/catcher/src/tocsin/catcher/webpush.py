"""A push service of browsers, and its browsers (RFC 8030, 8188, 8291, 8292): `POST /push/<id>` takes what `dispatch-push` sends.

Subscriptions are made by `POST /push` with `{"applicationServerKey": …, "behaves": …}`, both optional: with a key, messages under another
one are refused. `behaves` says how the subscription is: `gone` is answered with 410, `busy` with 429, `broken` with 500.
"""

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import jwt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import BaseModel, ConfigDict, Field

from .mailbox import Mailbox
from .messages import Push, uuid_or_none

_KEPT: Final = 1000
"""Subscriptions; older ones are forgotten."""
_LARGEST: Final = 4096
_LONGEST_TOKEN: Final = 24 * 3600
_URGENCIES: Final = {"very-low", "low", "normal", "high"}
_BEHAVIOURS: Final = {"gone": 410, "busy": 429, "broken": 500}


class Subscribing(BaseModel):
    """What a browser is asked for."""

    model_config = ConfigDict(extra="forbid")

    application_server_key: str | None = Field(default=None, alias="applicationServerKey")
    behaves: Literal["gone", "busy", "broken"] | None = None


@dataclass(frozen=True)
class _Browser:
    key: ec.EllipticCurvePrivateKey
    auth: bytes
    application_key: str | None
    behaves: str | None


@dataclass(frozen=True)
class PushAnswer:
    """A status, and in words what is wrong."""

    status: int
    words: str = ""


class WebPushEndpoint:
    """Keeps subscriptions in memory, and reads what is sent to them as their browsers would."""

    def __init__(self, *, mailbox: Mailbox, now: Callable[[], datetime]) -> None:
        self._mailbox = mailbox
        self._now = now
        self._browsers: OrderedDict[str, _Browser] = OrderedDict()

    def subscribe(self, asked: Subscribing, *, base: str) -> dict[str, Any]:
        """A subscription as `JSON.stringify` shows one; its endpoint lies below `base`."""
        name = secrets.token_urlsafe(24)
        browser = _Browser(
            ec.generate_private_key(ec.SECP256R1()),
            secrets.token_bytes(16),
            asked.application_server_key,
            asked.behaves,
        )
        self._browsers[name] = browser
        while len(self._browsers) > _KEPT:
            self._browsers.popitem(last=False)
        point = browser.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        keys = {"p256dh": _base64url(point), "auth": _base64url(browser.auth)}
        return {"endpoint": f"{base}/push/{name}", "expirationTime": None, "keys": keys}

    def take(self, name: str, *, origin: str, headers: Mapping[str, str], body: bytes) -> PushAnswer:
        """201, or why not."""
        browser = self._browsers.get(name)
        if browser is None:
            return PushAnswer(404, "No such subscription.")
        refusal = self._unauthorized(browser, origin, headers.get("authorization", "")) or _malformed(headers)
        if refusal is None and len(body) > _LARGEST:
            refusal = PushAnswer(413, f"The message has more than {_LARGEST} bytes.")
        if refusal is None and browser.behaves is not None:
            refusal = PushAnswer(_BEHAVIOURS[browser.behaves], f"This subscription is {browser.behaves}.")
        if refusal is not None:
            return refusal
        self._mailbox.add(self._caught(name, browser, headers, body))
        return PushAnswer(201)

    def _unauthorized(self, browser: _Browser, origin: str, authorization: str) -> PushAnswer | None:
        scheme, _, given = authorization.partition(" ")
        fields = dict(part.strip().split("=", 1) for part in given.split(",") if "=" in part)
        if scheme.lower() != "vapid" or not {"t", "k"} <= fields.keys():
            return PushAnswer(401, "Authorization is missing: vapid t=…, k=….")
        if browser.application_key is not None and fields["k"] != browser.application_key.rstrip("="):
            return PushAnswer(403, "The subscription was made for another key.")
        try:
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _bytes(fields["k"]))
            claims = jwt.decode(
                fields["t"],
                key,
                algorithms=["ES256"],
                audience=origin,
                options={"require": ["aud", "exp"], "verify_exp": False},
            )
        except (jwt.InvalidTokenError, ValueError):
            return PushAnswer(403, "The VAPID token is not valid for this push service.")
        left = float(claims["exp"]) - self._now().timestamp()
        return None if 0 < left <= _LONGEST_TOKEN else PushAnswer(403, "The VAPID token has expired.")

    def _caught(self, name: str, browser: _Browser, headers: Mapping[str, str], body: bytes) -> Push:
        shown = _read(browser, body)
        data = shown.get("data") if isinstance(shown.get("data"), dict) else {}
        told = ("ttl", "urgency", "topic", "content-encoding")
        return Push(
            provider="webpush",
            received_at=self._now(),
            to=name,
            sender="webpush",
            name=headers.get("topic", ""),
            project="webpush",
            token=name,
            title=str(shown.get("title", "")),
            body=str(shown.get("body", "")),
            data={field: str(value) for field, value in (data or {}).items()},
            request={
                "headers": {field: headers[field] for field in told if field in headers},
                "message": shown,
            },
            notification_id=uuid_or_none(str((data or {}).get("tocsin_notification", ""))),
            delivery_id=uuid_or_none(str((data or {}).get("tocsin_delivery", ""))),
        )


def _malformed(headers: Mapping[str, str]) -> PushAnswer | None:
    if not headers.get("ttl", "").isdigit():
        return PushAnswer(400, "TTL is missing, or is no number of seconds.")
    if headers.get("content-encoding") != "aes128gcm":
        return PushAnswer(400, "Content-Encoding must be aes128gcm.")
    if headers.get("urgency", "normal") not in _URGENCIES:
        return PushAnswer(400, f"Urgency must be one of {', '.join(sorted(_URGENCIES))}.")
    if len(headers.get("topic", "")) > 32:
        return PushAnswer(400, "Topic has more than 32 characters.")
    return None


def _read(browser: _Browser, body: bytes) -> dict[str, Any]:
    """What the browser makes of it. A push service cannot look inside: what a browser could not read is taken, and shown as such."""
    try:
        read = json.loads(_decrypted(browser, body))
    except (ValueError, InvalidTag):
        return {"title": "(this browser cannot decrypt the message)"}
    return read if isinstance(read, dict) else {"title": str(read)}


def _decrypted(browser: _Browser, body: bytes) -> bytes:
    """As a browser does it: RFC 8291, of a body that is one record of RFC 8188's `aes128gcm`."""
    salt, theirs, record = body[:16], body[21 : 21 + 65], body[21 + 65 :]
    sender = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs)
    ours = browser.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def derived(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
        return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)

    shared = derived(
        browser.key.exchange(ec.ECDH(), sender), browser.auth, b"WebPush: info\x00" + ours + theirs, 32
    )
    padded = AESGCM(derived(shared, salt, b"Content-Encoding: aes128gcm\x00", 16)).decrypt(
        derived(shared, salt, b"Content-Encoding: nonce\x00", 12), record, None
    )
    return padded.rstrip(b"\x00")[:-1]  # the sign of the last record, and what fills it up


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
