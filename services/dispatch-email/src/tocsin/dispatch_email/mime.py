"""A mail as bytes, put together from parts that are encoded already.

The standard library takes most of a millisecond for this; `bench/mime.py` compares. Its parser must read every mail
back without a defect: `tests/unit/dispatch_email/test_mime.py` proves that for arbitrary content.

Nothing of a message is kept for the next one, since it may be a login code. A cache of encoded lines saved at most 1 of 14 µs where each
mail has a name and a link of its own.

Bodies are quoted-printable UTF-8, so everything but the addresses of SMTPUTF8 is 7-bit ASCII. Lines end in CRLF.
Dots at the start of a line are the business of SMTP.
"""

from binascii import b2a_qp
from collections.abc import Sequence
from email.utils import formatdate
from functools import lru_cache

from tocsin.channel.preparation import File
from tocsin.contracts.jobs import EmailContent, SenderIdentity
from tocsin.dispatch_email.attachment_parts import with_files
from tocsin.dispatch_email.headers import address_field, text_field
from tocsin.dispatch_email.mailboxes import MailAddress, mailbox
from tocsin.dispatch_email.own_headers import ONE_CLICK, NoMail, check_ids, ref_field, unsubscribe_link

_ONE_CLICK = b"List-Unsubscribe-Post: %b\r\n" % ONE_CLICK.encode("ascii")
_TEXT = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
_HTML = b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"


def mail(
    *,
    content: EmailContent,
    sender: SenderIdentity,
    to: MailAddress,
    delivery_id: str,
    notification_id: str,
    unsubscribe_url: str | None,
    ref: str | None = None,
    files: Sequence[File] = (),
    now: float,
) -> bytes:
    """The whole message, headers and body; `now` is the Date in seconds since 1970, `ref` what receipts for it need.

    Raises NoMail, and NoMailbox when an address of the sender is none.
    """
    check_ids(delivery_id, notification_id)
    from_fields, domain = _from_fields(sender.address, sender.name, sender.reply_to)
    identity = delivery_id.encode("ascii")
    body = _body(content, identity)
    if files:
        body = with_files(body, files, identity, shown=content.html is not None)
    return b"".join(
        (
            b"MIME-Version: 1.0\r\nDate: ",
            _date(int(now)),
            b"\r\nMessage-ID: <%b@%b>\r\n" % (identity, domain),
            from_fields,
            b"To: <%b>\r\n" % to.wire,
            text_field(b"Subject", content.subject),
            _unsubscribe_fields(unsubscribe_url) if unsubscribe_url is not None else b"",
            b"X-Tocsin-Notification: %b\r\n" % notification_id.encode("ascii"),
            ref_field(ref) if ref is not None else b"",
            *body,
        )
    )


def quoted_printable(text: str) -> bytes:
    """The text in UTF-8 as quoted-printable lines of at most 76 characters, ended by CRLF; any line end counts as one."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if " \n" in text or "\t\n" in text:
        # b2a_qp makes three characters of a blank at a line's end after it has measured the line, but not at the end of what it is given.
        return b"\r\n".join([_quoted(line) for line in text.split("\n")])
    return _quoted(text)


def _quoted(text: str) -> bytes:
    # An unpaired surrogate is no text: it becomes a question mark.
    return b2a_qp(text.encode("utf-8", "replace")).replace(b"\n", b"\r\n")


def _body(content: EmailContent, identity: bytes) -> Sequence[bytes]:
    text, html = content.text, content.html
    if text is not None and html is not None:
        # Quoted-printable never yields `=_`, so no body can hold the boundary.
        begin, end = b"--=_%b\r\n" % identity, b"\r\n--=_%b--\r\n" % identity
        fields = b'Content-Type: multipart/alternative;\r\n boundary="=_%b"\r\n\r\n' % identity
        return (
            fields,
            begin,
            _TEXT,
            quoted_printable(text),
            b"\r\n",
            begin,
            _HTML,
            quoted_printable(html),
            end,
        )
    if text is not None:
        return _TEXT, quoted_printable(text), b"\r\n"
    if html is not None:
        return _HTML, quoted_printable(html), b"\r\n"
    raise NoMail("the content has neither text nor HTML")


def _unsubscribe_fields(url: str) -> bytes:
    """RFC 2369 and RFC 8058."""
    return b"List-Unsubscribe: %b\r\n%b" % (unsubscribe_link(url).encode("ascii"), _ONE_CLICK)


@lru_cache(maxsize=1024)
def _from_fields(address: str, name: str | None, reply_to: str | None) -> tuple[bytes, bytes]:
    """From and Reply-To of a sender identity, and its domain: the same for all its mails."""
    box = mailbox(address)
    fields = address_field(b"From", box.wire, name)
    if reply_to:
        fields += address_field(b"Reply-To", mailbox(reply_to).wire)
    return fields, box.domain.encode("ascii")


@lru_cache(maxsize=8)
def _date(second: int) -> bytes:
    return formatdate(second).removesuffix("-0000").encode("ascii") + b"+0000"
