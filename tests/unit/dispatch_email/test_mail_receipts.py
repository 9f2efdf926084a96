"""Reports that mail servers send as mail: DSN, feedback, disposition; and what is none."""

import sys
from base64 import b64encode
from collections import Counter
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path
from quopri import encodestring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

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
    action: str,
    status: str,
    *,
    blocks: int = 1,
    returned: bytes | None = SENT,
    of: str = "message/rfc822",
    final: str = "marked-address@example.org",
) -> bytes:
    block = (
        f"Final-Recipient: rfc822; {final}\n"
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


def fields(*blocks: str, returned: bytes | None = SENT) -> list[ProviderEvent]:
    """What a DSN with these blocks tells."""
    return read_report(
        report("delivery-status", "\n\n".join(["Reporting-MTA: dns; server.example", *blocks]), returned)
    )


def test_a_forwarded_mail_may_come_to_several() -> None:
    assert len(read_report(dsn("failed", "5.1.1", blocks=3))) == 1
    assert len(fields(*(f"Action: failed\nStatus: 5.2.{number}" for number in range(500)))) == 100
    events = fields("Action: delivered\nStatus: 2.0.0", "Action: failed\nStatus: 5.2.2", "Action: delayed")
    assert [event.status for event in events] == [StatusName.DELIVERED, StatusName.BOUNCED, None]
    assert {event.ref for event in events} == {REF}


@pytest.mark.parametrize(
    ("final", "reason"),
    [
        ("marked-address@example.org", Reason.HARD_BOUNCE),
        ("<Marked-Address@Example.ORG>", Reason.HARD_BOUNCE),
        ("", Reason.HARD_BOUNCE),
        ("marked-former-colleague@example.org", Reason.SOFT_BOUNCE),
    ],
)
def test_only_the_recipients_own_address_is_gone_for_good(final: str, reason: Reason) -> None:
    assert only(dsn("failed", "5.1.1", final=final)).reason is reason
    assert only(dsn("failed", "5.7.1", final=final)).reason is Reason.BLOCKED
    assert only(dsn("failed", "5.1.1", final=final, returned=b"X-Tocsin-Ref: " + REF.encode())).reason is (
        Reason.HARD_BOUNCE
    )


@pytest.mark.parametrize(
    ("block", "code"),
    [
        ("Action: failed", None),
        ("Action: failed\nDiagnostic-Code: smtp; 550 5.1.1 marked", "5.1.1"),
        ("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 5.1.1 marked", "5.1.1"),
        ("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 marked", "5.0.0"),
        ("Action: failed\nStatus: 5.2.2 (marked)\nDiagnostic-Code: smtp; 550 5.1.1 marked", "5.2.2"),
        ("Action: FAILED (marked)\nStatus:\n\t5.2.2", "5.2.2"),
        ("X-Action: delivered\nAction: failed\nX-Status: 5.1.1\nStatus: 5.2.2\nStatus: 5.1.1", "5.2.2"),
        (
            "Action: failed\nStatus: 5.2.2\nDiagnostic-Code: smtp; 550 marked \xfc\xfc =?utf-8?q?5=2E1?=",
            "5.2.2",
        ),
    ],
)
def test_the_code_of_a_block(block: str, code: str | None) -> None:
    (event,) = fields(block)
    assert (event.status, event.code) == (StatusName.BOUNCED, code)
    assert "marked" not in repr(event)


def test_reports_about_addresses_in_other_scripts() -> None:
    for plain, wide in (
        (b"message/rfc822", b"message/global"),
        (b"message/rfc822", b"message/global-headers"),
    ):
        raw = (
            dsn("failed", "5.1.1").replace(plain, wide).replace(b"delivery-status", b"global-delivery-status")
        )
        assert (only(raw).ref, only(raw).code) == (REF, "5.1.1")


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_parts_that_are_encoded(encoding: str) -> None:
    content = b"Reporting-MTA: dns; a\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    encoded = b64encode(content) if encoding == "base64" else encodestring(content)
    raw = dsn("failed", "5.1.1")
    begins, ends = (
        raw.index(b"message/delivery-status\r\n"),
        raw.index(b"--b\r\nContent-Type: message/rfc822"),
    )
    part = b"message/delivery-status\r\nContent-Transfer-Encoding: %b\r\n\r\n%b\r\n" % (
        encoding.encode(),
        encoded,
    )
    event = only(raw[:begins] + part + raw[ends:])
    assert (event.ref, event.code) == (REF, "5.1.1")


def test_the_bounce_of_a_bounce_and_a_reply_are_about_no_mail_of_ours() -> None:
    inner = dsn("failed", "5.1.1")
    assert only(dsn("failed", "5.1.1", returned=inner)).ref is None
    quoted = b"> X-Tocsin-Ref: " + REF.encode() + b"\r\n" + SENT
    assert only(b"Subject: Re: yours\r\n\r\n" + quoted).ref is None
    assert only(dsn("failed", "5.1.1", returned=b"Subject: Re: yours\r\n\r\n" + quoted)).ref is None
    attached = report("delivery-status", "Action: failed\nStatus: 5.1.1", quoted, of="text/plain")
    assert only(attached).ref is None


def test_a_mail_that_was_cut_short_or_comes_from_an_mbox_is_read() -> None:
    large = dsn("failed", "5.1.1", returned=SENT + b"marked-body\r\n" * 100_000)
    assert only(large[:1_000_000]).ref == REF
    assert only(b"From MAILER-DAEMON Wed Dec 31 23:59:53 2025\r\n" + large[:1_000_000]).ref == REF


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
    assert (event.ref, event.status, event.automated) == (REF, status, "automatic-action" in disposition)


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


MIB = 1024 * 1024
HEAD = b'Content-Type: multipart/report; boundary="b"\r\n'
PART = b"--b\r\nContent-Type: text/plain\r\n\r\n"
DSN_PART = b"--b\r\nContent-Type: message/delivery-status\r\n"
HOSTILE = {
    "many parts": HEAD + b"\r\n" + b"--b\r\n\r\n" * 40_000,
    "many lines that are nearly a boundary": HEAD + b"\r\n" + b"--bb\r\n" * 40_000,
    "a long head": b"X: y\r\n" * 150_000 + HEAD,
    "many fields": b"a:\n" * 20_000 + HEAD,
    "one long field": HEAD + b"X: " + b"y" * MIB,
    "a folded field": HEAD + b"X: y" + b"\r\n " * 30_000,
    "a long Content-Type": b"Content-Type: multipart/report" + b';";"' * 16_000 + b"\r\n\r\n",
    "a part with a long head": HEAD + b"\r\n--b\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
    "a report of many fields": HEAD + b"\r\n" + DSN_PART + b"\r\n" + b"a:\n" * 20_000,
    "a report of many blocks": HEAD + b"\r\n" + DSN_PART + b"\r\n" + b"Action: failed\n\n" * 40_000,
    "a report that is packed": HEAD
    + b"\r\n"
    + DSN_PART
    + b"Content-Transfer-Encoding: base64\r\n\r\n"
    + b"QUFB" * 200_000,
    "headers that came back": HEAD
    + b"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
    + b"X: y\r\n" * 100_000,
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_what_is_beyond_a_bound_is_refused(raw: bytes) -> None:
    assert refused_for(raw[:MIB]) is Cause.UNREADABLE


NESTED = {
    "mails within mails": b"Content-Type: message/rfc822\r\n\r\n" * 30_000,
    "multiparts within multiparts": b"".join(
        b'Content-Type: multipart/report; boundary="%d"\r\n\r\n--%d\r\n' % (level, level)
        for level in range(18_000)
    ),
    "comments within comments": dsn("failed", "5.1.1", final="(" * 20_000),
    "a long date": b"Date: " + b"1 " * 20_000 + b"\r\n" + dsn("failed", "5.1.1"),
    "many brackets": dsn("failed", "5.1.1", returned=b"To: " + b"<" * 50_000 + b">\r\n" + HEADERS),
}


@pytest.mark.parametrize("raw", [*HOSTILE.values(), *NESTED.values()], ids=[*HOSTILE, *NESTED])
def test_no_mail_costs_more_steps_than_a_fixed_number(raw: bytes) -> None:
    """Counted as calls of functions, Python's and C's: none of ours takes longer than in proportion to what it is given."""
    calls = Counter[str]()

    def count(_frame: object, event: str, _what: object) -> None:
        calls[event] += 1

    sys.setprofile(count)
    try:
        refused_for(raw[:MIB])
    finally:
        sys.setprofile(None)
    assert calls["call"] < 3_000
    assert calls["c_call"] < 30_000


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


NEW, OLD = "new-token-" + "n" * 22, "old-token-" + "o" * 22


async def test_only_who_shows_a_token_may_hand_over(tmp_path: Path) -> None:
    reader = receipts(tmp_path, NEW, OLD)
    for right in (f"Bearer {NEW}", f"bearer  {OLD}"):
        assert await cause(reader, right) is None
    for wrong in (
        None,
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {NEW[:-1]}",
        f"Basic {NEW}",
        NEW,
        f"Bearer{NEW}",
        "Bearer ü",
    ):
        assert await cause(reader, wrong) is Cause.SIGNATURE
    assert await cause(reader, f"Bearer {NEW}", path="") is Cause.UNREADABLE


@pytest.mark.parametrize(
    ("token", "sentence"),
    [("short", "a token of 32 characters"), ("t" * 16 + " " + "t" * 16, "a single word"), (" ", "is empty")],
)
def test_a_file_that_holds_no_token(tmp_path: Path, token: str, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        receipts(tmp_path, token)


@pytest.mark.parametrize("code", [None, "", "5.1.0", "5.0.0", "5.2.1", "4.1.1", "2.0.0"])
def test_what_a_code_does_not_say_clearly_costs_no_address_its_mail(code: str | None) -> None:
    assert bounce_class(code) is Reason.SOFT_BOUNCE


def test_the_ref_stands_in_the_mail_in_lines_that_anything_carries() -> None:
    assert max(map(len, HEADERS.split(b"\r\n"))) <= 76
    field = message_from_bytes(SENT)["X-Tocsin-Ref"]
    assert "".join(field.split()) == REF
