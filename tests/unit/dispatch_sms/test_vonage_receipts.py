"""Vonage's status webhooks: what its own library takes for signed is taken, and nothing else; what each status means."""

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
import pytest
from pydantic import ValidationError
from vonage_jwt import verify_signature

from tocsin.channel.receipts import Cause, ProviderEvent, RawRequest, Refused
from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.dispatch_sms.callbacks import RECEIPTS
from tocsin.dispatch_sms.vonage_receipts import VONAGE_RECEIPTS, VonageReceipts, VonageReceiptsConfig
from tocsin.testing import ManualClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AT = datetime(2025, 12, 31, 23, 59, 53, 500_000, tzinfo=UTC)
SECRET, OTHER = "s" * 40, "o" * 40
# As https://developer.vonage.com/en/messages/concepts/messages-status-callbacks shows it.
EVENT: dict[str, Any] = {
    "message_uuid": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab", "to": "4915112345678", "from": "4915100000000",
    "timestamp": "2025-12-31T23:59:53.500Z", "status": "delivered", "channel": "sms", "client_ref": "marked",
    "destination": {"network_code": "26201"}, "usage": {"currency": "EUR", "price": "0.0333"}, "sms": {"count_total": "2"},
}  # fmt: skip


def receipts(folder: Path, *secrets: str) -> VonageReceipts:
    files = []
    for number, secret in enumerate(secrets or (SECRET,)):
        (folder / f"secret-{number}").write_text(secret)
        files.append(f"secret-{number}")
    config = VonageReceiptsConfig.model_validate(
        {"signature_secret_files": files}, context={"folder": folder}
    )
    return VonageReceipts(config, ManualClock(NOW))


def claims(body: bytes, **changes: Any) -> dict[str, Any]:
    whole = {
        "iat": round(NOW.timestamp()), "jti": "marked", "iss": "Vonage", "api_key": "marked", "application_id": "marked",
        "payload_hash": sha256(body).hexdigest(),
    } | changes  # fmt: skip
    return {name: value for name, value in whole.items() if value is not None}


def called(
    event: Any, *, secret: str = SECRET, query: str = "ref=the-ref", algorithm: str = "HS256", **changes: Any
) -> RawRequest:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    token = jwt.encode(claims(body, **changes), secret, algorithm=algorithm)
    return RawRequest("https://x.example", "", query, {"authorization": f"Bearer {token}"}, body)


async def cause(reader: VonageReceipts, request: RawRequest) -> Cause | None:
    try:
        await reader.verify(request)
    except Refused as refused:
        return refused.cause
    return None


@pytest.mark.parametrize("secret", [SECRET, OTHER])
async def test_vonages_library_judges_alike(tmp_path: Path, secret: str) -> None:
    request = called(EVENT, secret=secret)
    theirs = verify_signature(request.headers["authorization"].removeprefix("Bearer "), SECRET)
    assert ((await cause(receipts(tmp_path), request)) is None) is theirs is (secret == SECRET)


async def test_anything_changed_is_refused(tmp_path: Path) -> None:
    reader, right = receipts(tmp_path), called(EVENT)
    token = right.headers["authorization"]
    head, content, signature = token.split(".")
    unsigned = jwt.encode(claims(right.body), "", algorithm="none")
    changed = [
        right._replace(body=right.body.replace(b"delivered", b"rejected")),
        right._replace(body=right.body + b" "),
        called(EVENT, payload_hash=None),
        called(EVENT, payload_hash=1),
        called(EVENT, payload_hash="ü"),
        called(EVENT, payload_hash=""),
        called(EVENT, iat=None),
        called(EVENT, secret="x" * 64, algorithm="HS512"),
        called(EVENT, secret=SECRET * 2, algorithm="HS512"),
        right._replace(headers={"authorization": token.replace("Bearer", "Basic")}),
        right._replace(headers={"authorization": "Bearer "}),
        right._replace(headers={"authorization": "Bearer ü.ü.ü"}),
        right._replace(headers={"authorization": f"Bearer {unsigned}"}),
        right._replace(headers={"authorization": f"{head}.{content}."}),
        right._replace(headers={"authorization": f"{head}.{content[:-2]}.{signature}"}),
        called(EVENT, padding="x" * 5000),
    ]
    assert [await cause(reader, request) for request in changed] == [Cause.SIGNATURE] * len(changed)


async def test_a_callback_without_a_signature_is_to_come_again_with_one(tmp_path: Path) -> None:
    assert await cause(receipts(tmp_path), called(EVENT)._replace(headers={})) is Cause.UNSIGNED


