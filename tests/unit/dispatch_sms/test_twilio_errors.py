"""What Twilio's errors mean."""

import pytest

from tocsin.channel import Ambiguous, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_sms.twilio_errors import answer_of


@pytest.mark.parametrize(
    ("status", "code", "kind", "reason"),
    [
        (400, 21211, Rejected, Reason.ADDRESS_INVALID),
        (400, 21614, Rejected, Reason.ADDRESS_INVALID),
        (400, 21610, Rejected, Reason.RECIPIENT_STOPPED),
        (403, 21408, Rejected, Reason.RECIPIENT_REFUSED),
        (400, 21612, Rejected, Reason.RECIPIENT_REFUSED),
        (400, 21617, Rejected, Reason.TOO_LARGE),
        (400, 30007, Rejected, Reason.CONTENT_REFUSED),
        (400, 21609, Rejected, Reason.PROVIDER_ERROR),
        (400, None, NotSent, Reason.PROVIDER_ERROR),
        (401, 20003, NotSent, Reason.CREDENTIALS_REFUSED),
        (401, None, NotSent, Reason.CREDENTIALS_REFUSED),
        (403, None, NotSent, Reason.CREDENTIALS_REFUSED),
        (404, 20404, NotSent, Reason.CREDENTIALS_REFUSED),
        (404, None, NotSent, Reason.PROVIDER_ERROR),
        (400, 21606, NotSent, Reason.CREDENTIALS_REFUSED),
        (400, 21705, NotSent, Reason.CREDENTIALS_REFUSED),
        (429, 20429, Throttled, None),
        (429, None, Throttled, None),
        (400, 21611, Throttled, None),
        (503, 20503, NotSent, Reason.PROVIDER_ERROR),
        (500, 20500, Ambiguous, Reason.PROVIDER_ERROR),
        (502, None, Ambiguous, Reason.PROVIDER_ERROR),
        (504, None, Ambiguous, Reason.PROVIDER_ERROR),
        (200, None, Ambiguous, Reason.PROVIDER_ERROR),
        (302, None, NotSent, Reason.PROVIDER_ERROR),
    ],
)
def test_errors(status: int, code: int | None, kind: type, reason: Reason | None) -> None:
    answer = answer_of(status, code, retry_after=3.0)
    assert type(answer) is kind
    assert getattr(answer, "reason", None) == reason
    assert getattr(answer, "code", None) == (str(code) if code else f"HTTP {status}")


@pytest.mark.parametrize(("status", "code"), [(429, 20429), (503, 20503)])
def test_pauses_are_passed_on(status: int, code: int) -> None:
    answer = answer_of(status, code, retry_after=3.0)
    assert isinstance(answer, Throttled | NotSent)
    assert answer.retry_after == 3.0
