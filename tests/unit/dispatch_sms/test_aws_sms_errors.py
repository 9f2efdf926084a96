"""What the errors of `SendTextMessage` mean: each that botocore's model of the service lists, with each of its reasons."""

import json
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser

from tocsin.channel import Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_sms.aws_sms_errors import AwsSmsError, answer_of, read

NAME = "pinpoint-sms-voice-v2"
SERVICE = ServiceModel(Loader().load_service_model(NAME, "service-2"), NAME)
OPERATION = SERVICE.operation_model("SendTextMessage")

SPECIAL: dict[str, tuple[type, Reason]] = {
    "DESTINATION_COUNTRY_BLOCKED": (Rejected, Reason.RECIPIENT_REFUSED),
    "DESTINATION_PHONE_NUMBER_NOT_VERIFIED": (Rejected, Reason.RECIPIENT_REFUSED),
    "DESTINATION_PHONE_NUMBER_OPTED_OUT": (Rejected, Reason.RECIPIENT_STOPPED),
    "INTERNATIONAL_SENDING_NOT_SUPPORTED": (Rejected, Reason.RECIPIENT_REFUSED),
    "INVALID_IDENTITY_FOR_DESTINATION_COUNTRY": (Rejected, Reason.RECIPIENT_REFUSED),
    "MAXIMUM_SIZE_EXCEEDED": (Rejected, Reason.TOO_LARGE),
    "NO_ORIGINATION_IDENTITIES_FOUND": (Rejected, Reason.RECIPIENT_REFUSED),
    "PRICE_OVER_THRESHOLD": (Rejected, Reason.RECIPIENT_REFUSED),
    "MESSAGE_TYPE_MISMATCH": (NotSent, Reason.SENDER_REFUSED),
    "NUMBER_CAPABILITIES_MISMATCH": (NotSent, Reason.SENDER_REFUSED),
    "RESOURCE_NOT_ACTIVE": (NotSent, Reason.SENDER_REFUSED),
    "SENDER_ID_NOT_REGISTERED": (NotSent, Reason.SENDER_REFUSED),
    "SENDER_ID_NOT_SUPPORTED": (NotSent, Reason.SENDER_REFUSED),
    "SENDER_ID_REQUIRES_REGISTRATION": (NotSent, Reason.SENDER_REFUSED),
}
BY_EXCEPTION: dict[str, tuple[type, Reason | None]] = {
    "ThrottlingException": (Throttled, None),
    "ValidationException": (Rejected, Reason.PROVIDER_ERROR),
    "ConflictException": (Rejected, Reason.PROVIDER_ERROR),
    "AccessDeniedException": (NotSent, Reason.CREDENTIALS_REFUSED),
    "ServiceQuotaExceededException": (NotSent, Reason.CREDENTIALS_REFUSED),
    "ResourceNotFoundException": (NotSent, Reason.CREDENTIALS_REFUSED),
    "InternalServerException": (Ambiguous, Reason.PROVIDER_ERROR),
}


def error(code: str, **members: Any) -> bytes:
    body = {"__type": code, "Message": "Something about +4915112345678.", **members}
    return json.dumps(body).encode()


def judged(answer: Answer) -> tuple[type, Reason | None]:
    return type(answer), getattr(answer, "reason", None)


def every_error() -> list[tuple[str, str]]:
    """Each exception of the operation, alone and with each reason that the model knows."""
    found = []
    for shape in OPERATION.error_shapes:
        reasons = shape.members["Reason"].enum if "Reason" in shape.members else []
        found += [(shape.name, reason) for reason in ["", *reasons]]
    return found


def test_the_model_lists_no_other_exception() -> None:
    assert {shape.name for shape in OPERATION.error_shapes} == set(BY_EXCEPTION)
    assert {reason for _, reason in every_error()} >= set(SPECIAL)


