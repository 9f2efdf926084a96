"""A mail as Postmark takes it: JSON, of which Postmark makes the message
(https://postmarkapp.com/developer/api/email-api#send-a-single-email).

What is sent is what goes out by SMTP: the same fields, no name of the recipient, our Message-ID. Tracking is off in every mail, whatever
the server's settings are: it would change links, also the one that unsubscribes, and tell Postmark who reads what.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from tocsin.channel import Rejected
from tocsin.channel.preparation import File
from tocsin.channel.ref import pieces
from tocsin.contracts.codec import encode
from tocsin.contracts.jobs import EmailContent, Job, SenderIdentity
from tocsin.dispatch_email.ascii_mail import too_large, unknown_letters
from tocsin.dispatch_email.attachment_parts import is_shown
from tocsin.dispatch_email.headers import one_line
from tocsin.dispatch_email.mailboxes import MailAddress, ascii_mailbox
from tocsin.dispatch_email.own_headers import ONE_CLICK, NoMail, check_ids, unsubscribe_link

LARGEST: Final = 10_000_000
"""Bytes of a request: https://postmarkapp.com/developer/api/overview says 10 MB."""
LARGEST_PART: Final = 5_000_000
"""Bytes of the text, and of the HTML: https://postmarkapp.com/support/article/1056 says 5 MB each."""
REF: Final = "tocsin_ref_{}"
"""The names of the metadata that hold the ref, in the order of its pieces, from 0. Postmark keeps and shows them: it is sealed."""
LONGEST_VALUE: Final = 80
"""Characters of a value of the metadata, which has ten at most: https://postmarkapp.com/support/article/1125-custom-metadata-faq."""
_QUOTED: Final = re.compile(r'([\\"])')


def email_body(
    job: Job,
    content: EmailContent,
    sender: SenderIdentity,
    to: MailAddress,
    *,
    stream: str,
    ref: str | None = None,
    files: Sequence[File] = (),
) -> bytes | Rejected:
    """The body of `POST /email`, or what Postmark documents that it refuses. `ref` comes back with each event. Raises NoMail and
    NoMailbox."""
    if (refusal := unknown_letters(to, provider="Postmark")) is not None:
        return refusal
    message = _message(job, content, sender, to, stream)
    if ref is not None:
        message["Metadata"] = {
            REF.format(place): piece for place, piece in enumerate(pieces(ref, LONGEST_VALUE))
        }
    for part in ("TextBody", "HtmlBody"):
        size = len(message.get(part, "").encode())
        if (refusal := too_large(size, provider="Postmark", largest=LARGEST_PART)) is not None:
            return refusal
    if files:
        message["Attachments"] = [_attachment(file, html=bool(content.html)) for file in files]
    body = encode(message)
    return too_large(len(body), provider="Postmark", largest=LARGEST) or body


def _message(
    job: Job, content: EmailContent, sender: SenderIdentity, to: MailAddress, stream: str
) -> dict[str, Any]:
    source = ascii_mailbox(sender.address, provider="Postmark")
    message: dict[str, Any] = {
        "From": _from(source, sender.name),
        "To": to.wire.decode(),
        "Subject": one_line(_text(content.subject)),
        **_parts(content),
        "Headers": _headers(job, source.domain),
        "MessageStream": stream,
        "TrackOpens": False,
        "TrackLinks": "None",
    }
    if sender.reply_to:
        message["ReplyTo"] = ascii_mailbox(sender.reply_to, provider="Postmark").wire.decode()
    return message


def _attachment(file: File, *, html: bool) -> dict[str, str]:
    """`ContentID` makes it inline: https://postmarkapp.com/developer/user-guide/send-email-with-api#inline-images."""
    about = file.about
    attachment = {"Name": about.name, "Content": file.base64, "ContentType": about.type}
    return attachment | {"ContentID": f"cid:{about.inline}"} if is_shown(file, html) else attachment


def _from(source: MailAddress, name: str | None) -> str:
    """The address, with the name as a quoted string: so no character of it means anything."""
    address, shown = source.wire.decode(), one_line(_text(name)) if name else ""
    quoted = _QUOTED.sub(r"\\\1", shown)
    return f'"{quoted}" <{address}>' if shown else address


def _parts(content: EmailContent) -> dict[str, str]:
    """Text and HTML; Postmark refuses a mail without either."""
    given = {"TextBody": content.text, "HtmlBody": content.html}
    parts = {name: _text(value) for name, value in given.items() if value}
    if not parts:
        raise NoMail("the content has neither text nor HTML, or both are empty")
    return parts


def _headers(job: Job, domain: str) -> list[dict[str, str]]:
    check_ids(job.delivery_id, job.notification_id)
    headers = {
        "Message-ID": f"<{job.delivery_id}@{domain}>",
        "X-PM-KeepID": "true",  # else Postmark makes a Message-ID of its own
        "X-Tocsin-Notification": job.notification_id,
    }
    if job.private.unsubscribe_url is not None:
        headers["List-Unsubscribe"] = unsubscribe_link(job.private.unsubscribe_url)
        headers["List-Unsubscribe-Post"] = ONE_CLICK
    return [{"Name": name, "Value": value} for name, value in headers.items()]


def _text(text: str) -> str:
    """An unpaired surrogate is no text: it becomes a question mark, as in mails by SMTP."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
