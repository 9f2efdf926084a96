"""What Mailgun's answers mean for the message: a pure function over status and body.

https://documentation.mailgun.com/docs/mailgun/quickstart-guide/responses says 400, 403, 404, 429 and 500; the page of
`POST /v3/{domain_name}/messages.mime` adds 401; 402 ("parameters were valid but request failed") and 413 stand in its former reference.
420 is documented nowhere: it says that so many recipients are too many for the domain now, and until when
(https://github.com/mailgun/mailgun-java/issues/50). Mailgun has no codes of its own. Of an error's text only words are looked for, and it goes no further than this file.
"""

import re
from datetime import datetime

import msgspec

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled, message_id
from tocsin.channel.pauses import pause_until
from tocsin.contracts.codec import UNREADABLE_ERRORS
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_email.http_provider import MailResponse

_NOT_AN_ADDRESS = "not a valid address"
# https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/send-http: "parameter is not a valid address"
_NOT_OF_FROM = re.compile(r"\bfrom\W+parameter is not a valid address")
_DOMAIN_MAY_NOT = "is not allowed to send"
_LIMIT = "limit exceeded"
_UNTIL = re.compile(r"try again after (.{1,40})")


class _Body(msgspec.Struct):
    id: str | None = None
    message: str | None = None


_decode = msgspec.json.Decoder(_Body).decode


def answer_of(response: MailResponse, *, now: datetime) -> Answer:
    """What a response means that came `now`."""
    code, body = f"HTTP {response.status}", _read(response.body)
    if response.status == 200 and (known := message_id((body.id or "").strip("<>"))):
        return Accepted(message_id=known)
    if response.status < 300 or response.status >= 500:
        # Of a 500 Mailgun says that one may repeat, and not that nothing was taken; a 200 without an id is none of its own.
        detail = "Nobody knows whether Mailgun has the mail."
        return Ambiguous(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)
    text = (body.message or "").lower()
    if response.status in {420, 429} or (_DOMAIN_MAY_NOT in text and _LIMIT in text):
        pause = response.retry_after
        if pause is None and (until := _UNTIL.search(text)):
            pause = pause_until(until[1], now=now)
        return Throttled(code=code, detail="Mailgun asks for patience.", retry_after=pause)
    return _refused(response.status, code, text if body.message else None)


def _refused(  # noqa: PLR0911 - one for each answer
    status: int, code: str, text: str | None
) -> Rejected | NotSent:
    """It was not taken: by whose fault? `text` is what Mailgun says, None where the answer is none of its own."""
    if text is None and status == 400:
        detail = "The answer is none of Mailgun's: look at `base_url`, and at what stands before it."
        return NotSent(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)
    text = text or ""
    if _DOMAIN_MAY_NOT in text:
        detail = "The Mailgun domain may not send, or not to this recipient: look at it in Mailgun."
        return NotSent(reason=Reason.CREDENTIALS_REFUSED, code=code, detail=detail)
    match status:
        case 400 if _NOT_OF_FROM.search(text):
            detail = "Mailgun refuses the sender's address or name."
            return Rejected(reason=Reason.CONTENT_REFUSED, code=code, detail=detail)
        case 400 if _NOT_AN_ADDRESS in text:
            detail = "Mailgun refuses the recipient's address."
            return Rejected(reason=Reason.ADDRESS_INVALID, code=code, detail=detail)
        case 400:
            return Rejected(reason=Reason.CONTENT_REFUSED, code=code, detail="Mailgun refuses the mail.")
        case 413:
            return Rejected(
                reason=Reason.TOO_LARGE, code=code, detail="The mail is larger than Mailgun takes."
            )
        case 401 | 403:
            detail = "Mailgun refuses the API key: look at it, and at `region`."
            return NotSent(reason=Reason.CREDENTIALS_REFUSED, code=code, detail=detail)
        case 402:
            detail = "Mailgun did not do what was asked: look at the account."
            return NotSent(reason=Reason.CREDENTIALS_REFUSED, code=code, detail=detail)
        case _:
            detail = "Mailgun does not know the domain there: look at `domain`, `region` and `base_url`."
            return NotSent(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)


def _read(body: bytes) -> _Body:
    try:
        return _decode(body)
    except UNREADABLE_ERRORS:
        return _Body()
