"""SendGrid's Event Webhook: what its own library takes for signed is taken, and nothing else; what each event means."""

import json
import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sendgrid.helpers.eventwebhook import EventWebhook

from tocsin.channel.receipts import Cause, ProviderEvent, RawRequest, Refused
from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.dispatch_email.sendgrid_receipts import (
    SENDGRID_RECEIPTS,
    SendGridReceipts,
    SendGridReceiptsConfig,
)
from tocsin.testing import ManualClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
EVENT: dict[str, Any] = {
    "email": "marked-address@example.org", "timestamp": 1_767_225_593, "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
    "sg_event_id": "ZGVsaXZlcmVkLTAtMQ==", "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
    "useragent": "marked-body", "ip": "192.0.2.1", "url": "https://marked.example/?token=marked", "tocsin_ref": "the-ref",
}  # fmt: skip
AT = datetime(2025, 12, 31, 23, 59, 53, tzinfo=UTC)


def shown(key: ec.EllipticCurvePrivateKey) -> str:
    """As SendGrid's settings show it: one line."""
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b64encode(der).decode()


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def receipts(folder: Path, *keys: str) -> SendGridReceipts:
    files = []
    for number, key in enumerate(keys or (shown(KEY),)):
        (folder / f"key-{number}").write_text(key)
        files.append(f"key-{number}")
    config = SendGridReceiptsConfig.model_validate({"public_key_files": files}, context={"folder": folder})
    return SendGridReceipts(config, ManualClock(NOW))


def signed(
    body: bytes, *, key: ec.EllipticCurvePrivateKey = KEY, at: str = str(round(NOW.timestamp()))
) -> dict[str, str]:
    signature = b64encode(key.sign(at.encode() + body, ec.ECDSA(SHA256()))).decode()
    return {
        "x-twilio-email-event-webhook-signature": signature,
        "x-twilio-email-event-webhook-timestamp": at,
    }


def request(body: bytes, headers: dict[str, str] | None = None) -> RawRequest:
    return RawRequest(
        "https://x.example/callbacks/sg", "", "", signed(body) if headers is None else headers, body
    )


def body_of(*events: dict[str, Any]) -> bytes:
    return json.dumps(events).encode()


def by_their_library(body: bytes, headers: dict[str, str], key: ec.EllipticCurvePrivateKey = KEY) -> bool:
    webhook = EventWebhook()
    public = webhook.convert_public_key_to_ecdsa(shown(key))
    verified: bool = webhook.verify_signature(
        body.decode(),
        headers["x-twilio-email-event-webhook-signature"],
        headers["x-twilio-email-event-webhook-timestamp"],
        public,
    )
    return verified


def told_by(events: Sequence[ProviderEvent | Cause]) -> list[ProviderEvent]:
    """The events, each of which could be read."""
    told = [event for event in events if isinstance(event, ProviderEvent)]
    assert len(told) == len(events)
    return told


async def cause(reader: SendGridReceipts, body: bytes, headers: dict[str, str]) -> Cause | None:
    try:
        await reader.verify(request(body, headers))
    except Refused as refused:
        return refused.cause
    return None


@settings(max_examples=30)
@given(texts=st.lists(st.text(st.characters(codec="utf-8")), max_size=3))
async def test_what_sendgrids_library_takes_is_taken(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    body = body_of(*(EVENT | {"event": "delivered", "response": text} for text in texts))
    headers = signed(body)
    assert by_their_library(body, headers)
    events = told_by(await receipts(tmp_path_factory.mktemp("keys")).verify(request(body, headers)))
    assert [event.status for event in events] == [StatusName.DELIVERED] * len(texts)


async def test_a_changed_byte_anywhere_is_refused_by_both(tmp_path: Path) -> None:
    body = body_of(EVENT | {"event": "delivered"})
    headers = signed(body)
    reader = receipts(tmp_path)
    for position in range(0, len(body), 7):
        changed = body[:position] + bytes((body[position] ^ 1,)) + body[position + 1 :]
        assert await cause(reader, changed, headers) is Cause.SIGNATURE
    assert not by_their_library(body[:-1] + b" ", headers)
    later = headers | {"x-twilio-email-event-webhook-timestamp": str(round(NOW.timestamp()) + 1)}
    assert await cause(reader, body, later) is Cause.SIGNATURE


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(b"[]", key=OTHER),
        signed(b"[]") | {"x-twilio-email-event-webhook-signature": "no base64!"},
        signed(b"[]") | {"x-twilio-email-event-webhook-signature": "AAAA"},
        signed(b"[]") | {"x-twilio-email-event-webhook-timestamp": "soon"},
        signed(b"[]") | {"x-twilio-email-event-webhook-timestamp": "1" * 400},
        {name: value for name, value in signed(b"[]").items() if "signature" in name},
    ],
    ids=range(7),
)
async def test_other_signatures(tmp_path: Path, headers: dict[str, str]) -> None:
    assert await cause(receipts(tmp_path), b"[]", headers) is Cause.SIGNATURE


