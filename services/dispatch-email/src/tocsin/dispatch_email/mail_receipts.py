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

The ref is that of the headers that came back, and of nothing else. Without them nothing is guessed: the report is counted as one without
a ref. Whoever has a mail of ours can write a report about it, and about no other. What a report says of addresses is only compared.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr

from tocsin.channel.provider_config import SecretFile, one_word
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
from tocsin.channel.shown_secrets import is_one_of, shown
from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.dispatch_email.bounces import DETAILS, bounce_class
from tocsin.dispatch_email.own_headers import REF, whole_ref
from tocsin.dispatch_email.report_parts import (
    Fields,
    Part,
    TooMuch,
    blocks_within,
    fields_within,
    report_parts,
)
from tocsin.runtime import Clock

PATH: Final = "mail"
_ACTIONS: Final = {"failed": StatusName.BOUNCED, "delivered": StatusName.DELIVERED}
_FEEDBACK: Final = {
    "abuse": StatusName.COMPLAINED,
    "fraud": StatusName.COMPLAINED,
    "virus": StatusName.COMPLAINED,
    "opt-out": StatusName.UNSUBSCRIBED,
    "opt-out-list": StatusName.UNSUBSCRIBED,
}
_STATUS: Final = ("message/delivery-status", "message/global-delivery-status")
_DISPOSITION: Final = ("message/disposition-notification", "message/global-disposition-notification")
_RETURNED: Final = (
    "message/rfc822",
    "text/rfc822-headers",
    "message/rfc822-headers",
    "message/global",
    "message/global-headers",
)
"""With `global`: the same, of a server that takes addresses in other scripts (RFC 6533)."""
_MOST_RECIPIENTS: Final = 100
"""Blocks of a DSN that are read. Each of our mails has one recipient; one that is forwarded may come to several."""
_SHORTEST_TOKEN: Final = 32
_LONGEST_DATE: Final = 100
_WORD: Final = re.compile(r"[a-z-]*")
_VAGUE: Final = re.compile(r"[245]\.0\.0")
"""Enhanced codes that say nothing but success or failure."""


def _long_enough(token: SecretStr) -> SecretStr:
    if len(token.get_secret_value()) < _SHORTEST_TOKEN:
        raise ValueError(f"the file must hold a token of {_SHORTEST_TOKEN} characters or more")
    return token


class MailReceiptsConfig(ReceiptsConfig):
    """`[providers.receipts]` of an instance of kind `smtp`."""

    token_files: tuple[Annotated[SecretFile, AfterValidator(one_word), AfterValidator(_long_enough)], ...] = (
        Field(min_length=1, max_length=2)
    )
    """What whoever hands reports over shows. It is a secret of yours: any 32 random characters."""


class MailReceipts:
    """Of the mailbox to which the bounces of one instance go."""

    def __init__(self, config: MailReceiptsConfig, clock: Clock) -> None:  # noqa: ARG002 - a report has no time that is signed
        self._tokens = [file.get_secret_value().encode() for file in config.token_files]

    async def verify(self, request: RawRequest) -> Sequence[ProviderEvent]:
        """What one report tells."""
        if not is_one_of(shown(request, "bearer"), self._tokens):
            raise Refused(Cause.SIGNATURE)
        if request.path != PATH:
            raise Refused(Cause.UNREADABLE)
        return read_report(request.body)


def read_report(raw: bytes) -> list[ProviderEvent]:
    """What a mail tells of one of ours, each thing once; one event that changes nothing where it is no report. Raises Refused."""
    try:
        events = {event.id: event for event in _events(*report_parts(raw))}
    except (TooMuch, ValueError):
        raise Refused(Cause.UNREADABLE) from None
    return list(events.values()) or [ProviderEvent(ref=None, status=None, id=hashed(""))]


