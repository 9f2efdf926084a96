"""The SendGrid endpoint: `POST /v3/mail/send`, as SendGrid documents it (https://www.twilio.com/docs/sendgrid/api-reference/mail-send)."""

import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from typing import Any, Final
from uuid import uuid4

from .attachments import File, attach, decoded
from .mail_refusals import MailRefusal, is_address, keep
from .mailbox import Mailbox

_KNOWN: Final = {
    *("personalizations", "from", "reply_to", "reply_to_list", "subject", "content", "attachments"),
    *("template_id", "headers", "categories", "custom_args", "send_at", "batch_id", "asm", "ip_pool_name"),
    *("mail_settings", "tracking_settings", "sections"),
}
_RESERVED: Final = {
    *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"),
    *("to", "from", "subject", "reply-to", "cc", "bcc"),
}
"""Headers that a mail may not bring itself."""
_MOST_PERSONALIZATIONS, _LONGEST_ARGUMENTS = 1000, 10_000
_PARTS: Final = ("text/plain", "text/html")

Fault = tuple[str, str]
"""The field, and SendGrid's sentence about it."""


class SendGridEndpoint:
    """One API key; without one, everybody is refused."""

    def __init__(self, *, mailbox: Mailbox, api_key: str | None, now: Callable[[], datetime]) -> None:
        self._mailbox = mailbox
        self._api_key = api_key
        self._now = now

    def send(self, *, message: Any, headers: Mapping[str, str]) -> str | MailRefusal:
        """The id of the message (status 202), or why not. `message` is the JSON value of the body, None where it is none."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        known = self._api_key is not None and hmac.compare_digest(given.encode(), self._api_key.encode())
        if scheme.lower() != "bearer" or not known:
            words = "The provided authorization grant is invalid, expired, or revoked"
            return _refusal(401, ("", words))
        if not isinstance(message, dict):
            return _refusal(400, ("", "Bad Request"))
        try:
            found = list(_faults(message))
            source = b"" if found else _mime(message, now=self._now())
        except (ValueError, TypeError, AttributeError, KeyError):
            return _refusal(400, ("", "Bad Request"))
        if found:
            return _refusal(400, *found)
        for block in message["personalizations"]:
            keep(
                self._mailbox,
                source,
                envelope_from=message["from"]["email"],
                recipients=[box["email"] for box in block["to"]],
                now=self._now,
                provider="sendgrid",
                custom={name: str(value) for name, value in message.get("custom_args", {}).items()},
            )
        return uuid4().hex


def _faults(message: dict[str, Any]) -> Iterator[Fault]:
    """Everything that is refused. Raises what a value of another shape raises."""
    for name in sorted(message.keys() - _KNOWN):
        yield name, "Additional property is not allowed"
    yield from _recipient_faults(message.get("personalizations"))
    for at in ("from", "reply_to"):
        if at == "from" or at in message:
            yield from _mailbox_faults(at, message.get(at))
    if not (isinstance(message.get("subject"), str) and message["subject"]):
        yield "subject", "The subject of your email must be a string at least one character in length."
    yield from _content_faults(message.get("content"))
    yield from _header_faults(message.get("headers", {}))
    if len(json.dumps(message.get("custom_args", {}))) > _LONGEST_ARGUMENTS:
        yield "custom_args", "The combined size of custom arguments may not exceed 10,000 bytes."


def _recipient_faults(blocks: Any) -> Iterator[Fault]:
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= _MOST_PERSONALIZATIONS:
        yield (
            "personalizations",
            "The personalizations field is required and must have at least one personalization.",
        )
        return
    for number, block in enumerate(blocks):
        boxes = block.get("to")
        if not isinstance(boxes, list) or not boxes:
            yield f"personalizations.{number}.to", "The to array is required for all personalization objects."
            continue
        for place, box in enumerate(boxes):
            yield from _mailbox_faults(f"personalizations.{number}.to.{place}", box)
        if len({box.get("email") for box in boxes}) < len(boxes):
            yield (
                f"personalizations.{number}.to",
                "Each email address must be unique between to, cc, and bcc.",
            )


def _mailbox_faults(at: str, box: Any) -> Iterator[Fault]:
    if not isinstance(box, dict) or box.keys() - {"email", "name"}:
        yield at, "The object must at least have an email parameter."
    elif not (isinstance(box.get("email"), str) and is_address(box["email"])):
        yield f"{at}.email", "Does not contain a valid address."


def _content_faults(parts: Any) -> Iterator[Fault]:
    if not isinstance(parts, list) or not parts:
        yield "content", "Unless a valid template_id is provided, the content parameter is required."
        return
    for number, part in enumerate(parts):
        if not (isinstance(part.get("value"), str) and part["value"]):
            yield (
                f"content.{number}.value",
                "The content value must be a string at least one character in length.",
            )
    kinds = [part.get("type") for part in parts]
    if kinds != [kind for kind in _PARTS if kind in kinds]:
        yield "content", "If present, text/plain must be first, followed by text/html."


def _header_faults(headers: dict[str, Any]) -> Iterator[Fault]:
    for name, value in headers.items():
        if (
            not isinstance(value, str)
            or re.search(r"[\r\n\0]", value)
            or not re.fullmatch(r"[!-9;-~]+", name)
        ):
            yield (
                "headers",
                "Each header must be a string in a single line, and its key ASCII without spaces.",
            )
        elif name.lower() in _RESERVED:
            yield "headers", f"{name} is one of the reserved keys."


def _mime(message: dict[str, Any], *, now: datetime) -> bytes:
    """The mail that SendGrid would make of it. Raises what `email` raises for headers it refuses."""
    mail = EmailMessage(policy=policy.SMTP)
    mail["Date"] = format_datetime(now)
    mail["From"], mail["Subject"] = _shown(message["from"]), message["subject"]
    mail["To"] = ", ".join(_shown(box) for block in message["personalizations"] for box in block["to"])
    if "reply_to" in message:
        mail["Reply-To"] = _shown(message["reply_to"])
    for name, value in message.get("headers", {}).items():
        mail[name] = value
    for number, part in enumerate(message["content"]):
        add = mail.set_content if number == 0 else mail.add_alternative
        add(part["value"], subtype=part["type"].partition("/")[2], cte="quoted-printable")
    attach(mail, map(_file, message.get("attachments", [])))
    return mail.as_bytes()


def _file(attached: dict[str, str]) -> File:
    """Raises KeyError where a field is missing, ValueError where it is no file."""
    shown = attached.get("content_id") if attached.get("disposition") == "inline" else None
    kind = attached.get("type", "application/octet-stream")
    return File(name=attached["filename"], kind=kind, content=decoded(attached["content"]), content_id=shown)


def _shown(box: dict[str, str]) -> str:
    return formataddr((box.get("name", ""), box["email"]), charset="utf-8")


def _refusal(status: int, *faults: Fault) -> MailRefusal:
    errors = [{"message": words, "field": field or None, "help": None} for field, words in faults]
    return MailRefusal(status, {"errors": errors})
