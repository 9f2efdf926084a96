"""What Postmark's answers mean for the message: a pure function over status and `ErrorCode`.

https://postmarkapp.com/developer/api/overview lists statuses and codes. The status comes first: with 200 or 5xx the mail may have been taken,
whatever the code says. A refusal is HTTP 422 with a code; of its text only one word is
looked for, and it goes no further than this file, for it repeats addresses.
"""

from typing import Final

import msgspec

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled, message_id
from tocsin.contracts.codec import UNREADABLE_ERRORS
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_email.http_provider import MailResponse

_CREDENTIALS = Reason.CREDENTIALS_REFUSED
_SENDER = Reason.SENDER_REFUSED
_OUR_SETUP: Final = {
    10: (_CREDENTIALS, "Postmark refuses the server's API token."),
    100: (Reason.PROVIDER_ERROR, "Postmark's API is offline for maintenance."),
    400: (_SENDER, "Postmark has no sender signature or domain for the sender's address: add its domain there."),
    401: (_SENDER, "The sender's signature in Postmark is not confirmed."),
    405: (_CREDENTIALS, "The Postmark account may not send now, for it has run out of credits."),
    412: (_CREDENTIALS, "The Postmark account is not approved yet: it sends only to addresses of its own domain."),
    413: (_CREDENTIALS, "The Postmark account may not send."),
}  # fmt: skip
"""Code → reason and sentence. The account's fault, not the mail's: another instance may send it."""
_OF_STREAMS: Final = range(1220, 1300)
_MAINTENANCE: Final = 100
"""Documented: the API is offline, so it has taken nothing."""
_INVALID_REQUEST: Final = 300
_INACTIVE_RECIPIENT: Final = 406
_RATE_LIMIT: Final = 429
_NOT_UNDERSTOOD: Final = {402, 403, 409}
"""Invalid JSON, incompatible JSON, JSON required."""


class _Body(msgspec.Struct):
    code: int | None = msgspec.field(name="ErrorCode", default=None)
    text: str = msgspec.field(name="Message", default="")
    message_id: str | None = msgspec.field(name="MessageID", default=None)


_decode = msgspec.json.Decoder(_Body).decode


def answer_of(response: MailResponse) -> Answer:  # noqa: PLR0911 - one for each answer
    """What a response means."""
    body = _read(response.body)
    if response.status == 200 and body.code == 0 and (known := message_id(body.message_id)):
        return Accepted(message_id=known)
    code = str(body.code) if body.code else f"HTTP {response.status}"
    if response.status < 300 or (response.status >= 500 and body.code != _MAINTENANCE):
        # Of a 500 the page says "in most cases the message is lost", which is not always; a 200 without an id is none of Postmark's own.
        detail = "Nobody knows whether Postmark has the mail."
        return Ambiguous(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)
    if response.status == 429 or body.code == _RATE_LIMIT:
        return Throttled(code=code, detail="Postmark asks for patience.", retry_after=response.retry_after)
    if body.code in _OUR_SETUP:
        reason, detail = _OUR_SETUP[body.code]
        return NotSent(reason=reason, code=code, detail=detail, retry_after=response.retry_after)
    if body.code in _OF_STREAMS:
        detail = (
            "The Postmark server has no such message stream: look at `message_stream` and `message_streams`."
        )
        return NotSent(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)
    if response.status == 422 and body.code is not None:
        return _refused(body, code)
    return _by_status(response.status, code)


def _refused(body: _Body, code: str) -> Rejected:
    """A mail that Postmark will never take."""
    if body.code == _INACTIVE_RECIPIENT:
        detail = "Postmark has the address on the suppression list of this message stream."
        return Rejected(reason=Reason.PROVIDER_SUPPRESSED, code=code, detail=detail)
    if body.code == _INVALID_REQUEST and "'To'" in body.text:  # "Error parsing 'To': Illegal email address"
        detail = "Postmark refuses the recipient's address."
        return Rejected(reason=Reason.ADDRESS_INVALID, code=code, detail=detail)
    if body.code in _NOT_UNDERSTOOD:
        detail = "Postmark does not understand the request."
        return Rejected(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)
    return Rejected(reason=Reason.CONTENT_REFUSED, code=code, detail="Postmark refuses the mail.")


def _by_status(status: int, code: str) -> NotSent | Rejected:
    """Without a code that says more."""
    if status == 401:
        return NotSent(reason=_CREDENTIALS, code=code, detail=_OUR_SETUP[10][1])
    if status == 413:
        return Rejected(reason=Reason.TOO_LARGE, code=code, detail="The mail is larger than Postmark takes.")
    # 400, 403 and 422 without a code come from what stands before the API.
    detail = "The answer is none of Postmark's: look at `base_url`, and at what stands before it."
    return NotSent(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)


def _read(body: bytes) -> _Body:
    try:
        return _decode(body)
    except UNREADABLE_ERRORS:
        return _Body()
