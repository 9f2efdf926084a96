"""Reads a mail as it came over SMTP; whatever its sender did wrong, something readable comes out."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from uuid import UUID

from .messages import Attachment, Email, uuid_or_none


def read_mail(
    content: bytes,
    *,
    envelope_from: str,
    to: str,
    received_at: datetime,
    provider: str,
    custom: Mapping[str, str] | None = None,
) -> Email:
    """The mail as caught for one recipient. Ids come from Message-ID and the `X-Tocsin-` headers, if there."""
    parsed = message_from_bytes(content)
    headers = tuple((name, _decoded(str(value))) for name, value in parsed.raw_items())
    by_name = {name.lower(): value for name, value in reversed(headers)}
    bodies = {kind: _first(parsed, kind) for kind in ("text/plain", "text/html")}
    return Email(
        received_at=received_at,
        to=to,
        sender=by_name.get("from", envelope_from),
        envelope_from=envelope_from,
        subject=by_name.get("subject", ""),
        text=_text(bodies["text/plain"]),
        html=_text(bodies["text/html"]),
        headers=headers,
        attachments=tuple(_attachments(parsed, shown=bodies.values())),
        raw=content.decode("utf-8", "replace"),
        provider=provider,
        custom=dict(custom or {}),
        notification_id=uuid_or_none(by_name.get("x-tocsin-notification")),
        delivery_id=uuid_or_none(by_name.get("x-tocsin-delivery"))
        or _from_message_id(by_name.get("message-id", "")),
    )


def _from_message_id(value: str) -> UUID | None:
    return uuid_or_none(value.strip().strip("<>").partition("@")[0])


def _decoded(value: str) -> str:
    """A header's value unfolded and decoded (RFC 2047, raw UTF-8); as it stands where it cannot be."""
    unfolded = value.replace("\r", "").replace("\n", "")
    readable = unfolded.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        return str(make_header(decode_header(readable)))
    except (HeaderParseError, LookupError, UnicodeError):
        return readable


def _first(message: Message, kind: str) -> Message | None:
    for part in message.walk():
        if part.get_content_type() == kind and part.get_content_disposition() != "attachment":
            return part
    return None


def _text(part: Message | None) -> str | None:
    if part is None:
        return None
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return None
    try:
        text = payload.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:  # a charset nobody knows
        text = payload.decode("utf-8", "replace")
    return text.replace("\r\n", "\n")


def attached_file(raw: str, place: int) -> bytes | None:
    """The content of the attachment at this place of the mail's list, from its source; None where there is none."""
    parsed = message_from_bytes(raw.encode("utf-8", "replace"))
    bodies = [_first(parsed, kind) for kind in ("text/plain", "text/html")]
    parts = list(_parts_beside(parsed, bodies))
    return _content(parts[place]) if place < len(parts) else None


def _attachments(message: Message, *, shown: Collection[Message | None]) -> Iterator[Attachment]:
    for part in _parts_beside(message, shown):
        yield Attachment(
            name=part.get_filename() or "unnamed",
            content_type=part.get_content_type(),
            bytes=len(_content(part)),
        )


def _parts_beside(message: Message, shown: Collection[Message | None]) -> Iterator[Message]:
    bodies = [id(part) for part in shown if part is not None]
    return (part for part in message.walk() if not (part.is_multipart() or id(part) in bodies))


def _content(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""
