"""Mailgun's `messages.mime` as its documentation has it; form and mail are read by the standard library.

https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages/post-v3--domain-name--messages-mime
"""

import json
from base64 import b64encode
from collections.abc import Iterator
from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import ClassVar

from tests.integration.dispatch_email.mail_api import AsksByRetryAfter
from tests.integration.dispatch_email.mail_forms import ADDRESS, mime_faults

from tocsin.channel import Throttled
from tocsin.dispatch_email.mailgun import MAILGUN
from tocsin.testing.http_world import Response
from tocsin.testing.provider_suite import Behaviour

KEY = "marked-body-key"
DOMAIN = "mail.example.com"
_LARGEST = 25_000_000
_SWITCHES = {"yes", "no", "true", "false", "htmlonly"}
Form = dict[str, bytes]


def refusal(status: int, text: str) -> Response:
    return status, {"Content-Type": "application/json"}, json.dumps({"message": text}).encode()


FORBIDDEN: Response = (401, {"Content-Type": "text/plain"}, b"Forbidden")


def form_of(content_type: str, body: bytes) -> Form:
    """The fields of a multipart form by their names; `message` must be a file."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    whole = BytesParser(policy=policy.HTTP).parsebytes(head + body)
    form: Form = {}
    for part in whole.walk():
        name = part.get_param("name", header="Content-Disposition")
        if isinstance(name, str):
            payload = part.get_payload(decode=True)
            form[f"file {name}" if part.get_filename() else name] = (
                payload if isinstance(payload, bytes) else b""
            )
    return form


def faults(form: Form) -> Iterator[str]:
    """Everything that the documentation says is refused with 400."""
    recipients = form.get("to", b"").decode().split(",")
    if not all(ADDRESS.fullmatch(address) for address in recipients):
        yield "'to' parameter is not a valid address. please check documentation"
    if "file message" not in form:
        yield "'message' is missing: make sure to send it as a file"
    for name, value in form.items():
        if name.startswith("o:tracking") and value.decode() not in _SWITCHES:
            yield f"{name} must be one of yes, no, true, false, htmlonly"
    if sum(len(name) + len(value) for name, value in form.items() if name[1:2] == ":") > 16 * 1024:
        yield "Send options are limited to 16KB total"
    yield from mime_faults(form.get("file message", b""))


class MailgunServer(AsksByRetryAfter):
    """`POST /v3/<domain>/messages.mime`, for one API key and one domain."""

    kind = MAILGUN
    entry: ClassVar = {"kind": "mailgun", "domain": DOMAIN, "api_key_file": "key"}
    secrets: ClassVar = {"key": KEY}
    asks_for_patience = Throttled(code="HTTP 429", detail="Mailgun asks for patience.", retry_after=7.0)
    too_large = 25_000_000
    scripts: ClassVar = {
        Behaviour.REFUSES_RECIPIENT: refusal(
            400, "to parameter is not a valid address. please check documentation: marked-address@example.org"
        ),
        Behaviour.THROTTLES: refusal(429, "Too many requests"),
        Behaviour.REFUSES_CREDENTIALS: FORBIDDEN,
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.forms: list[Form] = []

    def respond(self, first: str, head: dict[str, str], body: bytes) -> Response:
        if head.get("authorization") != f"Basic {b64encode(f'api:{KEY}'.encode()).decode()}":
            return FORBIDDEN
        if first != f"POST /v3/{DOMAIN}/messages.mime HTTP/1.1":
            return refusal(404, "Domain not found")
        if len(body) > _LARGEST:
            return refusal(413, "Payload too large")
        form = form_of(head.get("content-type", ""), body)
        if found := list(faults(form)):
            return refusal(400, found[0])
        self.forms.append(form)
        self.taken += 1
        answer = {"id": f"<2026.{self.taken}@{DOMAIN}>", "message": "Queued. Thank you."}
        return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()
