"""What FCM's errors mean, read from bodies as Google writes them."""

import json
from typing import Any

import pytest

from tocsin.channel import Ambiguous, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_push.fcm_errors import answer_of, read


def body(
    http: int, status: str, fcm: str | None = None, *, message: str = "", fields: tuple[str, ...] = ()
) -> bytes:
    details: list[dict[str, Any]] = []
    if fcm:
        details.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": fcm})
    if fields:
        violations = [{"field": field, "description": message} for field in fields]
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations})
    return json.dumps(
        {"error": {"code": http, "message": message, "status": status, "details": details}}
    ).encode()


WORDS = "The registration token is not a valid FCM registration token"


@pytest.mark.parametrize(
    ("http", "content", "kind", "reason", "code"),
    [
        (404, body(404, "NOT_FOUND", "UNREGISTERED"), Rejected, Reason.DEVICE_GONE, "UNREGISTERED"),
        (404, body(404, "NOT_FOUND"), NotSent, Reason.PROVIDER_ERROR, "NOT_FOUND"),
        (404, b"<html>not here</html>", NotSent, Reason.PROVIDER_ERROR, "HTTP 404"),
        (400, body(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", message=WORDS), Rejected, Reason.ADDRESS_INVALID, "INVALID_ARGUMENT"),
        (400, body(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", fields=("message.token",)), Rejected, Reason.ADDRESS_INVALID, "INVALID_ARGUMENT"),
        (400, body(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", fields=("message.data[0].value",)), Rejected, Reason.CONTENT_REFUSED, "INVALID_ARGUMENT"),
        (400, body(400, "INVALID_ARGUMENT", message="Request contains an invalid argument."), Rejected, Reason.CONTENT_REFUSED, "INVALID_ARGUMENT"),
        (400, body(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", message="Android message is too big"), Rejected, Reason.TOO_LARGE, "INVALID_ARGUMENT"),
        (400, body(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", message="Message is too big.", fields=("message",)), Rejected, Reason.TOO_LARGE, "INVALID_ARGUMENT"),
        (400, b"", Rejected, Reason.CONTENT_REFUSED, "HTTP 400"),
        (403, body(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"), Rejected, Reason.RECIPIENT_REFUSED, "SENDER_ID_MISMATCH"),
        (403, body(403, "PERMISSION_DENIED"), NotSent, Reason.CREDENTIALS_REFUSED, "PERMISSION_DENIED"),
        (401, body(401, "UNAUTHENTICATED"), NotSent, Reason.CREDENTIALS_REFUSED, "UNAUTHENTICATED"),
        (401, body(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"), NotSent, Reason.CREDENTIALS_REFUSED, "THIRD_PARTY_AUTH_ERROR"),
        (429, body(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), Throttled, None, "QUOTA_EXCEEDED"),
        (429, body(429, "RESOURCE_EXHAUSTED"), Throttled, None, "RESOURCE_EXHAUSTED"),
        (429, b"slow down", Throttled, None, "HTTP 429"),
        (503, body(503, "UNAVAILABLE", "UNAVAILABLE"), NotSent, Reason.PROVIDER_ERROR, "UNAVAILABLE"),
        (500, body(500, "INTERNAL", "INTERNAL"), Ambiguous, Reason.PROVIDER_ERROR, "INTERNAL"),
        (502, b"<!DOCTYPE html>", Ambiguous, Reason.PROVIDER_ERROR, "HTTP 502"),
        (200, b"<html>welcome</html>", Ambiguous, Reason.PROVIDER_ERROR, "HTTP 200"),
        (302, b"", NotSent, Reason.PROVIDER_ERROR, "HTTP 302"),
    ],
)  # fmt: skip
def test_errors(http: int, content: bytes, kind: type, reason: Reason | None, code: str) -> None:
    answer = answer_of(read(http, content), retry_after=None)
    assert type(answer) is kind
    assert getattr(answer, "reason", None) == reason
    assert getattr(answer, "code", None) == code


@pytest.mark.parametrize(
    "content",
    [b"[]", b"{}", b'{"error": null}', b'{"error": {"details": [{"@type": 1, "errorCode": 2}]}}', b"\xff"],
)
def test_bodies_of_other_shapes_are_errors_without_a_code(content: bytes) -> None:
    assert isinstance(answer_of(read(500, content), retry_after=None), Ambiguous)


def test_a_quota_without_a_pause_is_left_alone_for_a_minute() -> None:
    error = read(429, body(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"))
    for given, pause in ((None, 60.0), (5.0, 5.0)):
        answer = answer_of(error, retry_after=given)
        assert isinstance(answer, Throttled)
        assert answer.retry_after == pause