def _events(mail: Fields, parts: Sequence[Part]) -> Iterator[ProviderEvent]:
    returned = _first(parts, _RETURNED)
    came_back: Fields = {} if returned is None else fields_within(returned)
    ref = whole_ref(came_back[REF.lower()]) if REF.lower() in came_back else None
    at = _time(mail)
    if (status := _first(parts, _STATUS)) is not None:
        yield from _delivery_status(status, ref, at, to=_address(came_back.get("to", "")))
    elif (feedback := _first(parts, ("message/feedback-report",))) is not None:
        kind = _word(fields_within(feedback).get("feedback-type"))
        yield _event(_FEEDBACK.get(kind), ref, at, "feedback", kind)
    elif (disposition := _first(parts, _DISPOSITION)) is not None:
        yield _disposition(fields_within(disposition).get("disposition", "").lower(), ref, at)


def _first(parts: Sequence[Part], kinds: Sequence[str]) -> Part | None:
    return next((part for part in parts if part.type in kinds), None)


def _delivery_status(
    status: Part, ref: str | None, at: datetime | None, *, to: str
) -> Iterator[ProviderEvent]:
    """Blocks with an action are each about one recipient; the one before them is about the message."""
    recipients = [block for block in blocks_within(status) if "action" in block]
    for block in recipients[:_MOST_RECIPIENTS]:
        action = _word(block["action"])
        name = _ACTIONS.get(action)
        code = _code(block)
        if name is not StatusName.BOUNCED:
            yield _event(name, ref, at, action, code or "")
            continue
        reason = bounce_class(code)
        if reason is Reason.HARD_BOUNCE and not _is_about(to, block):
            reason = Reason.SOFT_BOUNCE
        yield _event(name, ref, at, action, code or "", reason, code=code, reason=reason)


def _code(block: Fields) -> str | None:
    """That of the field Status; where it is vague, the one that the far server wrote into its sentence."""
    status, far = (enhanced_code(block.get(name)) for name in ("status", "diagnostic-code"))
    return status if status is not None and not _VAGUE.fullmatch(status) else far or status


def _is_about(to: str, block: Fields) -> bool:
    """Whether it is our recipient's address that came to nothing. A recipient may forward mail to an address that is gone: theirs is not."""
    final = _address(block.get("final-recipient", "").rpartition(";")[2])
    return not (to and final) or to == final


def _address(value: str) -> str:
    """As To and Final-Recipient bear it, with a name before it or without."""
    value = value.strip()
    return (value[:-1].rpartition("<")[2] if value.endswith(">") else value).strip().casefold()


def _disposition(value: str, ref: str | None, at: datetime | None) -> ProviderEvent:
    """Such as `manual-action/MDN-sent-manually; displayed`. An automatic action is that of a machine, which has read nothing."""
    mode, _, kinds = value.rpartition(";")
    kind, automated = _word(kinds), mode.strip().startswith("automatic-action")
    status = StatusName.READ if kind == "displayed" else None
    return _event(
        status, ref, at, "disposition", kind, *(["automatic"] if automated else []), automated=automated
    )


def _event(
    status: StatusName | None,
    ref: str | None,
    at: datetime | None,
    *parts: str,
    code: str | None = None,
    reason: Reason | None = None,
    automated: bool = False,
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
        automated=automated,
    )


def _word(value: str | None) -> str:
    """The word that the value of a field begins with; a comment may follow."""
    found = _WORD.match((value or "").strip().lower())
    return found[0] if found else ""


def _time(mail: Fields) -> datetime | None:
    try:
        at = parsedate_to_datetime(mail.get("date", "")[:_LONGEST_DATE])
    except (ValueError, TypeError, OverflowError):
        return None
    return at if at.tzinfo is not None else None


MAIL_RECEIPTS: Final = ReceiptsKind(
    config=MailReceiptsConfig,
    create=MailReceipts,
    tells=frozenset({*_ACTIONS.values(), *_FEEDBACK.values(), StatusName.READ}),
)
