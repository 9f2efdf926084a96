"""What mail servers tell, as mail: `POST /callbacks/<instance>/mail` takes one message (`message/rfc822`) as it came to the address that
bounces go to. The operator's own mail server hands it over, with a token in `Authorization: Bearer …`.

| report | becomes |
|---|---|
| DSN (RFC 3464) `failed` | `bounced`, by its enhanced code |
| DSN `delivered` | `delivered` |
| DSN `delayed`, `relayed`, `expanded` | nothing: it is counted |
| feedback (ARF, RFC 5965) `abuse`, `fraud`, `virus` | `complained` |
| feedback `opt-out`, `opt-out-list` | `unsubscribed` |
| MDN (RFC 8098) `displayed` | `read` |
| any other mail | nothing: it is counted |

The ref is that of the headers that came back. Without them nothing is guessed: the report is counted as one without a ref. What the
report says of addresses is not read.
"""

import asyncio
import hmac
from collections.abc import Iterator, Sequence
from datetime import datetime
from email.errors import MessageError
from email.message import Message
from email.parser import BytesParser, Parser
from email.policy import compat32
from email.utils import parsedate_to_datetime
from typing import Final

from pydantic import Field

from tocsin.channel.provider_config import SecretFile
from tocsin.channel.receipts import (
    Cause,
    ProviderEvent,
    RawRequest,
    ReceiptsConfig,
    ReceiptsKind,
    Refused,
    enhanced_code,
    hashed,
)
from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.dispatch_email.bounces import DETAILS, bounce_class
from tocsin.dispatch_email.own_headers import REF, whole_ref
from tocsin.runtime import Clock

