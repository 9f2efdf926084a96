"""What push services' answers mean: RFC 8030 and RFC 8292."""

import pytest

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_push.webpush_answers import answer_of


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (200, Accepted, None),
        (201, Accepted, None),
        (202, Accepted, None),
        (204, Ambiguous, Reason.PROVIDER_ERROR),
        (301, NotSent, Reason.RECIPIENT_REFUSED),
        (307, NotSent, Reason.RECIPIENT_REFUSED),
        (400, NotSent, Reason.RECIPIENT_REFUSED),
        (401, NotSent, Reason.SENDER_REFUSED),
        (403, NotSent, Reason.SENDER_REFUSED),
        (404, Rejected, Reason.DEVICE_GONE),
        (405, NotSent, Reason.RECIPIENT_REFUSED),
        (406, Throttled, None),
        (410, Rejected, Reason.DEVICE_GONE),
        (413, Rejected, Reason.TOO_LARGE),
        (429, Throttled, None),
        (500, Ambiguous, Reason.PROVIDER_ERROR),
        (502, Ambiguous, Reason.PROVIDER_ERROR),
        (503, Ambiguous, Reason.PROVIDER_ERROR),
    ],
)
def test_answers(status: int, kind: type[Answer], reason: Reason | None) -> None:
    answer = answer_of(status, message_id="m", retry_after=7.0)
    assert (type(answer), getattr(answer, "reason", None)) == (kind, reason)
    assert getattr(answer, "retry_after", 7.0) in {7.0, None}
