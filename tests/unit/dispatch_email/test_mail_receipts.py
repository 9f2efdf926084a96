"""Reports that mail servers send as mail: DSN, feedback, disposition; and what is none."""

from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.channel.receipts import Cause, ProviderEvent, RawRequest, Refused
from tocsin.channel.ref import RefKey, Refs
from tocsin.contracts.jobs import EmailContent, SenderIdentity
from tocsin.contracts.vocabulary import Channel, Reason, StatusName
from tocsin.dispatch_email.bounces import bounce_class
from tocsin.dispatch_email.mail_receipts import MailReceipts, MailReceiptsConfig, read_report
from tocsin.dispatch_email.mailboxes import mailbox
from tocsin.dispatch_email.mime import mail
from tocsin.testing import ManualClock
from tocsin.testing.jobs import job_for

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AT = datetime(2025, 12, 31, 23, 59, 53, tzinfo=UTC)
REFS = Refs([RefKey("1", "k" * 32)], channel=Channel.EMAIL, instance="primary")
JOB = job_for(Channel.EMAIL)
REF = REFS.seal(JOB) or ""
SENT = mail(
    content=EmailContent(subject="marked-body", text="marked-body"),
    sender=SenderIdentity(address="shop@example.com"),
    to=mailbox("marked-address@example.org"),
    delivery_id=JOB.delivery_id,
    notification_id=JOB.notification_id,
    unsubscribe_url=None,
    ref=REF,
    now=NOW.timestamp(),
)
HEADERS = SENT.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def report(kind: str, fields: str, returned: bytes | None = SENT, of: str = "message/rfc822") -> bytes:
    """A multipart/report as mail servers write it; `fields` are those of its machine-readable part."""
    parts = [
        b"Content-Type: text/plain\r\n\r\nmarked-body: the mail for <marked-address@example.org> came back.\r\n",
        f"Content-Type: message/{kind}\r\n\r\n{fields}\r\n".replace("\r\n", "\n")
        .replace("\n", "\r\n")
        .encode(),
    ]
    if returned is not None:
        parts.append(f"Content-Type: {of}\r\n\r\n".encode() + returned)
    head = (
        f'Content-Type: multipart/report; report-type={kind}; boundary="b"\r\nDate: Wed, 31 Dec 2025 23:59:53 +0000\r\n'
        "From: MAILER-DAEMON@example.net\r\nTo: shop@example.com\r\nSubject: Undelivered Mail Returned to Sender\r\n\r\n"
    )
    return head.encode() + b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


def dsn(
    action: str, status: str, *, blocks: int = 1, returned: bytes | None = SENT, of: str = "message/rfc822"
) -> bytes:
    block = (
        "Final-Recipient: rfc822; marked-address@example.org\n"
        f"Action: {action}\nStatus: {status}\nDiagnostic-Code: smtp; 550 {status} <marked-address@example.org> marked-body\n"
    )
    whole = "Reporting-MTA: dns; server.example\nArrival-Date: Wed, 31 Dec 2025 23:59:00 +0000\n"
    return report("delivery-status", "\n".join([whole, *[block] * blocks]), returned, of)


def only(raw: bytes) -> ProviderEvent:
    (event,) = read_report(raw)
    assert "marked" not in repr(event)
    return event


@pytest.mark.parametrize(
    ("action", "code", "status", "reason"),
    [
        ("failed", "5.1.1", StatusName.BOUNCED, Reason.HARD_BOUNCE),
        ("Failed", "5.1.10", StatusName.BOUNCED, Reason.HARD_BOUNCE),
        ("failed", "5.2.2", StatusName.BOUNCED, Reason.SOFT_BOUNCE),
        ("failed", "4.4.7", StatusName.BOUNCED, Reason.SOFT_BOUNCE),
        ("failed", "5.0.0", StatusName.BOUNCED, Reason.SOFT_BOUNCE),
        ("failed", "5.7.1", StatusName.BOUNCED, Reason.BLOCKED),
        ("delivered", "2.0.0", StatusName.DELIVERED, None),
        ("delayed", "4.4.1", None, None),
        ("relayed", "2.0.0", None, None),
        ("expanded", "2.0.0", None, None),
        ("of a later year", "2.0.0", None, None),
    ],
)
def test_a_delivery_status(action: str, code: str, status: StatusName | None, reason: Reason | None) -> None:
    event = only(dsn(action, code))
    assert (event.ref, event.at, event.status, event.reason) == (REF, AT, status, reason)
    assert event.code == (code if reason else None)
    assert (event.detail is None) is (reason is None)


@pytest.mark.parametrize("of", ["text/rfc822-headers", "message/rfc822-headers"])
def test_headers_alone_are_enough(of: str) -> None:
    assert only(dsn("failed", "5.1.1", returned=HEADERS, of=of)).ref == REF


def test_without_returned_headers_nothing_is_guessed() -> None:
    assert only(dsn("failed", "5.1.1", returned=None)).ref is None
    other = SENT.replace(b"X-Tocsin-Ref:", b"X-Other:")
    assert only(dsn("failed", "5.1.1", returned=other)).ref is None
    in_the_report = b"X-Tocsin-Ref: " + REF.encode() + b"\r\n" + dsn("failed", "5.1.1", returned=None)
    assert only(in_the_report).ref is None


