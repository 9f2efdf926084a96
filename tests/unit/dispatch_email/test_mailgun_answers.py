"""What Mailgun's answers mean."""

import json
from datetime import UTC, datetime

import pytest

from tocsin.channel import Accepted, Ambiguous, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_email.http_provider import MailResponse
from tocsin.dispatch_email.mailgun_answers import answer_of

NOW = datetime(2025, 8, 25, 7, 0, tzinfo=UTC)
LIMIT = "Domain mail.example.com is not allowed to send: recipient limit exceeded, try again after"
SANDBOX = "Domain sandbox1.mailgun.org is not allowed to send: Sandbox subdomains are for test purposes only."


def response(status: int, body: bytes, *, retry_after: float | None = None) -> MailResponse:
    return MailResponse(status=status, headers={}, body=body, retry_after=retry_after)


def said(text: str) -> bytes:
    return json.dumps({"message": f"{text} ada@example.org"}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (400, said("to parameter is not a valid address. please check documentation"), Rejected, Reason.ADDRESS_INVALID),
        (400, said("message: MIME string is missing"), Rejected, Reason.CONTENT_REFUSED),
        (400, said(SANDBOX), NotSent, Reason.CREDENTIALS_REFUSED),
        (400, said("from parameter is not a valid address. please check documentation"), Rejected, Reason.CONTENT_REFUSED),
        (400, said("'from' parameter is not a valid address"), Rejected, Reason.CONTENT_REFUSED),
        (400, b"<html>Bad Request</html>", NotSent, Reason.PROVIDER_ERROR),
        (400, b"{}", NotSent, Reason.PROVIDER_ERROR),
        (400, b'{"message": ""}', NotSent, Reason.PROVIDER_ERROR),
        (420, said(f"{LIMIT} Mon, 25 Aug 2025 07:00:31 UTC"), Throttled, None),
        (420, b"", Throttled, None),
        (400, said(f"{LIMIT} Mon, 25 Aug 2025 07:00:31 UTC"), Throttled, None),
        (401, b"Forbidden", NotSent, Reason.CREDENTIALS_REFUSED),
        (401, said("Invalid private key"), NotSent, Reason.CREDENTIALS_REFUSED),
        (402, said("Request failed"), NotSent, Reason.CREDENTIALS_REFUSED),
        (403, said(SANDBOX), NotSent, Reason.CREDENTIALS_REFUSED),
        (403, b"", NotSent, Reason.CREDENTIALS_REFUSED),
        (404, said("Domain not found: mail.example.com"), NotSent, Reason.PROVIDER_ERROR),
        (405, b"", NotSent, Reason.PROVIDER_ERROR),
        (413, said("Payload too large"), Rejected, Reason.TOO_LARGE),
        (302, b"", NotSent, Reason.PROVIDER_ERROR),
        (429, said("Too many requests"), Throttled, None),
        (200, b"", Ambiguous, Reason.PROVIDER_ERROR),
        (200, b'{"id": "", "message": "Queued. Thank you."}', Ambiguous, Reason.PROVIDER_ERROR),
        (200, b'{"id": 1}', Ambiguous, Reason.PROVIDER_ERROR),
        (202, b'{"id": "<a@b.example>"}', Ambiguous, Reason.PROVIDER_ERROR),
        (500, said("Internal Server Error"), Ambiguous, Reason.PROVIDER_ERROR),
        (502, b"<html>Bad Gateway</html>", Ambiguous, Reason.PROVIDER_ERROR),
        (503, b"", Ambiguous, Reason.PROVIDER_ERROR),
        (504, b"", Ambiguous, Reason.PROVIDER_ERROR),
    ],
)  # fmt: skip
def test_answers(status: int, body: bytes, kind: type, reason: Reason | None) -> None:
    answer = answer_of(response(status, body, retry_after=3.0), now=NOW)
    assert type(answer) is kind
    assert getattr(answer, "reason", None) == reason
    assert answer.code == f"HTTP {status}"
    assert "ada" not in repr(answer)
    if isinstance(answer, Throttled):
        assert answer.retry_after == 3.0


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Mon, 25 Aug 2025 07:00:31 UTC", 31.0),
        ("Mon, 25 Aug 2025 06:00:00 UTC", 0.0),
        ("Tue, 26 Aug 2025 07:00:00 UTC", 3600.0),
        ("Mon, 25 Aug 2025 07:00:31", None),
        ("a while", None),
    ],
)
def test_a_limit_of_recipients_says_until_when(date: str, seconds: float | None) -> None:
    body = json.dumps({"message": f"{LIMIT} {date}"}).encode()
    answer = answer_of(response(420, body), now=NOW)
    assert answer == Throttled(code="HTTP 420", detail="Mailgun asks for patience.", retry_after=seconds)


def test_what_mailgun_says_of_a_sender_does_not_blame_the_recipient() -> None:
    answer = answer_of(response(400, said("from parameter is not a valid address")), now=NOW)
    assert isinstance(answer, Rejected)
    assert answer.detail == "Mailgun refuses the sender's address or name."


@pytest.mark.parametrize("given", ["<1.2@mail.example.com>", "1.2@mail.example.com"])
def test_its_id_of_the_message(given: str) -> None:
    body = json.dumps({"id": given, "message": "Queued. Thank you."}).encode()
    assert answer_of(response(200, body), now=NOW) == Accepted(message_id="1.2@mail.example.com")
