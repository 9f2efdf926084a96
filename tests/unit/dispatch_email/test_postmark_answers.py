"""What Postmark's answers mean, code by code (https://postmarkapp.com/developer/api/overview#error-codes)."""

import json

import pytest

from tocsin.channel import Accepted, Ambiguous, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_email.http_provider import MailResponse
from tocsin.dispatch_email.postmark_answers import answer_of

TO = "Error parsing 'To': Illegal email address"
FROM = "Error parsing 'From': Illegal email address"


def response(status: int, body: bytes, *, retry_after: float | None = None) -> MailResponse:
    return MailResponse(status=status, headers={}, body=body, retry_after=retry_after)


def error(code: int, text: str = "") -> bytes:
    return json.dumps({"ErrorCode": code, "Message": f"{text} ada@example.org"}).encode()


@pytest.mark.parametrize(
    ("status", "code", "text", "kind", "reason"),
    [
        (401, 10, "", NotSent, Reason.CREDENTIALS_REFUSED),  # Bad or missing API token
        (503, 100, "", NotSent, Reason.PROVIDER_ERROR),  # Maintenance
        (422, 300, "", Rejected, Reason.CONTENT_REFUSED),  # Invalid email request
        (422, 300, TO, Rejected, Reason.ADDRESS_INVALID),
        (422, 300, FROM, Rejected, Reason.CONTENT_REFUSED),
        (422, 400, "", NotSent, Reason.SENDER_REFUSED),  # Sender Signature not found
        (422, 401, "", NotSent, Reason.SENDER_REFUSED),  # Sender Signature not confirmed
        (422, 402, "", Rejected, Reason.PROVIDER_ERROR),  # Invalid JSON
        (422, 403, "", Rejected, Reason.PROVIDER_ERROR),  # Incompatible JSON
        (422, 405, "", NotSent, Reason.CREDENTIALS_REFUSED),  # Not allowed to send
        (422, 406, "", Rejected, Reason.PROVIDER_SUPPRESSED),  # Inactive recipient
        (422, 409, "", Rejected, Reason.PROVIDER_ERROR),  # JSON required
        (422, 410, "", Rejected, Reason.CONTENT_REFUSED),  # Too many batch messages
        (422, 411, "", Rejected, Reason.CONTENT_REFUSED),  # Forbidden attachment type
        (422, 412, "", NotSent, Reason.CREDENTIALS_REFUSED),  # Account is pending
        (422, 413, "", NotSent, Reason.CREDENTIALS_REFUSED),  # Account may not send
        (429, 429, "", Throttled, None),  # Rate limit exceeded
        (422, 429, "", Throttled, None),
        (422, 1226, "", NotSent, Reason.PROVIDER_ERROR),  # The message stream was not found
        (422, 1235, "", NotSent, Reason.PROVIDER_ERROR),
        (422, 9999, "", Rejected, Reason.CONTENT_REFUSED),
        (200, 400, "", Ambiguous, Reason.PROVIDER_ERROR),
        (200, 10, "", Ambiguous, Reason.PROVIDER_ERROR),
        (200, 100, "", Ambiguous, Reason.PROVIDER_ERROR),
        (200, 429, "", Ambiguous, Reason.PROVIDER_ERROR),
        (500, 400, "", Ambiguous, Reason.PROVIDER_ERROR),
        (502, 1235, "", Ambiguous, Reason.PROVIDER_ERROR),
        (500, 100, "", NotSent, Reason.PROVIDER_ERROR),
        (200, 406, "", Ambiguous, Reason.PROVIDER_ERROR),
        (500, 500, "", Ambiguous, Reason.PROVIDER_ERROR),
    ],
)
def test_codes(status: int, code: int, text: str, kind: type, reason: Reason | None) -> None:
    answer = answer_of(response(status, error(code, text), retry_after=3.0))
    assert type(answer) is kind
    assert getattr(answer, "reason", None) == reason
    assert answer.code == str(code)
    assert "ada" not in repr(answer)
    if isinstance(answer, Throttled):
        assert answer.retry_after == 3.0


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (200, b"", Ambiguous, Reason.PROVIDER_ERROR),
        (200, b'{"ErrorCode": 0}', Ambiguous, Reason.PROVIDER_ERROR),
        (200, b'{"MessageID": "a"}', Ambiguous, Reason.PROVIDER_ERROR),
        (200, b'{"ErrorCode": 0, "MessageID": "two words"}', Ambiguous, Reason.PROVIDER_ERROR),
        (202, b"", Ambiguous, Reason.PROVIDER_ERROR),
        (302, b"", NotSent, Reason.PROVIDER_ERROR),
        (401, b"", NotSent, Reason.CREDENTIALS_REFUSED),
        (403, b"<html>Forbidden</html>", NotSent, Reason.PROVIDER_ERROR),
        (404, b"", NotSent, Reason.PROVIDER_ERROR),
        (413, b"", Rejected, Reason.TOO_LARGE),
        (415, b"", NotSent, Reason.PROVIDER_ERROR),
        (400, b"<html>Bad Request</html>", NotSent, Reason.PROVIDER_ERROR),
        (422, b"<html>", NotSent, Reason.PROVIDER_ERROR),
        (422, b"{}", NotSent, Reason.PROVIDER_ERROR),
        (429, b"", Throttled, None),
        (500, b"", Ambiguous, Reason.PROVIDER_ERROR),
        (502, b"<html>Bad Gateway</html>", Ambiguous, Reason.PROVIDER_ERROR),
        (503, b"<html>Service Unavailable</html>", Ambiguous, Reason.PROVIDER_ERROR),
        (504, b"", Ambiguous, Reason.PROVIDER_ERROR),
    ],
)
def test_answers_without_a_code(status: int, body: bytes, kind: type, reason: Reason | None) -> None:
    answer = answer_of(response(status, body))
    assert type(answer) is kind
    assert getattr(answer, "reason", None) == reason
    assert answer.code == f"HTTP {status}"


def test_its_id_of_the_message() -> None:
    body = b'{"ErrorCode": 0, "Message": "OK", "MessageID": "b7bc2f4a-e38e-4336-af7d-e6c392c2f817"}'
    assert answer_of(response(200, body)) == Accepted(message_id="b7bc2f4a-e38e-4336-af7d-e6c392c2f817")
