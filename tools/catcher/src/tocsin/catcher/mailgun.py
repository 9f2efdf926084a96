"""The Mailgun endpoint: `POST /v3/<domain>/messages.mime`, as Mailgun documents it.

https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages/post-v3--domain-name--messages-mime
"""

import hmac
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Any
from uuid import uuid4

from .mail_refusals import MailRefusal, has_one_from, is_address, keep
from .mailbox import Mailbox

_VARIABLE = "v:"
_UNAUTHORIZED = MailRefusal(401, "Forbidden", {"WWW-Authenticate": 'Basic realm="MG API"'})


class MailgunEndpoint:
    """One domain and its key; without one, everybody is refused."""

    def __init__(
        self, *, mailbox: Mailbox, domain: str | None, api_key: str | None, now: Callable[[], datetime]
    ) -> None:
        self._mailbox = mailbox
        self._domain = domain
        self._api_key = api_key
        self._now = now

    def send_mime(
        self, *, domain: str, headers: Mapping[str, str], body: bytes
    ) -> dict[str, Any] | MailRefusal:
        """The answer (status 200), or why not."""
        if not self._known(headers.get("authorization", "")):
            return _UNAUTHORIZED
        if domain != self._domain:
            return MailRefusal(404, {"message": f"Domain not found: {domain}"})
        form = _form(headers.get("content-type", ""), body)
        recipients = [
            address.strip() for address in form.get("to", b"").decode("utf-8", "replace").split(",")
        ]
        if not all(map(is_address, recipients)):
            return _refusal("to parameter is not a valid address. please check documentation")
        source = form.get("message")
        if source is None:
            return _refusal("message parameter is missing: send it as a file, as multipart/form-data")
        if not has_one_from(source):
            return _refusal("the MIME message must have exactly one From header")
        keep(
            self._mailbox,
            source,
            envelope_from=f"bounce@{domain}",
            recipients=recipients,
            now=self._now,
            provider="mailgun",
            custom=_variables(form),
        )
        return {"id": f"<{uuid4()}@{domain}>", "message": "Queued. Thank you."}

    def _known(self, authorization: str) -> bool:
        scheme, _, credentials = authorization.partition(" ")
        if self._api_key is None or scheme.lower() != "basic":
            return False
        try:
            given = b64decode(credentials, validate=True)
        except ValueError:
            return False
        return hmac.compare_digest(given, f"api:{self._api_key}".encode())


def _form(content_type: str, body: bytes) -> dict[str, bytes]:
    """The fields of a multipart form, byte for byte; of a field given twice, the last. Any other content type has none."""
    boundary = _head(f"Content-Type: {content_type}".encode()).get_boundary()
    if boundary is None or not content_type.lower().startswith("multipart/form-data"):
        return {}
    form: dict[str, bytes] = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary.encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        name = _head(head.lstrip()).get_param("name", header="Content-Disposition")
        if isinstance(name, str):
            form[name] = content
    return form


def _variables(form: Mapping[str, bytes]) -> dict[str, str]:
    """The fields `v:…`, which Mailgun tells again with each event."""
    return {
        name.removeprefix(_VARIABLE): value.decode("utf-8", "replace")
        for name, value in form.items()
        if name.startswith(_VARIABLE)
    }


def _head(fields: bytes) -> Message:
    return BytesHeaderParser().parsebytes(fields)


def _refusal(words: str) -> MailRefusal:
    return MailRefusal(400, {"message": words})
