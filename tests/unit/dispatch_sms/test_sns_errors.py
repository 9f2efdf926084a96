"""What the errors of SNS's `Publish` mean: each that botocore's model of the service lists."""

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from tocsin.channel import Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_sms.sns_errors import answer_of

SERVICE = ServiceModel(Loader().load_service_model("sns", "service-2"), "sns")
PUBLISH = SERVICE.operation_model("Publish")

EXPECTED: dict[str, tuple[type, Reason | None]] = {
    "AuthorizationError": (NotSent, Reason.CREDENTIALS_REFUSED),
    "EndpointDisabled": (Rejected, Reason.PROVIDER_ERROR),
    "InternalError": (Ambiguous, Reason.PROVIDER_ERROR),
    "InvalidParameter": (Rejected, Reason.CONTENT_REFUSED),
    "InvalidSecurity": (NotSent, Reason.CREDENTIALS_REFUSED),
    "KMSAccessDenied": (Rejected, Reason.PROVIDER_ERROR),
    "KMSDisabled": (Rejected, Reason.PROVIDER_ERROR),
    "KMSInvalidState": (Rejected, Reason.PROVIDER_ERROR),
    "KMSNotFound": (Rejected, Reason.PROVIDER_ERROR),
    "KMSOptInRequired": (NotSent, Reason.CREDENTIALS_REFUSED),
    "KMSThrottling": (Throttled, None),
    "NotFound": (NotSent, Reason.PROVIDER_ERROR),
    "ParameterValueInvalid": (Rejected, Reason.CONTENT_REFUSED),
    "PlatformApplicationDisabled": (Rejected, Reason.PROVIDER_ERROR),
    "ValidationException": (Rejected, Reason.CONTENT_REFUSED),
}
"""Those of Publish, by their code on the wire."""


def error(code: str, message: str = "…") -> bytes:
    inner = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    return f'<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">{inner}</ErrorResponse>'.encode()


def judged(answer: Answer) -> tuple[type, Reason | None]:
    return type(answer), getattr(answer, "reason", None)


def errors_of_the_model() -> dict[str, int]:
    """Code and HTTP status of each error of Publish."""
    return {
        shape.error_code: shape.metadata.get("error", {}).get("httpStatusCode", 400)
        for shape in PUBLISH.error_shapes
    }


def test_the_model_lists_no_other_error() -> None:
    assert set(errors_of_the_model()) == set(EXPECTED)


@pytest.mark.parametrize(("code", "status"), errors_of_the_model().items())
def test_each_error_of_the_model(code: str, status: int) -> None:
    answer = answer_of(status, error(code), retry_after=3.0)
    assert judged(answer) == EXPECTED[code]
    assert getattr(answer, "code", None) == code


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "Invalid parameter: PhoneNumber Reason: +4915112345678 is not valid to publish to",
            (Rejected, Reason.ADDRESS_INVALID),
        ),
        ("Invalid parameter: Message too long", (Rejected, Reason.CONTENT_REFUSED)),
        (
            "Invalid parameter: AWS.SNS.SMS.SenderID Reason: not registered",
            (NotSent, Reason.SENDER_REFUSED),
        ),
        (
            "Invalid parameter: AWS.MM.SMS.OriginationNumber Reason: not yours",
            (NotSent, Reason.SENDER_REFUSED),
        ),
    ],
)
def test_an_invalid_parameter_tells_whose_fault_it_is(message: str, expected: tuple[type, Reason]) -> None:
    assert judged(answer_of(400, error("InvalidParameter", message), retry_after=None)) == expected


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "OptedOut", (Rejected, Reason.RECIPIENT_STOPPED)),
        (400, "Throttling", (Throttled, None)),
        (429, "Throttled", (Throttled, None)),
        (403, "InvalidClientTokenId", (NotSent, Reason.CREDENTIALS_REFUSED)),
        (403, "SignatureDoesNotMatch", (NotSent, Reason.CREDENTIALS_REFUSED)),
        (403, "ExpiredToken", (NotSent, Reason.CREDENTIALS_REFUSED)),
        (403, "AccessDenied", (NotSent, Reason.CREDENTIALS_REFUSED)),
        (503, "ServiceUnavailable", (Ambiguous, Reason.PROVIDER_ERROR)),
        (500, "InternalFailure", (Ambiguous, Reason.PROVIDER_ERROR)),
        (400, "InvalidAction", (Rejected, Reason.PROVIDER_ERROR)),
    ],
)
def test_errors_of_every_api(status: int, code: str, expected: tuple[type, Reason | None]) -> None:
    assert judged(answer_of(status, error(code), retry_after=None)) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, (Ambiguous, Reason.PROVIDER_ERROR)),
        (302, (NotSent, Reason.PROVIDER_ERROR)),
        (404, (NotSent, Reason.PROVIDER_ERROR)),
        (502, (Ambiguous, Reason.PROVIDER_ERROR)),
    ],
)
def test_a_page_of_something_else(status: int, expected: tuple[type, Reason | None]) -> None:
    answer = answer_of(status, b"<html>Welcome</html>", retry_after=None)
    assert judged(answer) == expected
    assert getattr(answer, "code", None) == f"HTTP {status}"
