"""What an SMTP server's reply means for the message: pure functions over step, code and text.

Codes are those of RFC 5321 (section 4.2), enhanced codes those of RFC 3463 and IANA's registry. The server's text goes
no further than this file: it often repeats the address.
"""

import re
from enum import StrEnum
from typing import Final

import msgspec

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason

_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})(?:\s|$)")
_POSTFIX = "queued as "
_ID = re.compile(r"([\w.-]{1,100})").match
# Others with Postfix's words, Exim, sendmail, Amazon SES, Gmail
_QUEUE_ID = re.compile(
    r"queued as ([\w.-]{1,100})|\bid=([\w.-]{1,100})|([\w.-]{6,100}) Message accepted"
    r"|\bOk ([\w-]{16,100})$|\bOK +(\d{6,} [\w.-]{1,80}) - gsmtp",
    re.IGNORECASE,
).search


class Step(StrEnum):
    """Where a hand-over stood."""

    CONNECT = "while connecting"
    AUTH = "at the login"
    MAIL = "at the sender"
    RCPT = "at the recipient"
    DATA = "before the message"
    MESSAGE = "after the message"


class Reply(msgspec.Struct, frozen=True):
    """A server's reply, read: `code` is `550 5.1.1` in the status record. `number` 0: what came was no reply."""

    number: int
    enhanced: str | None
    text: str

    @property
    def code(self) -> str | None:
        """None for what was no reply."""
        if not self.number:
            return None
        return f"{self.number} {self.enhanced}" if self.enhanced else str(self.number)


NO_REPLY: Final = Reply(0, None, "")


def read(number: int, text: str) -> Reply:
    """The reply with its enhanced code, when it has one of the reply's own class."""
    code = _ENHANCED.match(text)
    enhanced = code.group(1) if code and code.group(1)[0] == str(number)[0] else None
    return Reply(number, enhanced, text)


def accepted(reply: Reply) -> Accepted:
    """The server took the message; its queue id, when the reply names one."""
    text = reply.text
    # Postfix's own words are found five times as fast so.
    at = text.find(_POSTFIX)
    queue_id = _ID(text, at + len(_POSTFIX)) if at >= 0 else _QUEUE_ID(text)
    return Accepted(message_id=queue_id and next(filter(None, queue_id.groups())), code=reply.code)


def refused(step: Step, reply: Reply) -> Answer:
    """What a reply other than the hoped-for one means."""
    if 400 <= reply.number <= 499:
        return _for_now(step, reply)
    if 500 <= reply.number <= 599:
        return _for_good(step, reply)
    detail = f"The server's reply {step.value} was none that SMTP knows."
    if step is Step.MESSAGE:
        return Ambiguous(reason=Reason.PROVIDER_ERROR, code=reply.code, detail=detail)
    return NotSent(reason=Reason.PROVIDER_ERROR, code=reply.code, detail=detail)


def lost(step: Step) -> NotSent | Ambiguous:
    """What silence or a lost connection at `step` means: only after the last byte can the message have been taken."""
    if step is Step.MESSAGE:
        return Ambiguous(detail="The server did not answer after the message.")
    return NotSent(reason=Reason.UNREACHABLE, detail=f"The server was lost {step.value}.")


def _for_now(step: Step, reply: Reply) -> Answer:
    detail = f"The server put the message off {step.value}."
    match reply.number, reply.enhanced:
        case 454, _ if step is Step.AUTH:
            return NotSent(reason=Reason.PROVIDER_ERROR, code=reply.code, detail="The login failed for now.")
        case _, "4.2.1" | "4.2.2":  # the mailbox is disabled for now, or full
            return NotSent(reason=Reason.RECIPIENT_REFUSED, code=reply.code, detail=detail)
        # 421: the service closes, nearly always for load. 4.3.2: not accepting now. 4.5.3: too many recipients.
        case (421, _) | (_, "4.3.2" | "4.5.3"):
            return Throttled(code=reply.code, detail=detail)
        case _, str(enhanced) if enhanced.startswith("4.7."):  # policy: rate limits and greylists
            return Throttled(code=reply.code, detail=detail)
        case 452, _ if step is Step.RCPT:  # RFC 5321 4.5.3.1.10: too many recipients
            return Throttled(code=reply.code, detail=detail)
        case _:
            return NotSent(reason=Reason.PROVIDER_ERROR, code=reply.code, detail=detail)


def _for_good(step: Step, reply: Reply) -> Answer:
    if step is Step.CONNECT:  # 554 and friends: it takes nothing from this host
        detail = "The server refuses this host."
        return NotSent(reason=Reason.UNREACHABLE, code=reply.code, detail=detail)
    if step is Step.AUTH or reply.number in {530, 534, 535, 538} or reply.enhanced in {"5.7.8", "5.7.9"}:
        # RFC 4954: our configuration, not the message's fault
        detail = "The server refuses our credentials, or wants some."
        return NotSent(reason=Reason.CREDENTIALS_REFUSED, code=reply.code, detail=detail)
    if step is not Step.MAIL and reply.enhanced in _NOBODY_THERE:
        detail = "The server says that this address does not exist, or no longer."
        return Rejected(reason=Reason.ADDRESS_GONE, code=reply.code, detail=detail)
    reason = _REASONS.get(reply.enhanced or "") or _of_class(step, reply)
    return Rejected(reason=reason, code=reply.code, detail=f"The server refused the message {step.value}.")


_NOBODY_THERE = {
    "5.1.1",  # the mailbox does not exist
    "5.1.2",  # the destination system does not exist, or takes no mail
    "5.1.6",  # the mailbox has moved, and left no forwarding address
    "5.1.10",  # the domain says that it takes no mail (RFC 7505)
}
"""What is as good as a hard bounce. Not 5.2.1 (disabled): Gmail also says it where somebody gets too much mail at once. Not a 550 without
an enhanced code: blocked senders get the same."""

_REASONS = {
    "5.1.3": Reason.ADDRESS_INVALID,  # bad destination mailbox address syntax
    "5.1.7": Reason.CONTENT_REFUSED,  # bad sender's address syntax
    "5.1.8": Reason.CONTENT_REFUSED,  # bad sender's system address
    "5.2.3": Reason.TOO_LARGE,  # message length exceeds administrative limit
    "5.3.4": Reason.TOO_LARGE,  # message too big for system
    "5.6.7": Reason.ADDRESS_INVALID,  # non-ASCII addresses not permitted for that recipient
    "5.6.9": Reason.ADDRESS_INVALID,  # UTF-8 header cannot be transferred to one or more recipients
}


def _of_class(step: Step, reply: Reply) -> Reason:
    """By the subject digit of the enhanced code, else by the step."""
    match (reply.enhanced or "")[:4]:
        case "5.1." | "5.2." | "5.4.":  # addressing, mailbox, routing
            return Reason.RECIPIENT_REFUSED
        case "5.6." | "5.7.":  # content, policy
            return Reason.CONTENT_REFUSED
        case "5.5.":  # protocol: the server and we do not understand one another
            return Reason.PROVIDER_ERROR
    if 500 <= reply.number <= 504:
        return Reason.PROVIDER_ERROR
    if step is Step.RCPT:
        return Reason.RECIPIENT_REFUSED
    # RFC 5321: 552 after the message is "exceeded storage allocation"
    return Reason.TOO_LARGE if reply.number == 552 and step is not Step.MAIL else Reason.CONTENT_REFUSED
