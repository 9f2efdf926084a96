"""What each answer of Teams' workflows means: the whole table, once more and by hand."""

import json

import pytest

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_chat import teams_answers

CODES: dict[str, tuple[int, Reason]] = {
    "WorkflowNotFound": (404, Reason.ADDRESS_GONE),
    "WorkflowTriggerNotFound": (404, Reason.ADDRESS_GONE),
    "WorkflowTriggerVersionNotFound": (404, Reason.ADDRESS_GONE),
    "WorkflowTriggerIsNotEnabled": (400, Reason.RECIPIENT_REFUSED),
    "DirectApiAuthorizationRequired": (401, Reason.ADDRESS_INVALID),
    "DirectApiInvalidAuthorizationScheme": (401, Reason.ADDRESS_INVALID),
    "TriggerInputSchemaMismatch": (400, Reason.CONTENT_REFUSED),
    "InvalidRequestContent": (400, Reason.CONTENT_REFUSED),
}


def answer_of(status: int, body: bytes = b"") -> Answer:
    return teams_answers.answer_of(status, body, message_id="d", retry_after=3.0)


@pytest.mark.parametrize("code", CODES)
def test_a_code(code: str) -> None:
    status, reason = CODES[code]
    answer = answer_of(status, json.dumps({"error": {"code": code, "message": "marked"}}).encode())
    assert isinstance(answer, Rejected)
    assert (answer.reason, answer.code) == (reason, code)
    assert "marked" not in repr(answer)
    assert CODES.keys() == teams_answers.REJECTED.keys()


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (202, Accepted, None),
        (200, Accepted, None),
        (204, Ambiguous, Reason.PROVIDER_ERROR),
        (302, NotSent, Reason.RECIPIENT_REFUSED),
        (400, Rejected, Reason.CONTENT_REFUSED),
        (401, Rejected, Reason.ADDRESS_INVALID),
        (403, Rejected, Reason.ADDRESS_INVALID),
        (404, Rejected, Reason.ADDRESS_INVALID),
        (408, Ambiguous, Reason.PROVIDER_ERROR),
        (410, Rejected, Reason.ADDRESS_GONE),
        (413, Rejected, Reason.TOO_LARGE),
        (418, Rejected, Reason.RECIPIENT_REFUSED),
        (500, Ambiguous, Reason.PROVIDER_ERROR),
        (502, Ambiguous, Reason.PROVIDER_ERROR),
    ],
)
@pytest.mark.parametrize(
    "body", [b"", b"<html>marked", b'{"error": {"code": "https://marked"}}', b"[1]", b"\xff"]
)
def test_a_status_without_a_code_that_is_known(
    status: int, kind: type[Answer], reason: Reason | None, body: bytes
) -> None:
    answer = answer_of(status, body)
    assert (type(answer), getattr(answer, "reason", None)) == (kind, reason)
    assert "marked" not in repr(answer)


def test_patience() -> None:
    assert answer_of(429) == Throttled(code="HTTP 429", detail="Teams asks for patience.", retry_after=3.0)