async def test_times_that_the_token_bears_are_judged_by_our_clock(tmp_path: Path) -> None:
    """The token of the test is years old for the machine's clock."""
    for exp in (None, 1, 2**40):
        assert await cause(receipts(tmp_path), called(EVENT, exp=exp, aud="any", sub=1)) is None


@pytest.mark.parametrize(
    ("late", "expected"), [(-301, Cause.STALE), (-299, None), (299, None), (301, Cause.STALE)]
)
async def test_an_old_time_is_refused(tmp_path: Path, late: int, expected: Cause | None) -> None:
    assert await cause(receipts(tmp_path), called(EVENT, iat=NOW.timestamp() - late)) is expected


async def test_two_secrets_while_one_is_replaced(tmp_path: Path) -> None:
    reader = receipts(tmp_path, OTHER, SECRET)
    assert await cause(reader, called(EVENT)) is None
    assert await cause(reader, called(EVENT, secret=OTHER)) is None


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"no json", b"[" * 200_000, b'{"status": "\xff"}', b'{"status": 1}']
)
async def test_what_is_signed_and_no_status_is_unreadable(tmp_path: Path, body: bytes) -> None:
    assert await cause(receipts(tmp_path), called(body)) is Cause.UNREADABLE


def problem(code: str) -> dict[str, Any]:
    return {
        "type": f"https://developer.vonage.com/api-errors/messages#{code}",
        "title": "marked",
        "detail": "marked +4915112345678",
    }


@pytest.mark.parametrize(
    ("fields", "expected", "code", "reason"),
    [
        ({"status": "submitted"}, None, None, None),
        ({"status": "of_a_later_year", "error": problem("1250")}, None, None, None),
        ({"status": "delivered"}, StatusName.DELIVERED, None, None),
        ({"status": "read"}, StatusName.READ, None, None),
        ({"status": "rejected", "error": problem("1240")}, StatusName.UNDELIVERED, "1240", Reason.RECIPIENT_STOPPED),
        ({"status": "rejected", "error": problem("1210")}, StatusName.UNDELIVERED, "1210", Reason.CONTENT_REFUSED),
        ({"status": "rejected", "error": problem("1040")}, StatusName.UNDELIVERED, "1040", Reason.ADDRESS_INVALID),
        ({"status": "rejected", "error": problem("9999")}, StatusName.UNDELIVERED, "9999", Reason.PROVIDER_ERROR),
        ({"status": "rejected", "error": problem("+4915112345678")}, StatusName.UNDELIVERED, None, Reason.PROVIDER_ERROR),
        ({"status": "rejected", "error": {}}, StatusName.UNDELIVERED, None, Reason.PROVIDER_ERROR),
        ({"status": "undeliverable"}, StatusName.UNDELIVERED, None, Reason.PROVIDER_ERROR),
    ],
)  # fmt: skip
async def test_what_each_status_means_and_that_nothing_else_of_it_is_kept(
    tmp_path: Path,
    fields: dict[str, Any],
    expected: StatusName | None,
    code: str | None,
    reason: Reason | None,
) -> None:
    content = EVENT | fields
    (told,) = await receipts(tmp_path).verify(called(content))
    assert told == ProviderEvent(
        ref="the-ref", status=expected, id=told.id, at=AT, code=code, reason=reason, detail=told.detail
    )
    assert (told.detail is None) is (reason is None)
    assert "4915112345678" not in repr(told)
    assert "marked" not in repr(told)


async def test_told_again_it_is_the_same_event_and_another_status_is_another(tmp_path: Path) -> None:
    reader = receipts(tmp_path)
    (first,) = await reader.verify(called(EVENT))
    (again,) = await reader.verify(called(EVENT | {"usage": None}, iat=round(NOW.timestamp()) + 60))
    (other,) = await reader.verify(called(EVENT | {"status": "read"}))
    assert first.id == again.id != other.id


async def test_without_a_ref_it_says_so(tmp_path: Path) -> None:
    (told,) = await receipts(tmp_path).verify(called(EVENT, query=""))
    assert told.ref is None


@pytest.mark.parametrize(
    ("secrets", "sentence"), [(["two words"], "a single word"), ([SECRET] * 3, "at most 2")]
)
def test_faults_of_the_configuration(tmp_path: Path, secrets: list[str], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        receipts(tmp_path, *secrets)


def test_the_kind_is_known() -> None:
    assert RECEIPTS["vonage"] is VONAGE_RECEIPTS
