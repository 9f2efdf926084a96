"""What SES's answers mean; that no error is left out is judged by botocore's model of the API."""

import json

import botocore.session
import pytest

from tocsin.channel import Accepted, Ambiguous, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_email.http_provider import MailResponse
from tocsin.dispatch_email.ses_answers import answer_of

NOT_VERIFIED = "Email address is not verified. The following identities failed the check in region EU-WEST-1: shop@example.com"
FORBIDDEN = "User is not authorized to perform `ses:SendEmail' on resource `arn:aws:ses:eu-west-1:1:identity/example.com'"
Row = tuple[int, str | None, str, type, Reason | None]

OF_SEND_EMAIL: list[Row] = [
    (400, "AccountSuspendedException", "", NotSent, Reason.CREDENTIALS_REFUSED),
    (400, "BadRequestException", "", Rejected, Reason.CONTENT_REFUSED),
    (400, "LimitExceededException", "", NotSent, Reason.PROVIDER_ERROR),
    (400, "MailFromDomainNotVerifiedException", "", NotSent, Reason.SENDER_REFUSED),
    (400, "MessageRejected", "", Rejected, Reason.CONTENT_REFUSED),
    (404, "NotFoundException", "", NotSent, Reason.PROVIDER_ERROR),
    (400, "SendingPausedException", "", NotSent, Reason.CREDENTIALS_REFUSED),
    (429, "TooManyRequestsException", "", Throttled, None),
]
OF_ALL_ACTIONS: list[Row] = [
    (400, "AccessDeniedException", "", NotSent, Reason.CREDENTIALS_REFUSED),
    (403, "AccessDeniedException", "", NotSent, Reason.CREDENTIALS_REFUSED),
    (403, "AccessDeniedException", FORBIDDEN, NotSent, Reason.SENDER_REFUSED),
    (403, "ExpiredTokenException", "", NotSent, Reason.CREDENTIALS_REFUSED),
    (400, "ExpiredTokenException", "", NotSent, Reason.CREDENTIALS_REFUSED),
    (400, "IncompleteSignature", "", NotSent, Reason.CREDENTIALS_REFUSED),
    (403, "InvalidClientTokenId", "", NotSent, Reason.CREDENTIALS_REFUSED),
    (403, "InvalidSignatureException", "", NotSent, Reason.CREDENTIALS_REFUSED),
    (403, "MissingAuthenticationTokenException", "", NotSent, Reason.CREDENTIALS_REFUSED),
    (401, "NotAuthorized", "", NotSent, Reason.CREDENTIALS_REFUSED),
    (400, "NotAuthorized", "", NotSent, Reason.CREDENTIALS_REFUSED),
    (403, "OptInRequired", "", NotSent, Reason.CREDENTIALS_REFUSED),
    (400, "RequestExpired", "", NotSent, Reason.CREDENTIALS_REFUSED),
    (403, "SignatureDoesNotMatch", "", NotSent, Reason.CREDENTIALS_REFUSED),
    (403, "UnrecognizedClientException", "", NotSent, Reason.CREDENTIALS_REFUSED),
    (403, None, "", NotSent, Reason.CREDENTIALS_REFUSED),
    (400, "ThrottlingException", "Daily message quota exceeded", Throttled, None),
    (400, "Throttling", "Maximum sending rate exceeded.", Throttled, None),
    (429, None, "", Throttled, None),
    (400, "MessageRejected", NOT_VERIFIED, NotSent, Reason.SENDER_REFUSED),
    (400, "BadRequestException", "Missing final '@domain'", Rejected, Reason.ADDRESS_INVALID),
    (400, "BadRequestException", "Illegal address", Rejected, Reason.ADDRESS_INVALID),
    (400, "InvalidParameterValue", "Local address contains illegal character", Rejected, Reason.ADDRESS_INVALID),
    (400, "BadRequestException", "From: Missing final '@domain'", Rejected, Reason.CONTENT_REFUSED),
    (400, "BadRequestException", "Illegal address in FromEmailAddress", Rejected, Reason.CONTENT_REFUSED),
    (400, "ValidationError", "", Rejected, Reason.PROVIDER_ERROR),
    (400, "MalformedHttpRequestException", "", Rejected, Reason.PROVIDER_ERROR),
    (400, None, "", NotSent, Reason.PROVIDER_ERROR),
    (413, "RequestEntityTooLargeException", "", Rejected, Reason.TOO_LARGE),
    (408, "RequestTimeoutException", "", NotSent, Reason.PROVIDER_ERROR),
    (404, "UnknownOperationException", "", NotSent, Reason.PROVIDER_ERROR),
    (302, None, "", NotSent, Reason.PROVIDER_ERROR),
    (500, "InternalFailure", "", Ambiguous, Reason.PROVIDER_ERROR),
    (500, "InternalServiceErrorException", "", Ambiguous, Reason.PROVIDER_ERROR),
    (502, None, "", Ambiguous, Reason.PROVIDER_ERROR),
    (503, "ServiceUnavailable", "", Ambiguous, Reason.PROVIDER_ERROR),
    (503, "ServiceUnavailableException", "", Ambiguous, Reason.PROVIDER_ERROR),
]  # fmt: skip


