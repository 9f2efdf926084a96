"""Postmark's `POST /email` as its documentation has it: what it takes, and what it refuses, with its code.

https://postmarkapp.com/developer/api/email-api#send-a-single-email and https://postmarkapp.com/developer/api/overview#error-codes
"""

import json
import re
from email.headerregistry import AddressHeader
from pathlib import Path
from typing import Any, ClassVar

from tests.integration.dispatch_email.mail_api import AsksByRetryAfter
from tests.integration.dispatch_email.mail_forms import ADDRESS, is_base64
from tests.provider_account import NOW

from tocsin.channel import Throttled
from tocsin.dispatch_email.postmark import POSTMARK
from tocsin.testing.http_world import Response
from tocsin.testing.provider_suite import Behaviour

TOKEN = "marked-body-token"
KNOWN = {
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
STREAMS = {"outbound", "broadcast"}
_LARGEST, _LARGEST_PART = 10_000_000, 5_000_000


def refusal(status: int, code: int, text: str) -> Response:
    body = json.dumps({"ErrorCode": code, "Message": text}).encode()
    return status, {"Content-Type": "application/json"}, body


UNAUTHORIZED = refusal(401, 10, "Request does not contain a valid Server token.")


def mailbox_of(value: Any) -> str | None:
    """The one address of a `From` or `To` with or without a name; None where it is none."""
    if not isinstance(value, str) or re.search(r"[\r\n]", value):
        return None
    read: dict[str, Any] = {"defects": []}
    AddressHeader.parse(value, read)
    (group, *others) = read["groups"] or [None]
    if group is None or others or read["defects"] or len(group.addresses) != 1:
        return None
    address = group.addresses[0].addr_spec
    return address if ADDRESS.fullmatch(address) else None


def fault(message: dict[str, Any]) -> Response | None:  # noqa: PLR0911 - one for each refusal
    """The first thing that the documentation says is refused."""
    if message.keys() - KNOWN:
        return refusal(422, 403, f"Unknown fields: {message.keys() - KNOWN}")
    for field in ("From", "To"):
        if mailbox_of(message.get(field)) is None:
            return refusal(422, 300, f"Error parsing '{field}': Illegal email address")
    if "ReplyTo" in message and mailbox_of(message["ReplyTo"]) is None:
        return refusal(422, 300, "Error parsing 'ReplyTo': Illegal email address")
    if not str(mailbox_of(message["From"])).endswith("@example.com"):
        return refusal(422, 400, "The 'From' address you supplied is not a Sender Signature on your account.")
    if not (message.get("TextBody") or message.get("HtmlBody")):
        return refusal(422, 300, "Provide either email TextBody or HtmlBody or both.")
    if not isinstance(message.get("Subject"), str):
        return refusal(422, 403, "Subject is no text")
    if message.get("MessageStream", "outbound") not in STREAMS:
        return refusal(422, 1235, "The 'MessageStream' provided does not exist on this server.")
    if message.get("TrackLinks", "None") not in {"None", "HtmlAndText", "HtmlOnly", "TextOnly"}:
        return refusal(422, 300, "TrackLinks is none of its values")
    return _field_fault(message)


def _field_fault(message: dict[str, Any]) -> Response | None:
    if any(len(str(message.get(part) or "").encode()) > _LARGEST_PART for part in ("TextBody", "HtmlBody")):
        return refusal(422, 300, "TextBody and HtmlBody may have 5 MB each")
    for header in message.get("Headers", []):
        if header.keys() != {"Name", "Value"} or re.search(r"[\r\n\0]", header["Name"] + header["Value"]):
            return refusal(422, 300, "Invalid header")
    for attached in message.get("Attachments", []):
        if (
            not {"Name", "Content", "ContentType"}
            <= attached.keys()
            <= {"Name", "Content", "ContentType", "ContentID"}
        ):
            return refusal(422, 300, "Invalid attachment")
        if not is_base64(attached["Content"]) or not attached.get("ContentID", "cid:").startswith("cid:"):
            return refusal(422, 300, f"Invalid content of {attached['Name']}")
    metadata = message.get("Metadata", {})
    if len(metadata) > 10 or any(len(name) > 20 or len(value) > 80 for name, value in metadata.items()):
        return refusal(
            422,
            300,
            "Field names are limited to 20 characters and field values are limited to 80 characters.",
        )
    return None


class PostmarkServer(AsksByRetryAfter):
    """`POST /email`, for one server token."""

    kind = POSTMARK
    entry: ClassVar = {"kind": "postmark", "server_token_file": "token"}
    secrets: ClassVar = {"token": TOKEN}
    asks_for_patience = Throttled(code="429", detail="Postmark asks for patience.", retry_after=7.0)
    too_large = _LARGEST_PART + 1
    scripts: ClassVar = {
        Behaviour.REFUSES_RECIPIENT: refusal(
            422, 406, "You tried to send to recipients that are inactive: marked-address@example.org."
        ),
        Behaviour.THROTTLES: refusal(429, 429, "Rate limit exceeded"),
        Behaviour.REFUSES_CREDENTIALS: UNAUTHORIZED,
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.messages: list[dict[str, Any]] = []

    def respond(  # noqa: PLR0911 - one for each refusal
        self, first: str, head: dict[str, str], body: bytes
    ) -> Response:
        if first != "POST /email HTTP/1.1":
            return 404, {}, b""
        if head.get("x-postmark-server-token") != TOKEN:
            return UNAUTHORIZED
        if head.get("content-type") != "application/json" or head.get("accept") != "application/json":
            return 415, {}, b""
        if len(body) > _LARGEST:
            return 413, {}, b""
        try:
            message = json.loads(body)
        except ValueError:
            return refusal(422, 402, "Invalid JSON")
        if (refused := fault(message)) is not None:
            return refused
        self.messages.append(message)
        self.taken += 1
        answer = {
            "ErrorCode": 0,
            "Message": "OK",
            "MessageID": f"0a129aee-e1cd-480d-b08d-{self.taken:012}",
            "SubmittedAt": NOW.isoformat(),
            "To": message["To"],
        }
        return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()
