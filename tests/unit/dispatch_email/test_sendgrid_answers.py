"""What SendGrid's answers mean."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from tocsin.channel import Accepted, Ambiguous, NotSent, Rejected, Throttled
from tocsin.channel.http import retry_after
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_email.http_provider import MailResponse
from tocsin.dispatch_email.sendgrid_answers import answer_of, fields, pause

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MOMENT = int(NOW.timestamp())


def about(*names: str | None) -> bytes:
    return json.dumps({"errors": [{"message": "ada@example.org", "field": name} for name in names]}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (202, b"", Accepted, None),
        (200, b"", Ambiguous, Reason.PROVIDER_ERROR),
        (204, b"", Ambiguous, Reason.PROVIDER_ERROR),
        (302, b"", NotSent, Reason.PROVIDER_ERROR),
        (400, about("personalizations.0.to.0.email"), Rejected, Reason.ADDRESS_INVALID),
        (400, about("personalizations.0.to"), Rejected, Reason.ADDRESS_INVALID),
        (400, about("subject", "personalizations.0.to.0.email"), Rejected, Reason.ADDRESS_INVALID),
        (400, about("personalizations"), Rejected, Reason.CONTENT_REFUSED),
        (400, about("from.email"), Rejected, Reason.CONTENT_REFUSED),
        (400, about("reply_to"), Rejected, Reason.CONTENT_REFUSED),
        (400, about("content.0.value"), Rejected, Reason.CONTENT_REFUSED),
        (400, about(None), Rejected, Reason.CONTENT_REFUSED),
        (400, b"<html>Bad Request</html>", NotSent, Reason.PROVIDER_ERROR),
        (400, b"{}", NotSent, Reason.PROVIDER_ERROR),
        (401, about(None), NotSent, Reason.CREDENTIALS_REFUSED),
        (401, b"", NotSent, Reason.CREDENTIALS_REFUSED),
        (403, about(None), NotSent, Reason.CREDENTIALS_REFUSED),
        (403, about("from"), NotSent, Reason.SENDER_REFUSED),
        (403, about("from.email"), NotSent, Reason.SENDER_REFUSED),
        (404, about(None), NotSent, Reason.PROVIDER_ERROR),
        (405, about(None), NotSent, Reason.PROVIDER_ERROR),
        (413, about(None), Rejected, Reason.TOO_LARGE),
        (415, about(None), Rejected, Reason.CONTENT_REFUSED),
        (429, about(None), Throttled, None),
        (500, about(None), Ambiguous, Reason.PROVIDER_ERROR),
        (502, b"<html>Bad Gateway</html>", Ambiguous, Reason.PROVIDER_ERROR),
        (503, about(None), Ambiguous, Reason.PROVIDER_ERROR),
        (504, b"", Ambiguous, Reason.PROVIDER_ERROR),
    ],
)
def test_answers(status: int, body: bytes, kind: type, reason: Reason | None) -> None:
    answer = answer_of(status, body, retry_after=3.0)
    assert type(answer) is kind
    assert getattr(answer, "reason", None) == reason
    assert answer.code == (None if status == 202 else f"HTTP {status}")
    assert "ada" not in repr(answer)


def test_patience_is_passed_on() -> None:
    answer = answer_of(429, b"", retry_after=3.0)
    assert isinstance(answer, Throttled)
    assert answer.retry_after == 3.0


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("14c5d75ce93.dfd.64b469", "14c5d75ce93.dfd.64b469"),
        ("", None),
        (None, None),
        ("two words", None),
        ("a" * 201, None),
    ],
)
def test_its_id_of_the_message(given: str | None, kept: str | None) -> None:
    assert answer_of(202, b"", given_id=given) == Accepted(message_id=kept)


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b'{"errors": null}', b'{"errors": [{"field": 1}]}', b"[" * 100_000]
)
def test_what_is_no_error_of_sendgrids_is_known(body: bytes) -> None:
    assert fields(body) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "12"}, 12.0),
        ({"Retry-After": format_datetime(NOW + timedelta(seconds=9), usegmt=True)}, 9.0),
        ({"Retry-After": "12", "X-RateLimit-Reset": str(MOMENT + 5)}, 12.0),
        ({"X-RateLimit-Reset": str(MOMENT + 5)}, 5.0),
        ({"X-RateLimit-Reset": str(MOMENT - 5)}, 0.0),
        ({"X-RateLimit-Reset": str(MOMENT + 90_000)}, 3600.0),
        ({"X-RateLimit-Reset": "40"}, 40.0),
        ({"X-RateLimit-Reset": "9" * 100}, 3600.0),
        ({"X-RateLimit-Reset": "soon"}, None),
        ({"X-RateLimit-Reset": "-5"}, None),
        ({"X-RateLimit-Reset": "²"}, None),
    ],
)
def test_how_long_it_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    response = httpx.Response(429, headers={name.encode(): value.encode() for name, value in headers.items()})
    asked = retry_after(response, now=NOW)
    answer = MailResponse(status=429, headers=response.headers, body=b"", retry_after=asked)
    assert pause(answer, now=NOW) == seconds
