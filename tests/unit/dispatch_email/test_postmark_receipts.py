"""Postmark's webhooks: whoever knows the login is heard, and nobody else; what each record means."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.unit.dispatch_email.test_postmark_body import sent

from tocsin.channel.receipts import Cause, ProviderEvent, RawRequest, Refused
from tocsin.channel.ref import MOST_CHARS
from tocsin.contracts.jobs import EmailContent
from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.dispatch_email.postmark_receipts import (
    POSTMARK_RECEIPTS,
    PostmarkReceipts,
    PostmarkReceiptsConfig,
)
from tocsin.testing import ManualClock

LOGIN, OTHER = "tocsin:" + "a" * 32, "tocsin:" + "b" * 32
AT = datetime(2019, 11, 5, 16, 33, 54, 907025, tzinfo=UTC)
# As https://postmarkapp.com/developer/webhooks/bounce-webhook and its neighbours show them.
MESSAGE: dict[str, Any] = {
    "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483", "ServerID": 23, "MessageStream": "outbound", "Tag": "marked",
    "Metadata": {"tocsin_ref_1": "ref", "tocsin_ref_0": "the-", "marked": "marked"},
}  # fmt: skip
TIME = "2019-11-05T16:33:54.9070259Z"
BOUNCE = MESSAGE | {
    "RecordType": "Bounce", "ID": 4323372036854775807, "Type": "HardBounce", "TypeCode": 1, "Name": "Hard bounce",
    "Description": "The server was unable to deliver your message (ex: unknown user).",
    "Details": "smtp;550 5.1.1 <marked@example.org> does not exist", "Email": "marked@example.org", "From": "shop@example.com",
    "BouncedAt": TIME, "DumpAvailable": True, "Inactive": True, "CanActivate": True, "Subject": "marked", "Content": "marked",
}  # fmt: skip
DELIVERY = MESSAGE | {
    "RecordType": "Delivery", "Recipient": "marked@example.org", "DeliveredAt": TIME, "Details": "marked 250 2.0.0 OK",
}  # fmt: skip
OPEN = MESSAGE | {
    "RecordType": "Open", "FirstOpen": True, "Recipient": "marked@example.org", "ReceivedAt": TIME, "UserAgent": "marked",
    "Client": {"Name": "marked"}, "OS": {}, "Platform": "marked", "Geo": {"IP": "192.0.2.1"},
}  # fmt: skip
CLICK = OPEN | {"RecordType": "Click", "OriginalLink": "https://marked.example/", "ClickLocation": "HTML"}
COMPLAINT = BOUNCE | {"RecordType": "SpamComplaint", "Type": "SpamComplaint", "TypeCode": 100_001}
CHANGE = MESSAGE | {
    "RecordType": "SubscriptionChange", "ChangedAt": TIME, "Recipient": "marked@example.org", "Origin": "Recipient",
    "SuppressSending": True, "SuppressionReason": "ManualSuppression",
}  # fmt: skip


def receipts(folder: Path, *logins: str) -> PostmarkReceipts:
    files = []
    for number, login in enumerate(logins or (LOGIN,)):
        (folder / f"login-{number}").write_text(f"{login}\n")
        files.append(f"login-{number}")
    config = PostmarkReceiptsConfig.model_validate({"login_files": files}, context={"folder": folder})
    return PostmarkReceipts(config, ManualClock(AT))


def called(body: bytes | dict[str, Any], *, login: str | None = LOGIN, scheme: str = "Basic") -> RawRequest:
    """As a client calls `https://<login>@…`."""
    headers = {} if login is None else {"authorization": f"{scheme} {b64encode(login.encode()).decode()}"}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return RawRequest("https://x.example/callbacks/pm", "", "", headers, raw)


async def cause(reader: PostmarkReceipts, request: RawRequest) -> Cause | None:
    try:
        await reader.verify(request)
    except Refused as refused:
        return refused.cause
    return None


@pytest.mark.parametrize(
    ("login", "scheme"),
    [
        (None, "Basic"),
        (OTHER, "Basic"),
        (LOGIN[:-1], "Basic"),
        (LOGIN + "a", "Basic"),
        ("", "Basic"),
        (LOGIN, "Bearer"),
        ("ü", "Basic"),
    ],
)
async def test_other_logins_are_refused(tmp_path: Path, login: str | None, scheme: str) -> None:
    request = called(DELIVERY, login=login, scheme=scheme)
    assert await cause(receipts(tmp_path), request) is Cause.SIGNATURE


async def test_no_base64_is_no_login(tmp_path: Path) -> None:
    request = called(DELIVERY)._replace(headers={"authorization": f"Basic {LOGIN} ü"})
    assert await cause(receipts(tmp_path), request) is Cause.SIGNATURE


async def test_a_client_that_is_given_the_url_logs_in(tmp_path: Path) -> None:
    """httpx makes the header of the URL, as Postmark does."""
    requests: list[httpx.Request] = []

    def taken(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200)

    async with httpx.AsyncClient(transport=httpx.MockTransport(taken)) as client:
        await client.post(f"https://{LOGIN}@callbacks.example.com/callbacks/pm", json=DELIVERY)
    headers = {name.lower(): value for name, value in requests[0].headers.items()}
    (event,) = await receipts(tmp_path).verify(called(DELIVERY)._replace(headers=headers))
    assert event.status is StatusName.DELIVERED


async def test_two_logins_while_one_is_replaced(tmp_path: Path) -> None:
    reader = receipts(tmp_path, OTHER, LOGIN)
    assert await cause(reader, called(DELIVERY)) is None
    assert await cause(reader, called(DELIVERY, login=OTHER)) is None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"no json", b"{}", b'{"RecordType": 1}', b"[" * 200_000, b'{"RecordType": "\xff"}']
)
async def test_what_is_no_record_is_unreadable(tmp_path: Path, body: bytes) -> None:
    assert await cause(receipts(tmp_path), called(body)) is Cause.UNREADABLE


def bounce(kind: str, details: str = "") -> dict[str, Any]:
    return BOUNCE | {"Type": kind, "Details": details}


MEANINGS: list[tuple[dict[str, Any], StatusName | None, str | None, Reason | None]] = [
    (DELIVERY, StatusName.DELIVERED, None, None),
    (OPEN, StatusName.OPENED, None, None),
    (CLICK, StatusName.CLICKED, None, None),
    (COMPLAINT, StatusName.COMPLAINED, None, None),
    (BOUNCE, StatusName.BOUNCED, "5.1.1", Reason.HARD_BOUNCE),
    (bounce("HardBounce"), StatusName.BOUNCED, None, Reason.HARD_BOUNCE),
    (bounce("SoftBounce", "smtp;452 4.2.2 marked is full"), StatusName.BOUNCED, "4.2.2", Reason.SOFT_BOUNCE),
    (bounce("DnsError"), StatusName.BOUNCED, None, Reason.SOFT_BOUNCE),
    (bounce("Unknown"), StatusName.BOUNCED, None, Reason.SOFT_BOUNCE),
    (bounce("Blocked", "554 5.7.1 marked"), StatusName.BOUNCED, "5.7.1", Reason.BLOCKED),
    (bounce("DMARCPolicy"), StatusName.BOUNCED, None, Reason.BLOCKED),
    (bounce("SpamNotification"), StatusName.BOUNCED, None, Reason.BLOCKED),
    (bounce("VirusNotification"), StatusName.BOUNCED, None, Reason.BLOCKED),
    (bounce("SpamComplaint"), StatusName.COMPLAINED, None, None),
    (bounce("Unsubscribe"), StatusName.UNSUBSCRIBED, None, None),
    (bounce("BadEmailAddress"), StatusName.UNDELIVERED, None, Reason.ADDRESS_INVALID),
    (bounce("ManuallyDeactivated"), StatusName.UNDELIVERED, None, Reason.PROVIDER_SUPPRESSED),
    (bounce("SMTPApiError"), StatusName.UNDELIVERED, None, Reason.PROVIDER_ERROR),
    (bounce("Transient", "451 4.7.1 marked"), None, None, None),
    (bounce("AutoResponder"), None, None, None),
    (bounce("OfALaterYear"), None, None, None),
    (CHANGE, StatusName.UNSUBSCRIBED, None, None),
    (CHANGE | {"Origin": "Customer"}, None, None, None),
    (CHANGE | {"SuppressionReason": "HardBounce"}, None, None, None),
    (CHANGE | {"SuppressionReason": "SpamComplaint"}, None, None, None),
    (CHANGE | {"SuppressSending": False, "SuppressionReason": None, "Tag": None}, None, None, None),
    (MESSAGE | {"RecordType": "Inbound", "ReceivedAt": TIME}, None, None, None),
]


@pytest.mark.parametrize(("record", "status", "code", "reason"), MEANINGS, ids=range(len(MEANINGS)))
async def test_what_each_record_means_and_that_nothing_else_of_it_is_kept(
    tmp_path: Path, record: dict[str, Any], status: StatusName | None, code: str | None, reason: Reason | None
) -> None:
    (told,) = await receipts(tmp_path).verify(called(record))
    assert told == ProviderEvent(
        ref="the-ref", status=status, id=told.id, at=AT, code=code, reason=reason, detail=told.detail
    )
    assert (told.detail is None) is (reason is None)
    assert "marked" not in repr(told)
    assert len(told.id) == 64


async def test_told_again_it_is_the_same_event_and_another_is_another(tmp_path: Path) -> None:
    reader = receipts(tmp_path)
    ids = []
    for record in (
        OPEN,
        OPEN,
        OPEN | {"ReceivedAt": "2019-11-05T16:33:55Z"},
        CLICK,
        BOUNCE,
        BOUNCE | {"ID": 1},
    ):
        (event,) = await reader.verify(called(record))
        ids.append(event.id)
    assert ids[0] == ids[1]
    assert len(set(ids)) == 5


@pytest.mark.parametrize("metadata", [{}, None, {"tocsin_ref_1": "a"}, {"tocsin_ref_0": 1}])
async def test_without_a_ref_it_says_so(tmp_path: Path, metadata: Any) -> None:
    (event,) = await receipts(tmp_path).verify(called(CHANGE | {"Metadata": metadata, "MessageID": None}))
    assert event.ref is None


@pytest.mark.parametrize("time", ["soon", "2019-11-05T16:33:54", "9999-12-31T23:59:59-23:59", ""])
async def test_a_time_that_is_none_costs_no_receipt(tmp_path: Path, time: str) -> None:
    (event,) = await receipts(tmp_path).verify(called(DELIVERY | {"DeliveredAt": time}))
    assert (event.status, event.at) == (StatusName.DELIVERED, None)


@settings(max_examples=50, deadline=None)
@given(ref=st.text("abcXYZ019-_", min_size=1, max_size=MOST_CHARS))
async def test_a_ref_of_any_length_comes_back_as_it_was_sent(
    tmp_path_factory: pytest.TempPathFactory, ref: str
) -> None:
    message = sent(EmailContent(subject="s", text="t"), ref=ref)
    assert isinstance(message, dict)
    (event,) = await receipts(tmp_path_factory.mktemp("logins")).verify(
        called(DELIVERY | {"Metadata": message["Metadata"]})
    )
    assert event.ref == ref


@pytest.mark.parametrize(
    "login",
    [
        "no-password",
        "a:short",
        "a:" + "b" * 23,
        "a:" + "b" * 24 + "@",
        ":" + "b" * 32,
        "two words:" + "b" * 32,
    ],
)
def test_a_file_that_holds_no_login(tmp_path: Path, login: str) -> None:
    with pytest.raises(ValidationError, match="the file must hold `name:password`") as invalid:
        receipts(tmp_path, login)
    assert login not in str(invalid.value.errors(include_input=False)[0]["msg"])


@pytest.mark.parametrize("count", [0, 3])
def test_one_login_or_two(tmp_path: Path, count: int) -> None:
    (tmp_path / "login").write_text(LOGIN)
    with pytest.raises(ValidationError):
        PostmarkReceiptsConfig.model_validate(
            {"login_files": ["login"] * count}, context={"folder": tmp_path}
        )


def test_the_kind_says_which_statuses_it_tells() -> None:
    assert POSTMARK_RECEIPTS.tells == {status for _, status, _, _ in MEANINGS if status is not None}