@pytest.mark.parametrize(
    ("late", "expected"), [(-86_401, Cause.STALE), (-86_399, None), (299, None), (301, Cause.STALE)]
)
async def test_a_call_is_taken_as_long_as_sendgrid_repeats_it(
    tmp_path: Path, late: int, expected: Cause | None
) -> None:
    headers = signed(b"[]", at=str(round(NOW.timestamp()) + late))
    assert await cause(receipts(tmp_path), b"[]", headers) is expected


async def test_two_keys_while_one_is_replaced(tmp_path: Path) -> None:
    reader = receipts(tmp_path, pem(OTHER), shown(KEY))
    assert await cause(reader, b"[]", signed(b"[]")) is None
    assert await cause(reader, b"[]", signed(b"[]", key=OTHER)) is None


@pytest.mark.parametrize("body", [b"", b"{}", b"no json", b"[" * 200_000])
async def test_what_is_signed_and_no_event_is_unreadable(tmp_path: Path, body: bytes) -> None:
    assert await cause(receipts(tmp_path), body, signed(body)) is Cause.UNREADABLE


@pytest.mark.parametrize(
    "odd",
    [
        1,
        "delivered",
        None,
        {},
        {"event": 1},
        {"event": "open", "timestamp": "soon"},
        {"event": "open", "tocsin_ref": 7},
    ],
)
async def test_an_event_that_cannot_be_read_costs_none_of_the_others(tmp_path: Path, odd: object) -> None:
    good = EVENT | {"event": "delivered"}
    first, nothing, last = await receipts(tmp_path).verify(request(json.dumps([good, odd, good]).encode()))
    assert nothing is Cause.UNREADABLE
    assert isinstance(first, ProviderEvent)
    assert first == last


@pytest.mark.parametrize("odd", [None, "", "e" * 129, "e" * 900_000, "jobs/0/1", "marked@example.org", "ü"])
async def test_an_event_whose_id_is_missing_or_huge_has_one_all_the_same(
    tmp_path: Path, odd: str | None
) -> None:
    event = EVENT | {"event": "open", "sg_event_id": odd}
    first, again, other = told_by(
        await receipts(tmp_path).verify(request(body_of(event, event, event | {"timestamp": 1_767_225_594})))
    )
    assert first.id == again.id != other.id
    assert re.fullmatch(r"[0-9a-f]{64}", first.id)


