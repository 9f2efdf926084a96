"""SendGrid's Mail Send as its documentation has it: what it takes, and what it refuses, with the field it names.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send, its pages on limitations and errors.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from tests.integration.dispatch_email.mail_api import MailApi
from tests.integration.dispatch_email.mail_forms import is_base64
from tests.provider_account import NOW

from tocsin.channel import Throttled
from tocsin.dispatch_email.sendgrid import SENDGRID
from tocsin.testing.http_world import Response
from tocsin.testing.provider_suite import Behaviour

KEY = "SG.marked-body.secret"
RESERVED = {
    *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"),
    *("to", "from", "subject", "reply-to", "cc", "bcc"),
}
KNOWN = {
    *(
        "personalizations",
        "from",
        "reply_to",
        "reply_to_list",
        "subject",
        "content",
        "attachments",
        "template_id",
    ),
    *("headers", "categories", "custom_args", "send_at", "batch_id", "asm", "ip_pool_name"),
    *("mail_settings", "tracking_settings", "sections"),
}
_ADDRESS = re.compile(r"[!#-'*+/-9=?A-Z^-~-]+(\.[!#-'*+/-9=?A-Z^-~-]+)*@([a-zA-Z0-9-]+\.)+[a-zA-Z0-9-]+")
_LONGEST_ADDRESS = 320
_LARGEST = 30_000_000

Fault = tuple[str, str]
"""The field, and SendGrid's sentence about it."""


def refusal(status: int, *faults: Fault, **headers: str) -> Response:
    errors = [{"message": message, "field": field or None, "help": None} for field, message in faults]
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"Content-Type": "application/json"} | told, json.dumps({"errors": errors}).encode()


UNAUTHORIZED = refusal(401, ("", "The provided authorization grant is invalid, expired, or revoked"))


def faults(message: dict[str, Any]) -> Iterator[Fault]:
    """Everything that the documentation says is refused with 400."""
    for name in message.keys() - KNOWN:
        yield name, "unknown field"
    yield from _personalization_faults(message.get("personalizations"))
    yield from _mailbox_faults("from", message.get("from"))
    if "reply_to" in message:
        yield from _mailbox_faults("reply_to", message["reply_to"])
    if not (isinstance(message.get("subject"), str) and message["subject"]):
        yield "subject", "The subject of your email must be a string at least one character in length."
    yield from _content_faults(message.get("content"))
    yield from _header_faults(message.get("headers", {}))
    yield from _category_faults(message.get("categories", []))
    yield from _attachment_faults(message.get("attachments", []))
    if len(json.dumps(message.get("custom_args", {}))) > 10_000:
        yield "custom_args", "The combined size of custom arguments may not exceed 10,000 bytes."
    for name, setting in message.get("tracking_settings", {}).items():
        if not isinstance(setting, dict) or not isinstance(setting.get("enable"), bool):
            yield f"tracking_settings.{name}.enable", "The enable param should be a boolean value."


def _attachment_faults(attachments: list[dict[str, Any]]) -> Iterator[Fault]:
    for number, each in enumerate(attachments):
        at = f"attachments.{number}"
        if each.keys() - {"content", "type", "filename", "disposition", "content_id"}:
            yield at, "unknown field"
        if not is_base64(each.get("content")):
            yield f"{at}.content", "The attachment content must be base64 encoded."
        if not each.get("filename"):
            yield f"{at}.filename", "The attachment filename is required."
        if re.search(r"[;,\r\n]", each.get("type", "")):
            yield f"{at}.type", "The attachment type cannot contain ';', ',' or CRLF characters."
        if each.get("disposition", "attachment") not in {"inline", "attachment"}:
            yield f"{at}.disposition", "The attachment disposition must be either inline or attachment."


def _personalization_faults(blocks: Any) -> Iterator[Fault]:
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= 1000:
        yield "personalizations", "You must have at least one personalization, and 1000 at most."
        return
    for number, block in enumerate(blocks):
        at = f"personalizations.{number}.to"
        recipients = block.get("to")
        if not isinstance(recipients, list) or not recipients:
            yield at, "The to parameter is required for all personalization objects."
            continue
        for place, box in enumerate(recipients):
            yield from _mailbox_faults(f"{at}.{place}", box)
            if re.search(r"[;,]", box.get("name", "")):
                yield f"{at}.{place}.name", "cannot include either the ; or , characters"
        if len({box.get("email") for box in recipients}) < len(recipients):
            yield at, "Each unique email address in the personalizations array should only be included once."


