"""Mailgun's webhooks: what openssl signs as Mailgun's documentation says is taken, and nothing else; what each event means."""

import hmac
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tocsin.channel.receipts import Cause, ProviderEvent, RawRequest, Refused
from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.dispatch_email.mailgun_receipts import MAILGUN_RECEIPTS, MailgunReceipts, MailgunReceiptsConfig
from tocsin.dispatch_email.mailgun_tokens import Tokens
from tocsin.testing import ManualClock

NOW = datetime(2026, 2, 12, 18, 26, 12, tzinfo=UTC)
KEY, OTHER = "key-" + "1" * 32, "key-" + "2" * 32
AT = datetime(2026, 2, 12, 17, 42, 55, 592369, tzinfo=UTC)
# As https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads shows them.
EVENT: dict[str, Any] = {
    "id": "2kFItcrLQuKTdp-Ia2Xr7w", "timestamp": AT.timestamp(), "log-level": "error", "recipient": "marked@example.org",
    "flags": {"is-authenticated": True}, "tags": ["marked"], "url": "https://marked.example/", "ip": "192.0.2.1",
    "message": {"headers": {"to": "marked@example.org", "subject": "marked"}, "size": 384},
    "envelope": {"targets": "marked@example.org"}, "user-variables": {"tocsin": "the-ref", "marked": 1},
}  # fmt: skip
HARD: dict[str, Any] = {
    "event": "failed", "severity": "permanent", "reason": "bounce",
    "delivery-status": {
        "attempt-no": 1, "code": 550, "message": "5.1.1 marked@example.org does not exist", "description": None,
        "session-seconds": 0.208, "enhanced-code": "5.1.1", "mx-host": "marked.example", "bounce-type": "hard",
    },
}  # fmt: skip
DELIVERED = EVENT | {"event": "delivered"}


def receipts(folder: Path, *keys: str) -> MailgunReceipts:
    files = []
    for number, key in enumerate(keys or (KEY,)):
        (folder / f"key-{number}").write_text(key)
        files.append(f"key-{number}")
    config = MailgunReceiptsConfig.model_validate({"signing_key_files": files}, context={"folder": folder})
    return MailgunReceipts(config, ManualClock(NOW))


def signature(*, key: str = KEY, at: float = NOW.timestamp(), token: str = "a" * 50) -> dict[str, Any]:
    timestamp = str(round(at))
    digest = hmac.new(key.encode(), f"{timestamp}{token}".encode(), "sha256").hexdigest()
    return {"timestamp": timestamp, "token": token, "signature": digest}


def called(event: Any, signed: Any = None) -> RawRequest:
    body = json.dumps({"signature": signature() if signed is None else signed, "event-data": event}).encode()
    return RawRequest("https://x.example/callbacks/mg", "", "", {}, body)


async def cause(reader: MailgunReceipts, request: RawRequest) -> Cause | None:
    try:
        await reader.verify(request)
    except Refused as refused:
        return refused.cause
    return None


async def test_what_openssl_signs_is_taken(tmp_path: Path) -> None:
    at, token = str(round(NOW.timestamp())), "e0b5477167110d68991efc6b9f89f0a11066af27834600e123"
    digest = subprocess.run(  # noqa: ASYNC221 - a judge from outside
        ["openssl", "dgst", "-sha256", "-hmac", KEY],
        input=f"{at}{token}".encode(),
        capture_output=True,
        check=True,
    ).stdout.split()[-1]
    signed = {"timestamp": at, "token": token, "signature": digest.decode()}
    assert await cause(receipts(tmp_path), called(DELIVERED, signed)) is None


RIGHT = signature()


@pytest.mark.parametrize(
    "signed",
    [
        {},
        [],
        "text",
        signature(key=OTHER),
        RIGHT | {"signature": ""},
        RIGHT | {"signature": "ü"},
        RIGHT | {"signature": "\ud800"},
        RIGHT | {"signature": None},
        RIGHT | {"signature": RIGHT["signature"][:-1]},
        RIGHT | {"signature": RIGHT["signature"].upper()},
        RIGHT | {"token": "b" * 50},
        RIGHT | {"token": "\ud800"},
        RIGHT | {"timestamp": str(int(RIGHT["timestamp"]) + 1)},
        RIGHT | {"timestamp": "soon"},
        signature(token="a" * 201),
        signature(at=-5),
    ],
    ids=range(16),
)
async def test_other_signatures(tmp_path: Path, signed: Any) -> None:
    assert await cause(receipts(tmp_path), called(DELIVERED, signed)) is Cause.SIGNATURE