MEANINGS: list[tuple[dict[str, Any], StatusName | None, str | None, Reason | None]] = [
    ({"event": "processed"}, None, None, None),
    ({"event": "deferred", "response": "400 try again later", "attempt": "5"}, None, None, None),
    ({"event": "delivered", "response": "250 2.0.0 OK"}, StatusName.DELIVERED, None, None),
    ({"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 marked"}, StatusName.BOUNCED, "5.1.1", Reason.HARD_BOUNCE),
    ({"event": "bounce", "type": "bounce", "status": "5.0.0", "reason": "500 unknown recipient"}, StatusName.BOUNCED, "5.0.0", Reason.HARD_BOUNCE),
    ({"event": "bounce", "type": "bounce", "status": "4.4.7"}, StatusName.BOUNCED, "4.4.7", Reason.SOFT_BOUNCE),
    ({"event": "bounce", "type": "bounce"}, StatusName.BOUNCED, None, Reason.HARD_BOUNCE),
    ({"event": "bounce", "type": "blocked", "status": "5.7.1"}, StatusName.BOUNCED, "5.7.1", Reason.BLOCKED),
    ({"event": "bounce", "type": "blocked", "status": "5.2.2"}, StatusName.BOUNCED, "5.2.2", Reason.SOFT_BOUNCE),
    ({"event": "bounce", "type": "blocked", "status": "5.1.1"}, StatusName.BOUNCED, "5.1.1", Reason.SOFT_BOUNCE),
    ({"event": "dropped", "reason": "Bounced Address"}, StatusName.UNDELIVERED, None, Reason.PROVIDER_SUPPRESSED),
    ({"event": "dropped", "reason": "Unsubscribed Address"}, StatusName.UNDELIVERED, None, Reason.PROVIDER_SUPPRESSED),
    ({"event": "dropped", "reason": "Spam Reporting Address"}, StatusName.UNDELIVERED, None, Reason.PROVIDER_SUPPRESSED),
    ({"event": "dropped", "reason": "Spam Content"}, StatusName.UNDELIVERED, None, Reason.CONTENT_REFUSED),
    ({"event": "dropped", "reason": "Invalid"}, StatusName.UNDELIVERED, None, Reason.ADDRESS_INVALID),
    ({"event": "dropped"}, StatusName.UNDELIVERED, None, Reason.PROVIDER_ERROR),
    ({"event": "spamreport"}, StatusName.COMPLAINED, None, None),
    ({"event": "unsubscribe"}, StatusName.UNSUBSCRIBED, None, None),
    ({"event": "group_unsubscribe", "asm_group_id": 10}, StatusName.UNSUBSCRIBED, None, None),
    ({"event": "group_resubscribe", "asm_group_id": 10}, None, None, None),
    ({"event": "open"}, StatusName.OPENED, None, None),
    ({"event": "click"}, StatusName.CLICKED, None, None),
    ({"event": "account_status_change"}, None, None, None),
    ({"event": "of_a_later_year"}, None, None, None),
]  # fmt: skip


@pytest.mark.parametrize(("event", "status", "code", "reason"), MEANINGS)
async def test_what_each_event_means_and_that_nothing_else_of_it_is_kept(
    tmp_path: Path, event: dict[str, Any], status: StatusName | None, code: str | None, reason: Reason | None
) -> None:
    (told,) = told_by(await receipts(tmp_path).verify(request(body_of(EVENT | event))))
    assert told == ProviderEvent(
        ref="the-ref",
        status=status,
        id="ZGVsaXZlcmVkLTAtMQ==",
        at=AT,
        code=code,
        reason=reason,
        detail=told.detail,
    )
    assert (told.detail is None) is (reason is None)
    assert "marked" not in repr(told)


async def test_a_machine_that_opens_is_no_person(tmp_path: Path) -> None:
    reader = receipts(tmp_path)
    machine, person = told_by(
        await reader.verify(
            request(
                body_of(
                    EVENT | {"event": "open", "sg_machine_open": True},
                    EVENT | {"event": "open", "sg_machine_open": False},
                )
            )
        )
    )
    assert (machine.automated, person.automated) == (True, False)


async def test_an_event_without_what_it_should_have(tmp_path: Path) -> None:
    (told,) = told_by(
        await receipts(tmp_path).verify(request(b'[{"event": "delivered", "timestamp": 1e300}]'))
    )
    assert (told.ref, told.at, len(told.id)) == (None, None, 64)


@pytest.mark.parametrize(
    "text", ["no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "ü"]
)
def test_a_file_that_holds_no_key(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValidationError, match="the file holds no verification key") as invalid:
        receipts(tmp_path, text)
    assert text not in str(invalid.value.errors(include_input=False)[0]["msg"])


@pytest.mark.parametrize("count", [0, 3])
def test_one_key_or_two(tmp_path: Path, count: int) -> None:
    (tmp_path / "key").write_text(shown(KEY))
    with pytest.raises(ValidationError):
        SendGridReceiptsConfig.model_validate(
            {"public_key_files": ["key"] * count}, context={"folder": tmp_path}
        )


def test_the_kind_says_which_statuses_it_tells() -> None:
    assert SENDGRID_RECEIPTS.tells == {status for _, status, _, _ in MEANINGS if status is not None}
