"""Twilio's status callbacks: signatures are those of its own library; what each status means."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from tocsin.channel.receipts import Cause, ProviderEvent, RawRequest, Refused
from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.dispatch_sms.twilio_receipts import TwilioReceipts, TwilioReceiptsConfig
from tocsin.testing import ManualClock

URL = "https://callbacks.example.com/sms/callbacks/main"
TOKEN, OTHER = "t" * 32, "o" * 32
FORM = {
    "AccountSid": "AC" + "1" * 32, "From": "+4915100000000", "To": "+4915112345678", "MessageSid": "SM" + "2" * 32,
    "SmsSid": "SM" + "2" * 32, "ApiVersion": "2010-04-01", "MessageStatus": "delivered", "SmsStatus": "delivered",
}  # fmt: skip


def receipts(folder: Path, *tokens: str) -> TwilioReceipts:
    files = []
    for number, token in enumerate(tokens or (TOKEN,)):
        (folder / f"token-{number}").write_text(token)
        files.append(f"token-{number}")
    config = TwilioReceiptsConfig.model_validate({"auth_token_files": files}, context={"folder": folder})
    return TwilioReceipts(config, ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))


def called(
    form: dict[str, str],
    *,
    query: str = "ref=the-ref",
    token: str = TOKEN,
    url: str = URL,
    signed_as: str | None = None,
) -> RawRequest:
    """A request that Twilio's own library has signed."""
    whole = f"{url}?{query}" if query else url
    signature = RequestValidator(token).compute_signature(signed_as or whole, form)
    return RawRequest(whole, "", query, {"x-twilio-signature": signature}, urlencode(form).encode())


async def cause(reader: TwilioReceipts, request: RawRequest) -> Cause | None:
    try:
        await reader.verify(request)
    except Refused as refused:
        return refused.cause
    return None


@settings(max_examples=60)
@given(
    fields=st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8")), max_size=6
    )
)
async def test_what_twilios_library_signs_is_taken(
    tmp_path_factory: pytest.TempPathFactory, fields: dict[str, str]
) -> None:
    (event,) = await receipts(tmp_path_factory.mktemp("tokens")).verify(called(fields | FORM))
    assert (event.ref, event.status) == ("the-ref", StatusName.DELIVERED)


async def test_anything_changed_is_refused(tmp_path: Path) -> None:
    reader, right = receipts(tmp_path), called(FORM)
    assert await cause(reader, right) is None
    changed = [
        right._replace(body=right.body.replace(b"delivered", b"undelivered")),
        right._replace(body=right.body + b"&a=1"),
        right._replace(url=right.url.replace("the-ref", "another"), query="ref=another"),
        right._replace(url=right.url.replace("main", "other")),
        right._replace(headers={}),
        right._replace(headers={"x-twilio-signature": "ü"}),
        right._replace(body=b"\xff\xfe"),
        right._replace(body=b"&".join(b"a=1" for _ in range(300))),
        right._replace(body=right.body + b"&a=" + b"%41" * 30_000),
        called(FORM, token=OTHER),
    ]
    for request in changed:
        assert await cause(reader, request) is Cause.SIGNATURE


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (URL, URL.replace(".com/", ".com:443/")),
        (URL.replace(".com/", ".com:443/"), URL),
        (URL.replace(".com/", ".com:8443/"), URL.replace(".com/", ".com:8443/")),
        (URL.replace(".com/", ".com:8443/"), URL),
    ],
    ids=["it adds the port", "it leaves it out", "another port", "another port, left out"],
)
async def test_ports_are_signed_or_not(tmp_path: Path, ours: str, theirs: str) -> None:
    assert await cause(receipts(tmp_path), called(FORM, url=ours, signed_as=f"{theirs}?ref=the-ref")) is None


async def test_two_tokens_while_one_is_replaced(tmp_path: Path) -> None:
    reader = receipts(tmp_path, OTHER, TOKEN)
    assert await cause(reader, called(FORM)) is None
    assert await cause(reader, called(FORM, token=OTHER)) is None


async def test_signed_and_no_callback_of_a_message(tmp_path: Path) -> None:
    assert await cause(receipts(tmp_path), called({"CallSid": "CA1"})) is Cause.UNREADABLE


@pytest.mark.parametrize(
    ("status", "error", "expected", "reason"),
    [
        ("queued", "", None, None),
        ("sending", "", None, None),
        ("sent", "", None, None),
        ("canceled", "", None, None),
        ("of_a_later_year", "", None, None),
        ("delivered", "", StatusName.DELIVERED, None),
        ("read", "", StatusName.READ, None),
        ("undelivered", "30003", StatusName.UNDELIVERED, Reason.RECIPIENT_REFUSED),
        ("undelivered", "30004", StatusName.UNDELIVERED, Reason.RECIPIENT_REFUSED),
        ("undelivered", "30005", StatusName.UNDELIVERED, Reason.ADDRESS_GONE),
        ("undelivered", "30006", StatusName.UNDELIVERED, Reason.ADDRESS_INVALID),
        ("undelivered", "30007", StatusName.UNDELIVERED, Reason.CONTENT_REFUSED),
        ("undelivered", "30008", StatusName.UNDELIVERED, Reason.PROVIDER_ERROR),
        ("failed", "21610", StatusName.UNDELIVERED, Reason.RECIPIENT_STOPPED),
        ("failed", "99999", StatusName.UNDELIVERED, Reason.PROVIDER_ERROR),
        ("failed", "", StatusName.UNDELIVERED, Reason.PROVIDER_ERROR),
        ("failed", "+4915112345678", StatusName.UNDELIVERED, Reason.PROVIDER_ERROR),
    ],
)
async def test_what_each_status_means(
    tmp_path: Path, status: str, error: str, expected: StatusName | None, reason: Reason | None
) -> None:
    form = FORM | {"MessageStatus": status} | ({"ErrorCode": error} if error else {})
    (event,) = await receipts(tmp_path).verify(called(form))
    code = error if reason and error.isdecimal() else None
    assert event == ProviderEvent(
        ref="the-ref", status=expected, id=event.id, code=code, reason=reason, detail=event.detail
    )
    assert "4915112345678" not in repr(event)


async def test_told_again_it_is_the_same_event_and_another_status_is_another(tmp_path: Path) -> None:
    reader = receipts(tmp_path)
    (first,) = await reader.verify(called(FORM))
    (again,) = await reader.verify(called(FORM | {"RawDlrDoneDate": "2601010000"}))
    (other,) = await reader.verify(called(FORM | {"MessageStatus": "read"}))
    assert first.id == again.id != other.id


async def test_without_a_ref_it_says_so(tmp_path: Path) -> None:
    (event,) = await receipts(tmp_path).verify(called(FORM, query=""))
    assert event.ref is None
