"""The Postmark endpoint: `POST /email`, as Postmark documents it, with its codes.

https://postmarkapp.com/developer/api/email-api#send-a-single-email and https://postmarkapp.com/developer/api/overview#error-codes
"""

import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses, parseaddr
from typing import Any
from uuid import uuid4

from .attachments import File, attach, decoded
from .mail_refusals import MailRefusal, is_address, keep
from .mailbox import Mailbox

_FIELDS = {
    "From",
    "To",
    "Cc",
    "Bcc",
    "Subject",
    "Tag",
    "HtmlBody",
    "TextBody",
    "ReplyTo",
    "Headers",
    "TrackOpens",
    "TrackLinks",
    "Metadata",
    "Attachments",
    "MessageStream",
}
_MOST_RECIPIENTS = 50
_MOST_METADATA, _LONGEST_NAME, _LONGEST_VALUE = 10, 20, 80
_INACTIVE = "inactive"
"""Recipients whose name begins so bounced before."""


class PostmarkEndpoint:
    """One server token; without one, everybody is refused."""

    def __init__(self, *, mailbox: Mailbox, server_token: str | None, now: Callable[[], datetime]) -> None:
        self._mailbox = mailbox
        self._server_token = server_token
        self._now = now

    def email(self, *, message: Any, headers: Mapping[str, str]) -> dict[str, Any] | MailRefusal:
        """The answer (status 200), or why not. `message` is the JSON value of the body, None where it is none."""
        given = headers.get("x-postmark-server-token", "")
        if self._server_token is None or not hmac.compare_digest(given.encode(), self._server_token.encode()):
            return _refusal(10, "Request does not contain a valid Server token.", status=401)
        if (refused := _fault(message)) is not None:
            return refused
        recipients = [
            address for _, address in getaddresses([message["To"]]) if not address.startswith(_INACTIVE)
        ]
        _, sender = parseaddr(message["From"])
        try:
            source = _mime(message, now=self._now())
        except (ValueError, TypeError, AttributeError, KeyError):
            return _refusal(300, "Invalid header, address or body.")
        keep(
            self._mailbox,
            source,
            envelope_from=sender,
            recipients=recipients,
            now=self._now,
            provider="postmark",
            custom={name: str(value) for name, value in (message.get("Metadata") or {}).items()},
        )
        return {
            "ErrorCode": 0,
            "Message": "OK",
            "MessageID": str(uuid4()),
            "SubmittedAt": self._now().isoformat(),
            "To": message["To"],
        }


def _fault(message: Any) -> MailRefusal | None:  # noqa: PLR0911 - one for each refusal
    if not isinstance(message, dict):
        return _refusal(402, "Received invalid JSON input.")
    if unknown := message.keys() - _FIELDS:
        return _refusal(403, f"Unknown field: {min(unknown)}.")
    for field, most in (("From", 1), ("To", _MOST_RECIPIENTS)):
        addresses = [address for _, address in getaddresses([str(message.get(field, ""))])]
        if not (1 <= len(addresses) <= most and all(map(is_address, addresses))):
            return _refusal(300, f"Error parsing '{field}': Illegal email address.")
        # Of several, those that are inactive get no mail; it is refused where no other is left.
        if field == "To" and all(address.startswith(_INACTIVE) for address in addresses):
            return _refusal(406, "You tried to send to recipients that have been marked as inactive.")
    if not (message.get("TextBody") or message.get("HtmlBody")):
        return _refusal(300, "Provide either email TextBody or HtmlBody or both.")
    metadata = message.get("Metadata") or {}
    if not isinstance(metadata, dict):
        return _refusal(403, "Metadata must be an object.")
    if len(metadata) > _MOST_METADATA or any(
        len(name) > _LONGEST_NAME or len(str(value)) > _LONGEST_VALUE for name, value in metadata.items()
    ):
        words = "Invalid metadata content. Field names are limited to 20 characters and field values are limited to 80 characters."
        return _refusal(300, words)
    return None


def _mime(message: dict[str, Any], *, now: datetime) -> bytes:
    """The mail that Postmark would make of it. Raises what `email` raises for headers it refuses."""
    mail = EmailMessage(policy=policy.SMTP)
    mail["Date"] = format_datetime(now)
    for name, field in (("From", "From"), ("To", "To"), ("Reply-To", "ReplyTo"), ("Subject", "Subject")):
        if message.get(field):
            mail[name] = message[field]
    for header in message.get("Headers", []):
        mail[header["Name"]] = header["Value"]
    text, html = message.get("TextBody"), message.get("HtmlBody")
    if text:
        mail.set_content(text, cte="quoted-printable")
    if html and text:
        mail.add_alternative(html, subtype="html", cte="quoted-printable")
    elif html:
        mail.set_content(html, subtype="html", cte="quoted-printable")
    attach(mail, map(_file, message.get("Attachments", [])))
    return mail.as_bytes()


def _file(attached: dict[str, str]) -> File:
    """Raises KeyError where a field is missing, ValueError where it is no file."""
    content_id = attached.get("ContentID")
    return File(
        name=attached["Name"],
        kind=attached["ContentType"],
        content=decoded(attached["Content"]),
        content_id=None if content_id is None else content_id.removeprefix("cid:"),
    )


def _refusal(code: int, words: str, *, status: int = 422) -> MailRefusal:
    return MailRefusal(status, {"ErrorCode": code, "Message": words})
