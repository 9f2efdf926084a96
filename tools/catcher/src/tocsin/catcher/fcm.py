"""The FCM endpoint: `POST /v1/projects/{project}/messages:send`, as Firebase documents it.

Some registration tokens say how the device is: `unregistered-…`, `quota-exceeded-…`, `unavailable-…`, `internal-…`
and `invalid-…` are answered with the error of that name; every other token reaches its device.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from .fcm_payload import Violation, violations
from .google_oauth import TokenEndpoint
from .mailbox import Mailbox
from .messages import Push, uuid_or_none

_FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_SCOPES = {
    "https://www.googleapis.com/auth/firebase.messaging",
    "https://www.googleapis.com/auth/cloud-platform",
}


@dataclass(frozen=True)
class FcmRefusal:
    """An error as google.rpc.Status shapes it."""

    http_status: int
    status: str
    message: str
    details: tuple[Mapping[str, Any], ...] = ()
    retry_after: int | None = None

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        error: dict[str, Any] = {"code": self.http_status, "message": self.message, "status": self.status}
        if self.details:
            error["details"] = [dict(detail) for detail in self.details]
        return {"error": error}


def _fcm_error(code: str) -> dict[str, Any]:
    return {"@type": _FCM_ERROR, "errorCode": code}


_DEVICES = {
    "unregistered-": FcmRefusal(
        404, "NOT_FOUND", "Requested entity was not found.", (_fcm_error("UNREGISTERED"),)
    ),
    "quota-exceeded-": FcmRefusal(
        429,
        "RESOURCE_EXHAUSTED",
        "Resource has been exhausted.",
        (_fcm_error("QUOTA_EXCEEDED"),),
        retry_after=60,
    ),
    "unavailable-": FcmRefusal(
        503,
        "UNAVAILABLE",
        "The service is currently unavailable.",
        (_fcm_error("UNAVAILABLE"),),
        retry_after=1,
    ),
    "internal-": FcmRefusal(500, "INTERNAL", "Internal error encountered.", (_fcm_error("INTERNAL"),)),
    "invalid-": FcmRefusal(
        400,
        "INVALID_ARGUMENT",
        "The registration token is not a valid FCM registration token",
        (
            _fcm_error("INVALID_ARGUMENT"),
            {
                "@type": _BAD_REQUEST,
                "fieldViolations": [{"field": "message.token", "description": "Invalid registration token"}],
            },
        ),
    ),
}
_UNAUTHENTICATED = FcmRefusal(
    401,
    "UNAUTHENTICATED",
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
    ({"@type": _ERROR_INFO, "reason": "ACCESS_TOKEN_EXPIRED", "domain": "googleapis.com"},),
)


class FcmEndpoint:
    """One project: the one given, or that of the account the access token was issued to."""

    def __init__(
        self, *, mailbox: Mailbox, tokens: TokenEndpoint, project: str | None, now: Callable[[], datetime]
    ) -> None:
        self._mailbox = mailbox
        self._tokens = tokens
        self._project = project
        self._now = now

    def send(
        self, *, project: str, payload: object, headers: Mapping[str, str]
    ) -> dict[str, Any] | FcmRefusal:
        """`{"name": …}`, or why not. Ids come from `message.data["tocsin_…"]` or `X-Tocsin-` headers."""
        refusal = self._unauthorized(project, headers.get("authorization", ""))
        if refusal is not None:
            return refusal
        faults = violations(payload)
        if faults:
            return _invalid_argument(faults)
        assert isinstance(payload, dict)  # noqa: S101 violations() has just said so; mypy cannot know
        message = payload["message"]
        for prefix, answer in _DEVICES.items():
            if message.get("token", "").startswith(prefix):
                return answer
        name = f"projects/{project}/messages/{uuid4().int % 10**16:016d}"
        if not payload.get("validate_only"):
            self._mailbox.add(self._caught(message, project=project, name=name, headers=headers))
        return {"name": name}

    def _unauthorized(self, project: str, authorization: str) -> FcmRefusal | None:
        scheme, _, token = authorization.partition(" ")
        grant = self._tokens.granted(token.strip()) if scheme.lower() == "bearer" else None
        if grant is None:
            return _UNAUTHENTICATED
        if not grant.scopes & _SCOPES:
            reason = {
                "@type": _ERROR_INFO,
                "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
                "domain": "googleapis.com",
            }
            words = "Request had insufficient authentication scopes."
            return FcmRefusal(403, "PERMISSION_DENIED", words, (reason,))
        if project != (self._project or grant.project):
            words = (
                "Permission 'cloudmessaging.messages.create' denied on resource "
                f"'//cloudresourcemanager.googleapis.com/projects/{project}' (or it may not exist)."
            )
            reason = {"@type": _ERROR_INFO, "reason": "IAM_PERMISSION_DENIED", "domain": "fcm.googleapis.com"}
            return FcmRefusal(403, "PERMISSION_DENIED", words, (reason,))
        return None

    def _caught(
        self, message: dict[str, Any], *, project: str, name: str, headers: Mapping[str, str]
    ) -> Push:
        shown, data = message.get("notification", {}), message.get("data", {})
        token = message.get("token", "")
        return Push(
            provider="fcm",
            received_at=self._now(),
            to=token or message.get("topic") or message.get("condition", ""),
            sender=project,
            name=name,
            project=project,
            token=token,
            title=shown.get("title", ""),
            body=shown.get("body", ""),
            data=data,
            request=message,
            notification_id=uuid_or_none(data.get("tocsin_notification"))
            or uuid_or_none(headers.get("x-tocsin-notification")),
            delivery_id=uuid_or_none(data.get("tocsin_delivery"))
            or uuid_or_none(headers.get("x-tocsin-delivery")),
        )


def _invalid_argument(faults: list[Violation]) -> FcmRefusal:
    fields = [{"field": violation.field, "description": violation.description} for violation in faults]
    details = (_fcm_error("INVALID_ARGUMENT"), {"@type": _BAD_REQUEST, "fieldViolations": fields})
    return FcmRefusal(400, "INVALID_ARGUMENT", faults[0].description, details)