def _mailbox_faults(at: str, box: Any) -> Iterator[Fault]:
    if not isinstance(box, dict) or box.keys() - {"email", "name"}:
        yield at, "The object must at least have an email parameter."
        return
    email = box.get("email")
    if not isinstance(email, str) or not _ADDRESS.fullmatch(email):
        yield f"{at}.email", "Does not contain a valid address."
    elif len(email) > _LONGEST_ADDRESS:
        yield f"{at}.email", "The email exceeds the maximum total length of 320 characters"
    if "name" in box and not isinstance(box["name"], str):
        yield f"{at}.name", "The name must be a string."


def _content_faults(parts: Any) -> Iterator[Fault]:
    if not isinstance(parts, list) or not parts:
        yield "content", "There must be at least one defined content block."
        return
    for number, part in enumerate(parts):
        kind, value = part.get("type"), part.get("value")
        if not isinstance(kind, str) or not kind or re.search(r"[;,\r\n]", kind):
            yield f"content.{number}.type", "Your content type must be a string of at least one character."
        if not isinstance(value, str) or not value:
            yield (
                f"content.{number}.value",
                "The content value must be a string at least one character in length.",
            )
    order = [part.get("type") for part in parts]
    if order != sorted(order, key=["text/plain", "text/html"].index):
        yield "content.0.type", "text/plain needs to be first, followed by text/html."


def _header_faults(headers: Any) -> Iterator[Fault]:
    for name, value in headers.items():
        if not re.fullmatch(r"[!-9;-~]+", name):
            yield "headers", "Header keys cannot contain non-ASCII characters and empty spaces."
        if not isinstance(value, str):
            yield "headers", "The header values must be strings."
        elif re.search(r"[\r\n\0]", value):
            yield "headers", "CRLF characters"  # undocumented; whoever sends one wants more than a header
        if name.lower() in RESERVED:
            yield "headers", "Header can not be one of the reserved keys."


def _category_faults(categories: Any) -> Iterator[Fault]:
    if len(categories) > 10 or len(set(categories)) < len(categories):
        yield "categories", "There is a limit of 10 categories, and they must be a unique list."
    if any(len(name) > 255 or not name.isascii() for name in categories):
        yield "categories", "Each category must be ASCII and not be longer than 255 characters."


class SendGridServer(MailApi):
    """`POST /v3/mail/send`, for one API key."""

    kind = SENDGRID
    entry: ClassVar = {"kind": "sendgrid", "api_key_file": "key"}
    secrets: ClassVar = {"key": KEY}
    asks_for_patience = Throttled(code="HTTP 429", detail="SendGrid asks for patience.", retry_after=7.0)
    too_large = 30_000_000
    scripts: ClassVar = {
        Behaviour.REFUSES_RECIPIENT: refusal(
            400,
            ("personalizations.0.to.0.email", "Does not contain a valid address: marked-address@example.org"),
        ),
        Behaviour.THROTTLES: refusal(
            429, ("", "too many requests"), X_RateLimit_Reset=str(int(NOW.timestamp()) + 7)
        ),
        Behaviour.REFUSES_CREDENTIALS: UNAUTHORIZED,
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.messages: list[dict[str, Any]] = []

    async def wants_to_be_asked_again(self) -> None:
        await self.behave(Behaviour.THROTTLES)

    def respond(  # noqa: PLR0911 - one for each refusal
        self, first: str, head: dict[str, str], body: bytes
    ) -> Response:
        if first != "POST /v3/mail/send HTTP/1.1":
            return refusal(404, ("", "not found"))
        if head.get("authorization") != f"Bearer {KEY}":
            return UNAUTHORIZED
        if head.get("content-type") != "application/json" or "application/json" not in head.get("accept", ""):
            return refusal(406, ("", "Missing Accept header."))
        if len(body) >= _LARGEST:
            return refusal(413, ("", "content too large"))
        try:
            message = json.loads(body)
        except UnicodeDecodeError:
            return refusal(415, ("", "Invalid UTF8 in request"))
        except ValueError:
            return refusal(400, ("", "Bad Request"))
        if found := list(faults(message)):
            return refusal(400, *found)
        self.messages.append(message)
        self.taken += 1
        return 202, {"X-Message-Id": f"14c5d75ce93.dfd.64b469.{self.taken}"}, b""