@pytest.mark.parametrize("body", [b"", b"[]", b"no json", b"{}", b"[" * 200_000, b'{"signature": "\xff"}'])
async def test_what_cannot_be_read_bears_no_signature(tmp_path: Path, body: bytes) -> None:
    assert await cause(receipts(tmp_path), called(DELIVERED)._replace(body=body)) is Cause.SIGNATURE


async def test_a_subaccounts_callback_is_signed_with_the_primary_accounts_key(tmp_path: Path) -> None:
    signed = signature(key=OTHER) | {"parent-signature": RIGHT["signature"]}
    assert await cause(receipts(tmp_path), called(DELIVERED, signed)) is None
    wrong = signature(key=OTHER) | {"parent-signature": signature(key=OTHER)["signature"]}
    assert await cause(receipts(tmp_path), called(DELIVERED, wrong)) is Cause.SIGNATURE


async def test_a_time_may_be_a_number(tmp_path: Path) -> None:
    signed = RIGHT | {"timestamp": int(RIGHT["timestamp"])}
    assert await cause(receipts(tmp_path), called(DELIVERED, signed)) is None


@pytest.mark.parametrize(
    ("late", "expected"),
    [(-301, Cause.STALE), (-299, None), (301, None), (8 * 3600 - 1, None), (8 * 3600 + 1, Cause.STALE)],
)
async def test_a_time_beyond_mailguns_repeats_is_refused(
    tmp_path: Path, late: int, expected: Cause | None
) -> None:
    signed = signature(at=NOW.timestamp() - late)
    assert await cause(receipts(tmp_path), called(DELIVERED, signed)) is expected


async def test_a_token_tells_one_event_and_may_tell_it_again(tmp_path: Path) -> None:
    reader = receipts(tmp_path)
    assert await cause(reader, called(DELIVERED)) is None
    assert await cause(reader, called(dict(reversed(DELIVERED.items())))) is None
    for forged in (
        EVENT | {"event": "complained"},
        DELIVERED | {"id": "other"},
        DELIVERED | {"user-variables": {"tocsin": "x"}},
    ):
        assert await cause(reader, called(forged)) is Cause.REPLAYED
    assert await cause(reader, called(EVENT | {"event": "complained"}, signature(token="b"))) is None


def test_tokens_are_bounded() -> None:
    tokens = Tokens(most=3)
    one, other = (ProviderEvent(ref=None, status=None, id=name) for name in "ab")
    assert not any(tokens.tells_another(token, one) for token in "abcd")
    assert len(tokens) == 3
    assert [tokens.tells_another(token, other) for token in "bcd"] == [True, True, True]
    assert not tokens.tells_another("a", other)  # forgotten
    assert len(tokens) == 3


async def test_two_keys_while_one_is_replaced(tmp_path: Path) -> None:
    reader = receipts(tmp_path, OTHER, KEY)
    assert await cause(reader, called(DELIVERED)) is None
    assert await cause(reader, called(DELIVERED, signature(key=OTHER, token="b"))) is None


@pytest.mark.parametrize("event", [None, [], "text", {}, {"event": 1}, DELIVERED | {"delivery-status": 1}])
async def test_what_is_signed_and_no_event_is_unreadable(tmp_path: Path, event: Any) -> None:
    assert await cause(receipts(tmp_path), called(event)) is Cause.UNREADABLE


async def test_signed_without_an_event_is_unreadable(tmp_path: Path) -> None:
    body = json.dumps({"signature": RIGHT}).encode()
    assert await cause(receipts(tmp_path), called(None)._replace(body=body)) is Cause.UNREADABLE


def failed(reason: str, told: dict[str, Any]) -> dict[str, Any]:
    return {"event": "failed", "severity": "permanent", "reason": reason, "delivery-status": told}


