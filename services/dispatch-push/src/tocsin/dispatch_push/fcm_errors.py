"""What FCM's errors mean for the message (https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode).

An error is a google.rpc.Status; FCM's own code stands in a detail of type FcmError. Its message goes no further: it may
repeat what was sent.
"""

from typing import Any

import msgspec

from tocsin.channel import Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason

_FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


class _Error(msgspec.Struct):
    status: str = ""
    message: str = ""
    details: list[dict[str, Any]] = []


class _Body(msgspec.Struct):
    error: _Error


_decode = msgspec.json.Decoder(_Body).decode


class FcmError(msgspec.Struct, frozen=True):
    """An error as far as it matters: FCM's code, else the canonical one, else None; whether it is about the token."""

    http: int
    code: str | None = None
    fcm: bool = False
    """The code is FCM's own."""
    too_big: bool = False
    about_token: bool = False


def read(http: int, body: bytes) -> FcmError:
    """The error in an answer; whatever stands between FCM and us may answer with a page instead."""
    try:
        error = _decode(body).error
    except msgspec.DecodeError:
        return FcmError(http)
    own = [detail.get("errorCode") for detail in error.details if detail.get("@type") == _FCM_ERROR]
    violations = [
        violation
        for detail in error.details
        if detail.get("@type") == _BAD_REQUEST
        for violation in detail.get("fieldViolations", [])
        if isinstance(violation, dict)
    ]
    fields = [violation.get("field") for violation in violations]
    code = own[0] if own and isinstance(own[0], str) else error.status or None
    # Without a field, FCM's documented answer to a bad token names it in words only.
    about_token = "message.token" in fields or (not fields and "registration token" in error.message)
    said = [error.message, *(violation.get("description") for violation in violations)]
    too_big = any(isinstance(text, str) and "too big" in text for text in said)
    return FcmError(http, code, fcm=bool(own), too_big=too_big, about_token=about_token)


_REJECTED = {
    "UNREGISTERED": (Reason.DEVICE_GONE, "The app is no longer installed there."),
    "INVALID_ARGUMENT": (Reason.CONTENT_REFUSED, "FCM refuses the message's content."),
    # The token belongs to another project: perhaps ours is the wrong one, so the device is not gone.
    "SENDER_ID_MISMATCH": (Reason.RECIPIENT_REFUSED, "The device token belongs to another Firebase project."),
}
_PATIENCE = {"QUOTA_EXCEEDED", "RESOURCE_EXHAUSTED"}
_MINUTE = 60.0
"""Documented for a refused quota without `Retry-After`: "a minimum initial delay of 1 minute"."""


def answer_of(error: FcmError, *, retry_after: float | None) -> Answer:
    """What the error means."""
    code = error.code or ""
    if code == "INVALID_ARGUMENT" and error.about_token:
        return Rejected(reason=Reason.ADDRESS_INVALID, code=code, detail="The device token is none of FCM's.")
    if code == "INVALID_ARGUMENT" and error.too_big:
        return Rejected(reason=Reason.TOO_LARGE, code=code, detail="FCM takes no message of this size.")
    if code in _REJECTED:
        reason, detail = _REJECTED[code]
        return Rejected(reason=reason, code=code, detail=detail)
    if code in _PATIENCE or error.http == 429:
        return Throttled(
            code=code or "HTTP 429", detail="FCM asks for patience.", retry_after=retry_after or _MINUTE
        )
    if code == "THIRD_PARTY_AUTH_ERROR":
        detail = "The project's APNs certificate or web push key is invalid or missing."
        return NotSent(reason=Reason.CREDENTIALS_REFUSED, code=code, detail=detail)
    return _by_status(error.http, code or f"HTTP {error.http}", retry_after=retry_after)


def _by_status(http: int, said: str, *, retry_after: float | None) -> Answer:
    match http:
        case 401 | 403:
            detail = "FCM refuses the service account."
            return NotSent(reason=Reason.CREDENTIALS_REFUSED, code=said, detail=detail)
        case 503:  # UNAVAILABLE: "the server is overloaded": turned away
            detail = "FCM is unavailable."
            return NotSent(reason=Reason.PROVIDER_ERROR, code=said, detail=detail, retry_after=retry_after)
        case 400:
            return Rejected(reason=Reason.CONTENT_REFUSED, code=said, detail="FCM refuses the request.")
        case _ if 300 <= http < 500:
            # A 404 without UNREGISTERED is about the project or the path, never about the device.
            detail = "The endpoint does not lead to the project: look at both."
            return NotSent(reason=Reason.PROVIDER_ERROR, code=said, detail=detail)
        case _:  # INTERNAL and gateways: it may be on its way
            detail = "Nobody knows whether FCM has the message."
            return Ambiguous(reason=Reason.PROVIDER_ERROR, code=said, detail=detail)