def response(
    status: int, body: bytes, *, error: str | None = None, retry_after: float | None = None
) -> MailResponse:
    headers = {} if error is None else {"x-amzn-errortype": error}
    return MailResponse(status=status, headers=headers, body=body, retry_after=retry_after)


@pytest.mark.parametrize(("status", "name", "text", "kind", "reason"), OF_SEND_EMAIL + OF_ALL_ACTIONS)
def test_answers(status: int, name: str | None, text: str, kind: type, reason: Reason | None) -> None:
    body = json.dumps({"message": f"{text} ada@example.org"}).encode()
    answer = answer_of(response(status, body, error=name, retry_after=3.0))
    assert type(answer) is kind
    assert getattr(answer, "reason", None) == reason
    assert answer.code == (name if name and status < 500 else f"HTTP {status}")
    assert "ada" not in repr(answer)
    if isinstance(answer, Throttled):
        assert answer.retry_after == 3.0


def test_the_table_has_every_error_that_the_api_declares() -> None:
    model = botocore.session.get_session().get_service_model("sesv2")
    declared = {
        (shape.metadata["error"]["httpStatusCode"], shape.name)
        for shape in model.operation_model("SendEmail").error_shapes
    }
    assert declared
    assert declared == {(status, name) for status, name, *_ in OF_SEND_EMAIL}


@pytest.mark.parametrize(
    ("error", "body"),
    [
        ("MessageRejected:http://internal.amazon.com/coral/com.amazonaws.ses/", b"{}"),
        ("com.amazonaws.ses#MessageRejected", b"{}"),
        (None, b'{"__type": "MessageRejected", "Message": "x"}'),
        (None, b'{"__type": "com.amazonaws.ses#MessageRejected"}'),
        (None, b'{"code": "MessageRejected"}'),
    ],
)
def test_an_errors_name_stands_in_one_of_three_places(error: str | None, body: bytes) -> None:
    assert answer_of(response(400, body, error=error)).code == "MessageRejected"


@pytest.mark.parametrize("body", [b"<html>Bad Request</html>", b"", b"Illegal address", b'{"error": "no"}'])
def test_a_400_that_is_none_of_ses_ends_no_message(body: bytes) -> None:
    answer = answer_of(response(400, body))
    assert isinstance(answer, NotSent)
    assert "base_url" in (answer.detail or "")


@pytest.mark.parametrize(
    ("status", "name", "text", "detail"),
    [
        (400, "MessageRejected", NOT_VERIFIED, "SES has not verified the sender's domain in this region, or the account is still in the sandbox."),
        (408, "RequestTimeoutException", "", "SES did not get the whole request in time."),
        (400, "BadRequestException", "From: Missing final '@domain'", "SES refuses the sender's address or name."),
    ],
)  # fmt: skip
def test_what_an_operator_reads(status: int, name: str, text: str, detail: str) -> None:
    body = json.dumps({"message": text}).encode()
    answer = answer_of(response(status, body, error=name))
    assert not isinstance(answer, Accepted)
    assert answer.detail == detail


def test_its_id_of_the_message() -> None:
    assert answer_of(response(200, b'{"MessageId": "010201-1"}')) == Accepted(message_id="010201-1")


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"[]", b"{}", b'{"MessageId": ""}', b'{"MessageId": 1}', b'{"MessageId": "two words"}', b"[" * 9999],
)  # fmt: skip
def test_a_200_without_an_id_is_ambiguous(body: bytes) -> None:
    assert type(answer_of(response(200, body))) is Ambiguous
    assert type(answer_of(response(202, b'{"MessageId": "1"}'))) is Ambiguous