MEANINGS: list[tuple[dict[str, Any], StatusName | None, str | None, Reason | None]] = [
    ({"event": "accepted", "user-variables": {"tocsin": "the-ref"}}, None, None, None),
    ({"event": "delivered", "delivery-status": {"code": 250, "message": "OK marked"}}, StatusName.DELIVERED, None, None),
    (HARD, StatusName.BOUNCED, "5.1.1", Reason.HARD_BOUNCE),
    (HARD | {"severity": "temporary"}, None, None, None),
    (failed("bounce", {"code": 550, "enhanced-code": "5.5.0", "bounce-type": "hard"}), StatusName.BOUNCED, "5.5.0", Reason.HARD_BOUNCE),
    (failed("bounce", {"code": 550, "bounce-type": "hard"}), StatusName.BOUNCED, "550", Reason.HARD_BOUNCE),
    (failed("bounce", {"code": 550, "enhanced-code": "5.7.1", "bounce-type": "hard"}), StatusName.BOUNCED, "5.7.1", Reason.BLOCKED),
    (failed("bounce", {"code": 452, "enhanced-code": "4.2.2", "bounce-type": "hard"}), StatusName.BOUNCED, "4.2.2", Reason.SOFT_BOUNCE),
    (failed("bounce", {"code": 552, "message": "5.2.2 marked is full"}), StatusName.BOUNCED, "5.2.2", Reason.SOFT_BOUNCE),
    (failed("espblock", {"code": 554}), StatusName.BOUNCED, "554", Reason.BLOCKED),
    (failed("old", {"code": 602, "message": "Too old"}), StatusName.BOUNCED, "602", Reason.SOFT_BOUNCE),
    (failed("generic", {}), StatusName.BOUNCED, None, Reason.SOFT_BOUNCE),
    (failed("generic", {"code": 10**30}), StatusName.BOUNCED, None, Reason.SOFT_BOUNCE),
    (failed("suppress-bounce", {"code": 605}), StatusName.UNDELIVERED, None, Reason.PROVIDER_SUPPRESSED),
    (failed("suppress-complaint", {"code": 607}), StatusName.UNDELIVERED, None, Reason.PROVIDER_SUPPRESSED),
    (failed("suppress-unsubscribe", {"code": 606}), StatusName.UNDELIVERED, None, Reason.PROVIDER_SUPPRESSED),
    ({"event": "rejected", "reject": {"reason": "marked"}}, StatusName.UNDELIVERED, None, Reason.PROVIDER_ERROR),
    ({"event": "complained"}, StatusName.COMPLAINED, None, None),
    ({"event": "unsubscribed", "storage": []}, StatusName.UNSUBSCRIBED, None, None),
    ({"event": "opened", "client-info": {"bot": None, "user-agent": "marked"}}, StatusName.OPENED, None, None),
    ({"event": "clicked", "client-info": None}, StatusName.CLICKED, None, None),
    ({"event": "stored"}, None, None, None),
    ({"event": "of_a_later_year"}, None, None, None),
]  # fmt: skip


@pytest.mark.parametrize(("event", "status", "code", "reason"), MEANINGS, ids=range(len(MEANINGS)))
async def test_what_each_event_means_and_that_nothing_else_of_it_is_kept(
    tmp_path: Path, event: dict[str, Any], status: StatusName | None, code: str | None, reason: Reason | None
) -> None:
    (told,) = await receipts(tmp_path).verify(called(EVENT | event))
    assert told == ProviderEvent(
        ref="the-ref", status=status, id="2kFItcrLQuKTdp-Ia2Xr7w", at=AT, code=code, reason=reason, detail=told.detail
    )  # fmt: skip
    assert (told.detail is None) is (reason is None)
    assert "marked" not in repr(told)


async def test_a_machine_that_opens_is_no_person(tmp_path: Path) -> None:
    event = EVENT | {"event": "opened", "client-info": {"bot": "gmail"}}
    (told,) = await receipts(tmp_path).verify(called(event))
    assert told.automated


@pytest.mark.parametrize("variables", [[], None, {}, {"tocsin": 1}, {"other": "x"}])
async def test_without_a_ref_it_says_so(tmp_path: Path, variables: Any) -> None:
    (told,) = await receipts(tmp_path).verify(
        called({"event": "delivered", "timestamp": 1e300, "user-variables": variables})
    )
    assert (told.ref, told.at, len(told.id)) == (None, None, 64)


@pytest.mark.parametrize(
    ("keys", "sentence"), [(["two words"], "a single word"), ([], "at least 1"), ([KEY] * 3, "at most 2")]
)
def test_faults_of_the_configuration(tmp_path: Path, keys: list[str], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        receipts(tmp_path, *keys) if keys else MailgunReceiptsConfig.model_validate({"signing_key_files": []})


def test_the_kind_says_which_statuses_it_tells() -> None:
    assert MAILGUN_RECEIPTS.tells == {status for _, status, _, _ in MEANINGS if status is not None}
