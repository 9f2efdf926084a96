"""What SendGrid's answers mean for the message: pure functions over status and body.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors. An error names the field it is about; its message goes
no further than the decoder, for it repeats addresses.
"""

from datetime import datetime

import msgspec

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled, message_id
from tocsin.channel.pauses import LONGEST_PAUSE
from tocsin.contracts.codec import UNREADABLE_ERRORS
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_email.http_provider import MailResponse

_A_MOMENT = 1_000_000_000
"""Seconds since 1970 are more than this since 2001, and no period is that long."""


class _Error(msgspec.Struct):
    field: str | None = None


class _Body(msgspec.Struct):
    errors: list[_Error]


_decode = msgspec.json.Decoder(_Body).decode


def fields(body: bytes) -> list[str] | None:
    """The fields that the errors are about, such as `personalizations.0.to.0.email`; None where the body is no error of SendGrid's."""
    try:
        return [error.field for error in _decode(body).errors if error.field]
    except UNREADABLE_ERRORS:
        return None


def pause(response: MailResponse, *, now: datetime) -> float | None:
    """Seconds to wait, as `Retry-After` says; else as `X-RateLimit-Reset`, the end of the limit's period, does.

    It is documented as seconds since 1970; a small number can only be seconds from now.
    """
    if response.retry_after is not None:
        return response.retry_after
    value = response.headers.get("x-ratelimit-reset", "").strip()
    if not (value.isdecimal() and value.isascii()):
        return None
    seconds = float(value[:12])
    if seconds > _A_MOMENT:
        seconds -= now.timestamp()
    return min(max(seconds, 0.0), LONGEST_PAUSE)


def answer_of(  # noqa: PLR0911 - one for each answer
    status: int, body: bytes, *, given_id: str | None = None, retry_after: float | None = None
) -> Answer:
    """What a response means."""
    code = f"HTTP {status}"
    match status:
        case 202:
            return Accepted(message_id=message_id(given_id))
        case 400:
            return _refused(code, fields(body))
        case 413:
            return Rejected(
                reason=Reason.TOO_LARGE, code=code, detail="The mail is larger than SendGrid takes."
            )
        case 415:  # "Invalid UTF8 in request"
            return Rejected(reason=Reason.CONTENT_REFUSED, code=code, detail="SendGrid cannot read the mail.")
        case 429:
            return Throttled(code=code, detail="SendGrid asks for patience.", retry_after=retry_after)
        case 401 | 403:
            return _not_permitted(code, fields(body) or [])
        case _ if 300 <= status < 500:
            detail = "The endpoint does not lead to SendGrid's Mail Send: look at `base_url`."
            return NotSent(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)
        case _:  # 200 belongs to its sandbox mode, which nobody asked for; of 5xx it does not say that nothing was taken
            detail = "Nobody knows whether SendGrid has the mail."
            return Ambiguous(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)


def _refused(code: str, about: list[str] | None) -> Rejected | NotSent:
    """A mail that SendGrid will never take; an answer of a proxy, or of another server, says nothing of the mail."""
    if about is None:
        detail = "The answer is none of SendGrid's: look at `base_url`, and at what stands before it."
        return NotSent(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)
    if any(field.startswith("personalizations") and ".to" in field for field in about):
        detail = "SendGrid refuses the recipient's address."
        return Rejected(reason=Reason.ADDRESS_INVALID, code=code, detail=detail)
    if any(field.partition(".")[0] in {"from", "reply_to"} for field in about):
        detail = "SendGrid refuses the sender's address or name."
        return Rejected(reason=Reason.CONTENT_REFUSED, code=code, detail=detail)
    return Rejected(reason=Reason.CONTENT_REFUSED, code=code, detail="SendGrid refuses the mail.")


def _not_permitted(code: str, about: list[str]) -> NotSent:
    """The account's fault, not the mail's: another instance may send it."""
    if "from" in {field.partition(".")[0] for field in about}:
        # One tenant's sender; mails of others go on.
        detail = "The SendGrid account has not verified the sender's address: authenticate its domain there."
        return NotSent(reason=Reason.SENDER_REFUSED, code=code, detail=detail)
    detail = "SendGrid refuses the API key, or the account may send nothing now."
    return NotSent(reason=Reason.CREDENTIALS_REFUSED, code=code, detail=detail)
