"""What Mailgun's answers mean for the message: a pure function over status and body.

https://documentation.mailgun.com/docs/mailgun/quickstart-guide/responses says 400, 403, 404, 429 and 500; the page of
`POST /v3/{domain_name}/messages.mime` adds 401; 402 ("parameters were valid but request failed") and 413 stand in its former reference.
Mailgun has no codes of its own. Of an error's text only words are looked for, and it goes no further than this file.
"""

import msgspec

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.codec import UNREADABLE_ERRORS
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_email.http_provider import MailResponse, message_id

_NOT_AN_ADDRESS = "not a valid address"
# https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/send-http: "parameter is not a valid address"
_DOMAIN_MAY_NOT = "is not allowed to send"


class _Body(msgspec.Struct):
    id: str | None = None
    message: str = ""


_decode = msgspec.json.Decoder(_Body).decode


def answer_of(response: MailResponse) -> Answer:
    """What a response means."""
    code, body = f"HTTP {response.status}", _read(response.body)
    if response.status == 200 and (known := message_id((body.id or "").strip("<>"))):
        return Accepted(message_id=known)
    if response.status < 300 or response.status >= 500:
        # Of a 500 Mailgun says that one may repeat, and not that nothing was taken; a 200 without an id is none of its own.
        detail = "Nobody knows whether Mailgun has the mail."
        return Ambiguous(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)
    if response.status == 429:
        return Throttled(code=code, detail="Mailgun asks for patience.", retry_after=response.retry_after)
    return _refused(response.status, code, body.message.lower())


def _refused(  # noqa: PLR0911 - one for each answer
    status: int, code: str, text: str
) -> Rejected | NotSent:
    """It was not taken: by whose fault?"""
    if _DOMAIN_MAY_NOT in text:
        detail = "The Mailgun domain may not send, or not to this recipient: look at it in Mailgun."
        return NotSent(reason=Reason.CREDENTIALS_REFUSED, code=code, detail=detail)
    match status:
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