PATH: Final = "mail"
_SCHEME: Final = "bearer "
_UNREADABLE: Final = (MessageError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What the standard library's parser is known to raise for mails that anybody may have written."""
_ACTIONS: Final = {"failed": StatusName.BOUNCED, "delivered": StatusName.DELIVERED}
_FEEDBACK: Final = {
    "abuse": StatusName.COMPLAINED,
    "fraud": StatusName.COMPLAINED,
    "virus": StatusName.COMPLAINED,
    "opt-out": StatusName.UNSUBSCRIBED,
    "opt-out-list": StatusName.UNSUBSCRIBED,
}
_MOST_RECIPIENTS: Final = 100
"""Blocks of a DSN that are read. Each of our mails has one recipient; one that is forwarded may come to several."""


class MailReceiptsConfig(ReceiptsConfig):
    """`[providers.receipts]` of an instance of kind `smtp`."""

    token_files: tuple[SecretFile, ...] = Field(min_length=1, max_length=2)
    """What whoever hands reports over shows. It is a secret of yours: any 32 random characters."""


class MailReceipts:
    """Of the mailbox to which the bounces of one instance go."""

    def __init__(self, config: MailReceiptsConfig, clock: Clock) -> None:  # noqa: ARG002 - a report has no time that is signed
        self._tokens = [file.get_secret_value().encode() for file in config.token_files]

    async def verify(self, request: RawRequest) -> Sequence[ProviderEvent]:
        """What one report tells."""
        given = request.headers.get("authorization", "")
        token = given[len(_SCHEME) :].strip().encode() if given.lower().startswith(_SCHEME) else b""
        # All of them, so that the time says nothing of which one is near.
        right = [hmac.compare_digest(token, known) for known in self._tokens]
        if not any(right):
            raise Refused(Cause.SIGNATURE)
        if request.path != PATH:
            raise Refused(Cause.UNREADABLE)
        # In a thread: a large message takes longer to read than the event loop may stand still.
        return await asyncio.to_thread(read_report, request.body)


def read_report(raw: bytes) -> list[ProviderEvent]:
    """What a mail tells of one of ours; one event that changes nothing where it is no report. Raises Refused."""
    try:
        mail = BytesParser(policy=compat32).parsebytes(raw)
        return list(_events(mail)) or [_nothing(None)]
    except _UNREADABLE:
        raise Refused(Cause.UNREADABLE) from None


def _events(mail: Message) -> Iterator[ProviderEvent]:
    if mail.get_content_type() != "multipart/report" or not mail.is_multipart():
        return
    parts = {part.get_content_type(): part for part in mail.get_payload() if isinstance(part, Message)}
    ref = _returned_ref(parts)
    at = _time(mail)
    if (status := parts.get("message/delivery-status")) is not None:
        yield from _delivery_status(status, ref, at)
    elif (feedback := parts.get("message/feedback-report")) is not None:
        kind = _word(_fields(feedback), "feedback-type")
        yield _event(_FEEDBACK.get(kind), ref, at, "feedback", kind)
    elif (disposition := parts.get("message/disposition-notification")) is not None:
        # manual-action/MDN-sent-manually; displayed
        kind = _word(_fields(disposition), "disposition").rpartition(";")[2].strip().partition("/")[0]
        yield _event(StatusName.READ if kind == "displayed" else None, ref, at, "disposition", kind)


def _delivery_status(status: Message, ref: str | None, at: datetime | None) -> Iterator[ProviderEvent]:
    """The first block is about the message, each of the others about one recipient; an empty one is a blank line too many."""
    blocks = [block for block in status.get_payload() if isinstance(block, Message) and block.keys()]
    for block in blocks[1 : 1 + _MOST_RECIPIENTS]:
        action = _word(block, "action")
        name = _ACTIONS.get(action)
        code = enhanced_code(_word(block, "status"), _word(block, "diagnostic-code"))
        if name is not StatusName.BOUNCED:
            yield _event(name, ref, at, action, code or "")
            continue
        reason = bounce_class(code)
        yield _event(name, ref, at, action, code or "", code=code, reason=reason)


def _event(
    status: StatusName | None,
    ref: str | None,
    at: datetime | None,
    *parts: str,
    code: str | None = None,
    reason: Reason | None = None,
) -> ProviderEvent:
    """A report has no id of its own, and the same one may come twice: it is what it says of which message."""
    return ProviderEvent(
        ref=ref,
        status=status,
        id=hashed(ref or "", *parts),
        at=at,
        code=code,
        reason=reason,
        detail=DETAILS[reason] if reason is not None else None,
    )


def _nothing(ref: str | None) -> ProviderEvent:
    return ProviderEvent(ref=ref, status=None, id=hashed(ref or ""))


def _returned_ref(parts: dict[str, Message]) -> str | None:
    """From the message or the headers that came back, and from nowhere else: the report itself may come from anybody."""
    for kind in ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers"):
        if (returned := parts.get(kind)) is not None:
            return _ref_of(_fields(returned))
    return None


def _ref_of(headers: Message) -> str | None:
    value = headers.get(REF)
    return None if value is None else whole_ref(str(value))


def _fields(part: Message) -> Message:
    """The fields that a part consists of. The parser reads those of `message/…` itself."""
    payload = part.get_payload()
    if isinstance(payload, list):
        return payload[0] if payload and isinstance(payload[0], Message) else Message()
    content = part.get_payload(decode=True)
    return Parser(policy=compat32).parsestr(
        content.decode("latin-1") if isinstance(content, bytes) else "", headersonly=True
    )


def _word(fields: Message, name: str) -> str:
    return str(fields.get(name, "")).strip().lower()


def _time(mail: Message) -> datetime | None:
    try:
        at = parsedate_to_datetime(str(mail.get("date", "")))
    except (ValueError, TypeError, OverflowError):
        return None
    return at if at.tzinfo is not None else None


MAIL_RECEIPTS: Final = ReceiptsKind(
    config=MailReceiptsConfig,
    create=MailReceipts,
    tells=frozenset({*_ACTIONS.values(), *_FEEDBACK.values(), StatusName.READ}),
)
