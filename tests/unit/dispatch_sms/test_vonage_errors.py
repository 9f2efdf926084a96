"""What Vonage's errors mean: all of https://developer.vonage.com/en/api-errors/messages and the generic ones."""

import json

import pytest

from tocsin.channel import Ambiguous, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_sms.vonage_errors import VonageError, answer_of, read

MESSAGES = "https://developer.vonage.com/api-errors/messages"


@pytest.mark.parametrize(
    ("status", "code", "kind", "reason"),
    [
        (422, "1000", Throttled, None),
        (422, "1010", Rejected, Reason.PROVIDER_ERROR),
        (422, "1020", Rejected, Reason.PROVIDER_ERROR),
        (422, "1021", Rejected, Reason.PROVIDER_ERROR),
        (422, "1022", Rejected, Reason.PROVIDER_ERROR),
        (422, "1030", Ambiguous, Reason.PROVIDER_ERROR),
        (422, "1040", Rejected, Reason.ADDRESS_INVALID),
        (422, "1050", Rejected, Reason.RECIPIENT_REFUSED),
        (422, "1060", NotSent, Reason.CREDENTIALS_REFUSED),
        (422, "1070", NotSent, Reason.CREDENTIALS_REFUSED),
        (422, "1080", NotSent, Reason.CREDENTIALS_REFUSED),
        (422, "1090", Rejected, Reason.TOO_LARGE),
        (422, "1100", NotSent, Reason.PROVIDER_ERROR),
        (422, "1110", NotSent, Reason.CREDENTIALS_REFUSED),
        (422, "1120", NotSent, Reason.SENDER_REFUSED),
        (422, "1130", Rejected, Reason.PROVIDER_ERROR),
        (422, "1140", NotSent, Reason.CREDENTIALS_REFUSED),
        (422, "1150", Rejected, Reason.PROVIDER_ERROR),
        (422, "1160", Rejected, Reason.RECIPIENT_REFUSED),
        (422, "1170", Rejected, Reason.ADDRESS_INVALID),
        (422, "1180", NotSent, Reason.PROVIDER_ERROR),
        (422, "1190", Rejected, Reason.RECIPIENT_REFUSED),
        (422, "1200", Rejected, Reason.RECIPIENT_REFUSED),
        (422, "1210", Rejected, Reason.CONTENT_REFUSED),
        (422, "1220", NotSent, Reason.PROVIDER_ERROR),
        (422, "1230", NotSent, Reason.PROVIDER_ERROR),
        (422, "1240", Rejected, Reason.RECIPIENT_STOPPED),
        (422, "1241", Throttled, None),
        (422, "1250", Rejected, Reason.RECIPIENT_REFUSED),
        (422, "1260", Rejected, Reason.RECIPIENT_REFUSED),
        (422, "1270", Rejected, Reason.CONTENT_REFUSED),
        (422, "1280", Rejected, Reason.RECIPIENT_REFUSED),
        (422, "1290", Rejected, Reason.RECIPIENT_REFUSED),
        (422, "1300", Rejected, Reason.RECIPIENT_REFUSED),
        (422, "1310", Rejected, Reason.RECIPIENT_REFUSED),
        (422, "1320", Ambiguous, Reason.PROVIDER_ERROR),
        (422, "1330", Rejected, Reason.PROVIDER_ERROR),
        (422, "1331", NotSent, Reason.PROVIDER_ERROR),
        (422, "1340", Rejected, Reason.PROVIDER_ERROR),
        (422, "1360", Rejected, Reason.PROVIDER_ERROR),
        (401, "unauthorized", NotSent, Reason.CREDENTIALS_REFUSED),
        (401, "jwt-expired", NotSent, Reason.CREDENTIALS_REFUSED),
        (401, "jwt-revoked", NotSent, Reason.CREDENTIALS_REFUSED),
        (402, "low-balance", NotSent, Reason.CREDENTIALS_REFUSED),
        (402, None, NotSent, Reason.CREDENTIALS_REFUSED),
        (403, "forbidden", NotSent, Reason.CREDENTIALS_REFUSED),
        (403, "unprovisioned", NotSent, Reason.CREDENTIALS_REFUSED),
        (403, "account-suspended", NotSent, Reason.CREDENTIALS_REFUSED),
        (404, None, NotSent, Reason.PROVIDER_ERROR),
        (429, "throttled", Throttled, None),
        (429, None, Throttled, None),
        (301, None, NotSent, Reason.PROVIDER_ERROR),
        (500, None, Ambiguous, Reason.PROVIDER_ERROR),
        (502, None, Ambiguous, Reason.PROVIDER_ERROR),
        (503, None, Ambiguous, Reason.PROVIDER_ERROR),
        (202, None, Ambiguous, Reason.PROVIDER_ERROR),
    ],
)
def test_errors(status: int, code: str | None, kind: type, reason: Reason | None) -> None:
    answer = answer_of(status, VonageError(code), retry_after=3.0)
    assert type(answer) is kind
    assert getattr(answer, "reason", None) == reason
    assert getattr(answer, "code", None) == (code or f"HTTP {status}")


@pytest.mark.parametrize(
    ("parameter", "kind", "reason"),
    [
        ("to", Rejected, Reason.ADDRESS_INVALID),
        ("from", NotSent, Reason.SENDER_REFUSED),
        ("text", Rejected, Reason.PROVIDER_ERROR),
    ],
)
def test_an_invalid_parameter_tells_whose_fault_it_is(parameter: str, kind: type, reason: Reason) -> None:
    problem = {
        "type": f"{MESSAGES}#1020",
        "title": "Invalid params",
        "detail": "The value of one or more parameters is invalid.",
        "instance": "bf0ca0bf927b3b52e3cb03217e1a1ddf",
        "invalid_parameters": [{"name": parameter, "reason": "invalid value"}],
    }
    answer = answer_of(422, read(json.dumps(problem).encode()), retry_after=None)
    assert (type(answer), getattr(answer, "reason", None)) == (kind, reason)
    assert getattr(answer, "code", None) == "1020"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (f"{MESSAGES}#1170", "1170"),
        ("https://developer.nexmo.com/api-errors/#low-balance", "low-balance"),
        ("https://developer.vonage.com/api-errors", None),
        (f"{MESSAGES}#+4915112345678", None),
        (f"{MESSAGES}#{'1' * 100}", None),
        ("", None),
    ],
)
def test_the_code_stands_behind_the_types_number_sign(said: str, code: str | None) -> None:
    assert read(json.dumps({"type": said}).encode()) == VonageError(code)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"type": 7}', b'{"invalid_parameters": {}}'])
def test_a_page_of_something_else_has_no_code(body: bytes) -> None:
    assert read(body) == VonageError()


def test_a_pause_is_passed_on() -> None:
    assert answer_of(429, VonageError("throttled"), retry_after=3.0) == Throttled(
        code="throttled", detail="Vonage asks for patience.", retry_after=3.0
    )