@pytest.mark.parametrize(("code", "reason"), every_error())
def test_each_error_and_reason_of_the_model(code: str, reason: str) -> None:
    status = 500 if code == "InternalServerException" else 400
    body = error(code, Reason=reason) if reason else error(code)
    answer = answer_of(status, read(body), retry_after=3.0)
    assert judged(answer) == SPECIAL.get(reason, BY_EXCEPTION[code])
    assert getattr(answer, "code", None) == (reason or code)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("DestinationPhoneNumber", (Rejected, Reason.ADDRESS_INVALID)),
        ("OriginationIdentity", (NotSent, Reason.SENDER_REFUSED)),
        ("TimeToLive", (Rejected, Reason.PROVIDER_ERROR)),
    ],
)
def test_a_field_tells_whose_fault_it_is(field: str, expected: tuple[type, Reason]) -> None:
    fields = [{"Name": field, "Message": "…"}]
    body = error("ValidationException", Reason="FIELD_VALIDATION_FAILED", Fields=fields)
    assert judged(answer_of(400, read(body), retry_after=None)) == expected


@pytest.mark.parametrize("resource", ["phone-number", "sender-id", "pool"])
def test_a_sender_that_is_not_there_is_the_tenants_matter(resource: str) -> None:
    body = error("ResourceNotFoundException", ResourceType=resource, ResourceId="…")
    assert judged(answer_of(400, read(body), retry_after=None)) == (NotSent, Reason.SENDER_REFUSED)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "AccessDeniedException"),
        (400, "ExpiredTokenException"),
        (400, "IncompleteSignatureException"),
        (400, "InvalidSignatureException"),
        (400, "MissingAuthenticationTokenException"),
        (400, "NotAuthorized"),
        (403, "OptInRequired"),
        (400, "RequestExpired"),
        (400, "UnrecognizedClientException"),
        (403, ""),
    ],
)
def test_errors_of_every_api_about_credentials(status: int, code: str) -> None:
    answer = answer_of(status, read(error(code)), retry_after=None)
    assert judged(answer) == (NotSent, Reason.CREDENTIALS_REFUSED)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (429, "", (Throttled, None)),
        (503, "ServiceUnavailable", (Ambiguous, Reason.PROVIDER_ERROR)),
        (500, "InternalFailure", (Ambiguous, Reason.PROVIDER_ERROR)),
        (502, "", (Ambiguous, Reason.PROVIDER_ERROR)),
        (200, "", (Ambiguous, Reason.PROVIDER_ERROR)),
        (302, "", (NotSent, Reason.PROVIDER_ERROR)),
        (404, "", (NotSent, Reason.PROVIDER_ERROR)),
        (400, "UnknownOperationException", (Rejected, Reason.PROVIDER_ERROR)),
    ],
)
def test_other_answers(status: int, code: str, expected: tuple[type, Reason | None]) -> None:
    assert judged(answer_of(status, read(error(code)), retry_after=None)) == expected


@pytest.mark.parametrize(
    "said",
    [
        "ConflictException",
        "com.amazonaws.pinpointsmsvoicev2#ConflictException",
        "com.amazonaws.pinpointsmsvoicev2#ConflictException:http://internal.amazon.com/",
    ],
)
def test_the_exceptions_name_is_what_botocore_reads(said: str) -> None:
    body = error(said, Reason="DESTINATION_PHONE_NUMBER_OPTED_OUT")
    response = {"status_code": 400, "headers": {}, "body": body, "context": {}}
    parsed = create_parser("json").parse(response, OPERATION.output_shape)
    assert read(body).code == parsed["Error"]["Code"] == "ConflictException"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"__type": 7}'])
def test_a_page_of_something_else_has_no_code(body: bytes) -> None:
    assert read(body) == AwsSmsError()


def test_a_code_with_a_number_in_it_is_not_shown() -> None:
    assert read(error("Sent to +4915112345678", Reason="+4915112345678")) == AwsSmsError()
