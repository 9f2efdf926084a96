"""What APNs' answers mean: every reason that Apple documents.

https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns, table "Response error strings".
"""

from datetime import UTC, datetime

import msgspec
import pytest

from tocsin.channel import Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_push.apns_errors import DOCUMENTED, answer_of, read, token_refused

TABLE = [
    (400, "BadCollapseId", Rejected, Reason.CONTENT_REFUSED),
    (400, "BadDeviceToken", Rejected, Reason.ADDRESS_INVALID),
    (400, "BadExpirationDate", Rejected, Reason.CONTENT_REFUSED),
    (400, "BadMessageId", Rejected, Reason.CONTENT_REFUSED),
    (400, "BadPriority", Rejected, Reason.CONTENT_REFUSED),
    (400, "BadTopic", Rejected, Reason.SENDER_REFUSED),
    (400, "DeviceTokenNotForTopic", Rejected, Reason.RECIPIENT_REFUSED),
    (400, "DuplicateHeaders", Rejected, Reason.PROVIDER_ERROR),
    (400, "IdleTimeout", NotSent, Reason.PROVIDER_ERROR),
    (400, "InvalidPushType", Rejected, Reason.CONTENT_REFUSED),
    (400, "MissingDeviceToken", Rejected, Reason.ADDRESS_INVALID),
    (400, "MissingTopic", Rejected, Reason.SENDER_REFUSED),
    (400, "PayloadEmpty", Rejected, Reason.CONTENT_REFUSED),
    (400, "TopicDisallowed", Rejected, Reason.SENDER_REFUSED),
    (403, "BadCertificate", NotSent, Reason.CREDENTIALS_REFUSED),
    (403, "BadCertificateEnvironment", NotSent, Reason.CREDENTIALS_REFUSED),
    (403, "BadEnvironmentKeyIdInToken", NotSent, Reason.CREDENTIALS_REFUSED),
    (403, "ExpiredProviderToken", NotSent, Reason.CREDENTIALS_REFUSED),
    (403, "Forbidden", NotSent, Reason.CREDENTIALS_REFUSED),
    (403, "InvalidProviderToken", NotSent, Reason.CREDENTIALS_REFUSED),
    (403, "MissingProviderToken", NotSent, Reason.CREDENTIALS_REFUSED),
    (403, "UnrelatedKeyIdInToken", NotSent, Reason.CREDENTIALS_REFUSED),
    (404, "BadPath", NotSent, Reason.PROVIDER_ERROR),
    (405, "MethodNotAllowed", NotSent, Reason.PROVIDER_ERROR),
    (410, "ExpiredToken", Rejected, Reason.DEVICE_GONE),
    (410, "Unregistered", Rejected, Reason.DEVICE_GONE),
    (413, "PayloadTooLarge", Rejected, Reason.TOO_LARGE),
    (429, "TooManyProviderTokenUpdates", Throttled, None),
    (429, "TooManyRequests", Throttled, None),
    (500, "InternalServerError", Ambiguous, Reason.PROVIDER_ERROR),
    (503, "ServiceUnavailable", NotSent, Reason.PROVIDER_ERROR),
    (503, "Shutdown", NotSent, Reason.PROVIDER_ERROR),
]


def answer(status: int, body: bytes) -> Answer:
    return answer_of(read(status, body))


@pytest.mark.parametrize(("status", "word", "kind", "reason"), TABLE)
def test_documented_reasons(status: int, word: str, kind: type[Answer], reason: Reason | None) -> None:
    told = answer(status, msgspec.json.encode({"reason": word}))
    assert (type(told), told.code, getattr(told, "reason", None)) == (kind, word, reason)


def test_the_table_is_whole() -> None:
    assert {word for _, word, _, _ in TABLE} == DOCUMENTED


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (302, NotSent, Reason.PROVIDER_ERROR),
        (400, Rejected, Reason.CONTENT_REFUSED),
        (401, NotSent, Reason.PROVIDER_ERROR),
        (403, NotSent, Reason.CREDENTIALS_REFUSED),
        (410, Rejected, Reason.DEVICE_GONE),
        (413, Rejected, Reason.TOO_LARGE),
        (429, Throttled, None),
        (502, Ambiguous, Reason.PROVIDER_ERROR),
        (503, NotSent, Reason.PROVIDER_ERROR),
        (201, Ambiguous, Reason.PROVIDER_ERROR),
        (0, Ambiguous, Reason.PROVIDER_ERROR),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>marked-address</html>",
        b'{"reason": "marked-address@example.org"}',
        b'{"reason": 7}',
        b"[]",
    ],
)
def test_answers_without_a_reason_mean_what_their_status_says(
    status: int, kind: type[Answer], reason: Reason | None, body: bytes
) -> None:
    told = answer(status, body)
    assert (type(told), told.code, getattr(told, "reason", None)) == (kind, f"HTTP {status}", reason)


def test_a_device_that_is_gone_is_so_since_a_moment() -> None:
    told = answer(410, b'{"reason": "Unregistered", "timestamp": 1767225600500}')
    assert isinstance(told, Rejected)
    assert told.since == datetime(2026, 1, 1, microsecond=500_000, tzinfo=UTC)
    for body in (
        b'{"reason": "Unregistered"}',
        b'{"reason": "Unregistered", "timestamp": 99999999999999999}',
    ):
        told = answer(410, body)
        assert isinstance(told, Rejected)
        assert (told.reason, told.since) == (Reason.DEVICE_GONE, None)


@pytest.mark.parametrize(
    ("status", "word", "helps"),
    [
        (403, "ExpiredProviderToken", True),
        (403, "InvalidProviderToken", True),
        (403, "MissingProviderToken", True),
        (403, "Forbidden", False),
        (403, "UnrelatedKeyIdInToken", False),
        (429, "TooManyProviderTokenUpdates", False),
    ],
)
def test_when_another_token_may_help(status: int, word: str, helps: bool) -> None:
    assert token_refused(read(status, msgspec.json.encode({"reason": word}))) is helps
