"""What APNs' answers mean for the message.

Reasons and statuses are those of the table "Response error strings" in
https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns; that page says, too, which of them
must not be sent again.
"""

from datetime import UTC, datetime
from typing import Final

import msgspec

from tocsin.channel import Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_push.http2_frames import is_word


class _Body(msgspec.Struct):
    reason: str = ""
    timestamp: int | None = None


_decode = msgspec.json.Decoder(_Body).decode


class ApnsError(msgspec.Struct, frozen=True):
    """An answer other than 200: its status, APNs' word for it, and for a device that is gone, since when."""

    status: int
    reason: str = ""
    gone_since: datetime | None = None


def read(status: int, body: bytes) -> ApnsError:
    """The error in an answer; whatever stands between APNs and us may answer with a page instead."""
    try:
        told = _decode(body)
    except msgspec.DecodeError:
        return ApnsError(status)
    return ApnsError(status, told.reason if is_word(told.reason) else "", _moment(told.timestamp))


def _moment(milliseconds: int | None) -> datetime | None:
    try:
        return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


_REJECTED: Final = {
    "BadCollapseId": (Reason.CONTENT_REFUSED, "APNs refuses the collapse id."),
    # A token of the sandbox is bad in production, too.
    "BadDeviceToken": (Reason.ADDRESS_INVALID, "The device token is none of this APNs environment's."),
    "BadExpirationDate": (Reason.CONTENT_REFUSED, "APNs refuses the time of expiry."),
    "BadMessageId": (Reason.CONTENT_REFUSED, "APNs refuses the message's id."),
    "BadPriority": (Reason.CONTENT_REFUSED, "APNs refuses the priority."),
    "BadTopic": (Reason.SENDER_REFUSED, "APNs refuses the topic: look at the instance's `topics`."),
    # The topic may be the wrong one, so the device is not gone.
    "DeviceTokenNotForTopic": (Reason.RECIPIENT_REFUSED, "The device token belongs to another app."),
    "DuplicateHeaders": (Reason.PROVIDER_ERROR, "APNs refuses the request."),
    "InvalidPushType": (Reason.CONTENT_REFUSED, "APNs refuses the push type."),
    "MissingDeviceToken": (Reason.ADDRESS_INVALID, "The device token is missing."),
    "MissingTopic": (Reason.SENDER_REFUSED, "APNs misses the topic: look at the instance's `topics`."),
    "PayloadEmpty": (Reason.CONTENT_REFUSED, "The message is empty."),
    "TopicDisallowed": (Reason.SENDER_REFUSED, "The team may not send to this topic."),
    "ExpiredToken": (Reason.DEVICE_GONE, "The device token has expired."),
    "Unregistered": (Reason.DEVICE_GONE, "The app is no longer installed there."),
    "PayloadTooLarge": (Reason.TOO_LARGE, "APNs takes no message of this size."),
}
"""This message will never go to this device."""

_OUR_SETUP: Final = {
    "BadCertificate",
    "BadCertificateEnvironment",
    "BadEnvironmentKeyIdInToken",
    "ExpiredProviderToken",
    "Forbidden",
    "InvalidProviderToken",
    "MissingProviderToken",
    "UnrelatedKeyIdInToken",
}
"""The team, its key or the environment is at fault, not the message."""
_ABOUT_OUR_TOKEN: Final = {"ExpiredProviderToken", "InvalidProviderToken", "MissingProviderToken"}

_NOT_TAKEN: Final = {"IdleTimeout", "ServiceUnavailable", "Shutdown"}
"""The server or the connection ends; the message was not taken. IdleTimeout has status 400, and nothing to do with the message."""

_PATIENCE: Final = {
    # Documented: at most one token in 20 minutes. The one in use stays as it is, so it may be taken again soon.
    "TooManyProviderTokenUpdates",
    "TooManyRequests",
}

DOCUMENTED: Final = (
    _REJECTED.keys()
    | _OUR_SETUP
    | _NOT_TAKEN
    | _PATIENCE
    | {
        "BadPath",
        "MethodNotAllowed",
        "InternalServerError",
    }
)
"""Every reason that the page names."""


def token_refused(error: ApnsError) -> bool:
    """Whether another provider token may help."""
    return error.status == 403 and error.reason in _ABOUT_OUR_TOKEN


def answer_of(error: ApnsError) -> Answer:
    """What the error means. APNs names no time after which to come back."""
    code = error.reason or f"HTTP {error.status}"
    if error.reason in _REJECTED:
        reason, detail = _REJECTED[error.reason]
        since = error.gone_since if reason is Reason.DEVICE_GONE else None
        return Rejected(reason=reason, code=code, detail=detail, since=since)
    if error.reason in _PATIENCE or error.status == 429:
        return Throttled(code=code, detail="APNs asks for patience.")
    if error.reason in _OUR_SETUP or error.status == 403:
        detail = "APNs refuses the team's key, or its environment."
        return NotSent(reason=Reason.CREDENTIALS_REFUSED, code=code, detail=detail)
    if error.reason in _NOT_TAKEN or error.status == 503:
        detail = "APNs is unavailable."
        return NotSent(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)
    return _by_status(error, code)


def _by_status(error: ApnsError, code: str) -> Answer:
    match error.status:
        case 410:
            detail, since = "The device token is not in use any more.", error.gone_since
            return Rejected(reason=Reason.DEVICE_GONE, code=code, detail=detail, since=since)
        case 413:
            detail = "APNs takes no message of this size."
            return Rejected(reason=Reason.TOO_LARGE, code=code, detail=detail)
        case 400:
            return Rejected(reason=Reason.CONTENT_REFUSED, code=code, detail="APNs refuses the request.")
        case status if 300 <= status < 500:  # BadPath, MethodNotAllowed: it is not APNs that we talk to
            detail = "The endpoint does not lead to APNs: look at `base_url`."
            return NotSent(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)
        case _:  # InternalServerError, and gateways: it may be on its way
            detail = "Nobody knows whether APNs has the message."
            return Ambiguous(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)