def test_the_ref_survives_how_servers_fold_headers() -> None:
    assert REFS.open(str(only(dsn("failed", "5.1.1")).ref)) is not None
    unfolded = SENT.replace(b"\r\n ", b" ")
    assert only(dsn("failed", "5.1.1", returned=unfolded)).ref == REF
    by_tabs = SENT.replace(b"\r\n ", b"\r\n\t")
    assert only(dsn("failed", "5.1.1", returned=by_tabs)).ref == REF
    with_line_feeds = dsn("failed", "5.1.1").replace(b"\r\n", b"\n")
    assert only(with_line_feeds).ref == REF


def test_the_same_report_is_the_same_event() -> None:
    first, again, other = (
        only(dsn(*words)) for words in (("failed", "5.1.1"), ("failed", "5.1.1"), ("failed", "5.2.2"))
    )
    assert first.id == again.id != other.id


def test_a_forwarded_mail_may_come_to_several() -> None:
    events = read_report(dsn("failed", "5.1.1", blocks=3))
    assert [event.id for event in events] == [events[0].id] * 3
    assert len(read_report(dsn("failed", "5.1.1", blocks=500))) == 100


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("abuse", StatusName.COMPLAINED), ("fraud", StatusName.COMPLAINED), ("virus", StatusName.COMPLAINED),
        ("opt-out", StatusName.UNSUBSCRIBED), ("opt-out-list", StatusName.UNSUBSCRIBED),
        ("not-spam", None), ("other", None), ("auth-failure", None), ("", None),
    ],
)  # fmt: skip
def test_feedback(kind: str, status: StatusName | None) -> None:
    fields = f"Feedback-Type: {kind}\nUser-Agent: SomeGenerator/1.0\nVersion: 1\nOriginal-Rcpt-To: <marked-address@example.org>\n"
    event = only(report("feedback-report", fields))
    assert (event.ref, event.status) == (REF, status)


@pytest.mark.parametrize(
    ("disposition", "status"),
    [
        ("manual-action/MDN-sent-manually; displayed", StatusName.READ),
        ("automatic-action/MDN-sent-automatically; displayed/error", StatusName.READ),
        ("automatic-action/MDN-sent-automatically; deleted", None),
        ("manual-action/MDN-sent-manually; dispatched", None),
        ("", None),
    ],
)
def test_disposition(disposition: str, status: StatusName | None) -> None:
    fields = f"Reporting-UA: joes-pc; Foomail 97.1\nFinal-Recipient: rfc822;marked-address@example.org\nDisposition: {disposition}\n"
    event = only(report("disposition-notification", fields))
    assert (event.ref, event.status) == (REF, status)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"Subject: I am on holiday\r\nAuto-Submitted: auto-replied\r\n\r\nmarked-body",
        SENT,
        b"Content-Type: multipart/report; boundary=b\r\n\r\nno parts",
        b'Content-Type: multipart/report; boundary="b"\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n--b--\r\n',
        b"\xff\xfe\x00",
    ],
    ids=range(6),
)
def test_what_is_no_report_changes_nothing(raw: bytes) -> None:
    event = only(raw)
    assert (event.ref, event.status) == (None, None)


@settings(max_examples=150)
@given(
    st.one_of(
        st.binary(max_size=2000), st.binary(max_size=300).map(lambda noise: dsn("failed", "5.1.1") + noise)
    )
)
def test_nothing_raises_what_is_not_meant_for_the_caller(raw: bytes) -> None:
    assert refused_for(raw) in {None, Cause.UNREADABLE}


def test_mails_within_mails_are_refused() -> None:
    nested = b"Content-Type: message/rfc822\r\n\r\n" * 20_000
    assert refused_for(nested) in {None, Cause.UNREADABLE}


def refused_for(raw: bytes) -> Cause | None:
    try:
        read_report(raw)
    except Refused as refused:
        return refused.cause
    return None


def receipts(folder: Path, *tokens: str) -> MailReceipts:
    files = []
    for number, token in enumerate(tokens):
        (folder / f"token-{number}").write_text(token)
        files.append(f"token-{number}")
    config = MailReceiptsConfig.model_validate({"token_files": files}, context={"folder": folder})
    return MailReceipts(config, ManualClock(NOW))


async def cause(reader: MailReceipts, authorization: str | None, path: str = "mail") -> Cause | None:
    headers = {} if authorization is None else {"authorization": authorization}
    try:
        await reader.verify(RawRequest("https://x.example", path, "", headers, dsn("failed", "5.1.1")))
    except Refused as refused:
        return refused.cause
    return None


async def test_only_who_shows_a_token_may_hand_over(tmp_path: Path) -> None:
    reader = receipts(tmp_path, "new-token", "old-token")
    for right in ("Bearer new-token", "bearer old-token"):
        assert await cause(reader, right) is None
    for wrong in (None, "", "Bearer", "Bearer ", "Bearer other", "Basic new-token", "new-token", "Bearer ü"):
        assert await cause(reader, wrong) is Cause.SIGNATURE
    assert await cause(reader, "Bearer new-token", path="") is Cause.UNREADABLE


@pytest.mark.parametrize("code", [None, "", "5.1.0", "5.0.0", "5.2.1", "4.1.1", "2.0.0"])
def test_what_a_code_does_not_say_clearly_costs_no_address_its_mail(code: str | None) -> None:
    assert bounce_class(code) is Reason.SOFT_BOUNCE


def test_the_ref_stands_in_the_mail_in_lines_that_anything_carries() -> None:
    assert max(map(len, HEADERS.split(b"\r\n"))) <= 76
    field = message_from_bytes(SENT)["X-Tocsin-Ref"]
    assert "".join(field.split()) == REF
