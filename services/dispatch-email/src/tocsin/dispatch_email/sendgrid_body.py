"""A mail as Mail Send takes it: JSON, of which SendGrid makes the message.

What is sent is what goes out by SMTP: the same fields, no name of the recipient, and nothing that SendGrid would add or
rewrite. Tracking is off in every mail, whatever the account's own settings are: they would change links, also the one
that unsubscribes, and tell SendGrid who reads what.
"""

from collections.abc import Sequence
from typing import Any, Final

from tocsin.channel import Rejected
from tocsin.channel.preparation import File
from tocsin.contracts.codec import encode
from tocsin.contracts.jobs import EmailContent, Job, SenderIdentity
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_email.attachment_parts import is_shown
from tocsin.dispatch_email.headers import one_line
from tocsin.dispatch_email.mailboxes import MailAddress, ascii_mailbox
from tocsin.dispatch_email.own_headers import ONE_CLICK, NoMail, check_ids, unsubscribe_link

REF: Final = "tocsin_ref"
"""The custom argument that holds the ref. SendGrid keeps it for long and asks for nothing personal in it: it is sealed."""
LARGEST: Final = 30_000_000
"""Bytes of a whole mail: the documentation says "less than 30MB"."""
_UNTRACKED: Final = {
    "click_tracking": {"enable": False, "enable_text": False},
    "open_tracking": {"enable": False},
    "subscription_tracking": {"enable": False},
    "ganalytics": {"enable": False},
}


def mail_send_body(
    job: Job,
    content: EmailContent,
    sender: SenderIdentity,
    to: MailAddress,
    *,
    ref: str | None = None,
    files: Sequence[File] = (),
) -> bytes | Rejected:
    """The body of `POST /v3/mail/send`, or what SendGrid documents that it refuses. `ref` comes back with each event. Raises NoMail
    and NoMailbox."""
    if to.international:
        detail = "SendGrid takes no recipient with letters outside ASCII before the @."
        return Rejected(reason=Reason.ADDRESS_INVALID, detail=detail)
    message = _message(job, content, sender, to)
    if ref is not None:
        message["custom_args"] = {REF: ref}
    if files:
        message["attachments"] = [_attachment(file, html=bool(content.html)) for file in files]
    body = encode(message)
    if len(body) >= LARGEST:
        detail = f"The mail takes {len(body)} bytes; SendGrid takes less than {LARGEST}. Shorten the template, or attach less."
        return Rejected(reason=Reason.TOO_LARGE, detail=detail)
    return body


def _message(job: Job, content: EmailContent, sender: SenderIdentity, to: MailAddress) -> dict[str, Any]:
    source = ascii_mailbox(sender.address, provider="SendGrid")
    message: dict[str, Any] = {
        "personalizations": [{"to": [{"email": to.wire.decode()}]}],
        "from": {"email": source.wire.decode()},
        "subject": _subject(content.subject),
        "content": _parts(content),
        "headers": _headers(job, source.domain),
        "tracking_settings": _UNTRACKED,
    }
    if sender.name and (name := one_line(_text(sender.name))):
        message["from"]["name"] = name
    if sender.reply_to:
        message["reply_to"] = {"email": ascii_mailbox(sender.reply_to, provider="SendGrid").wire.decode()}
    return message


def _attachment(file: File, *, html: bool) -> dict[str, str]:
    about = file.about
    attachment = {"content": file.base64, "type": about.type, "filename": about.name}
    if about.inline is not None and is_shown(file, html):
        return attachment | {"disposition": "inline", "content_id": about.inline}
    return attachment | {"disposition": "attachment"}


def _subject(subject: str) -> str:
    shown = one_line(_text(subject))
    if not shown:
        raise NoMail("SendGrid takes no mail without a subject")
    return shown


def _parts(content: EmailContent) -> list[dict[str, str]]:
    """Text before HTML, as SendGrid wants it; a part without content is left out, for it refuses one."""
    parts = [
        {"type": kind, "value": _text(value)}
        for kind, value in (("text/plain", content.text), ("text/html", content.html))
        if value
    ]
    if not parts:
        raise NoMail("the content has neither text nor HTML, or both are empty")
    return parts


def _headers(job: Job, domain: str) -> dict[str, str]:
    check_ids(job.delivery_id, job.notification_id)
    headers = {
        "Message-ID": f"<{job.delivery_id}@{domain}>",
        "X-Tocsin-Notification": job.notification_id,
    }
    if job.private.unsubscribe_url is not None:
        headers["List-Unsubscribe"] = unsubscribe_link(job.private.unsubscribe_url)
        headers["List-Unsubscribe-Post"] = ONE_CLICK
    return headers


def _text(text: str) -> str:
    """An unpaired surrogate is no text: it becomes a question mark, as in mails by SMTP."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
