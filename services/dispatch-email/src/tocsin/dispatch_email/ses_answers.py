"""What the answers of Amazon SES mean for the message: a pure function over status, error name and body.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors and its page CommonErrors. An error's name
decides; of its text only words are looked for, and it goes no further than this file, for it repeats addresses.
"""

import re

import msgspec

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled, message_id
from tocsin.channel.aws_account import CREDENTIALS_REFUSED, THROTTLED
from tocsin.contracts.codec import UNREADABLE_ERRORS
from tocsin.contracts.vocabulary import Reason
from tocsin.dispatch_email.http_provider import MailResponse

_NAME = re.compile(r"(?:[\w.]+#)?([A-Za-z]{1,100})")
"""`MessageRejected`, also in `MessageRejected:http://…` and `com.amazonaws.ses#MessageRejected`."""
_NOT_VERIFIED = "address is not verified"
# https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html: "Email address is not verified. The following identities …"
_ABOUT_AN_ADDRESS = re.compile(
    r"illegal address|missing (final|local|domain)|(local address|domain) (contains|starts|ends)"
)
_OF_THE_SENDER = re.compile(r"\b(from(emailaddress)?|sender|source|reply-?to)\b")
_OF_AN_IDENTITY = ":identity/"
_ACCOUNT = {
    "AccountSuspendedException": "SES has suspended the account.",
    "SendingPausedException": "Sending is paused in the SES account or its configuration set.",
}


class _Body(msgspec.Struct):
    """An error, or what was accepted."""

    message_id: str | None = msgspec.field(name="MessageId", default=None)
    type: str | None = msgspec.field(name="__type", default=None)
    code: str | None = None
    message: str | None = None
    also_message: str | None = msgspec.field(name="Message", default=None)

    @property
    def text(self) -> str:
        """What it says, for looking up words."""
        return (self.message or self.also_message or "").lower()


_decode = msgspec.json.Decoder(_Body).decode


def answer_of(response: MailResponse) -> Answer:
    """What a response means."""
    body = _read(response.body)
    if response.status == 200 and (known := message_id(body.message_id)):
        return Accepted(message_id=known)
    if response.status < 300 or response.status >= 500:
        # SES does not say that nothing was taken, not even of ServiceUnavailable; and a 200 without an id is none of its own.
        code = f"HTTP {response.status}"
        return Ambiguous(
            reason=Reason.PROVIDER_ERROR, code=code, detail="Nobody knows whether SES has the mail."
        )
    name = _error_name(response, body)
    code = name or f"HTTP {response.status}"
    if response.status == 429 or name in THROTTLED:
        return Throttled(code=code, detail="SES asks for patience.", retry_after=response.retry_after)
    return _refused(response.status, name, code, body.text)


def _refused(  # noqa: PLR0911 - one for each answer
    status: int, name: str | None, code: str, text: str
) -> Rejected | NotSent:
    """It was not taken: by whose fault?"""
    if (ours := _faults_of_the_account(status, name, code, text)) is not None:
        return ours
    if status == 413:
        return Rejected(reason=Reason.TOO_LARGE, code=code, detail="The mail is larger than SES takes.")
    if name == "MessageRejected":
        return Rejected(reason=Reason.CONTENT_REFUSED, code=code, detail="SES refuses the mail's content.")
    if status == 400 and _ABOUT_AN_ADDRESS.search(text) and _OF_THE_SENDER.search(text):
        detail = "SES refuses the sender's address or name."
        return Rejected(reason=Reason.CONTENT_REFUSED, code=code, detail=detail)
    if status == 400 and _ABOUT_AN_ADDRESS.search(text):
        return Rejected(
            reason=Reason.ADDRESS_INVALID, code=code, detail="SES refuses an address of the mail."
        )
    if name == "BadRequestException":
        return Rejected(reason=Reason.CONTENT_REFUSED, code=code, detail="SES refuses the mail.")
    if status == 400 and name is not None:
        return Rejected(reason=Reason.PROVIDER_ERROR, code=code, detail="SES refuses the request.")
    detail = "The answer is none of SES's: look at `region` and `base_url`, and at what stands before them."
    return NotSent(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)


def _faults_of_the_account(  # noqa: PLR0911 - one for each fault
    status: int, name: str | None, code: str, text: str
) -> NotSent | None:
    """The account's fault, not the mail's: another instance may send it."""
    if name == "MailFromDomainNotVerifiedException" or (name == "MessageRejected" and _NOT_VERIFIED in text):
        # While the account is in the sandbox, SES says the same of a recipient.
        detail = (
            "SES has not verified the sender's domain in this region, or the account is still in the sandbox."
        )
        return NotSent(reason=Reason.SENDER_REFUSED, code=code, detail=detail)
    if name == "AccessDeniedException" and _OF_AN_IDENTITY in text:
        # The policy of the key may allow other identities: one tenant's sender stops no other.
        detail = (
            "The access key may not send for the sender's identity: look at its policy for ses:SendEmail."
        )
        return NotSent(reason=Reason.SENDER_REFUSED, code=code, detail=detail)
    if name in _ACCOUNT:
        return NotSent(reason=Reason.CREDENTIALS_REFUSED, code=code, detail=_ACCOUNT[name])
    if status in {401, 403} or name in CREDENTIALS_REFUSED:
        detail = "SES refuses the access key, or its signature: look at the key, `region` and this machine's clock."
        return NotSent(reason=Reason.CREDENTIALS_REFUSED, code=code, detail=detail)
    if name == "LimitExceededException":
        return NotSent(
            reason=Reason.PROVIDER_ERROR, code=code, detail="A limit of the SES account is reached."
        )
    if name == "RequestTimeoutException":
        detail = "SES did not get the whole request in time."
        return NotSent(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)
    if name == "NotFoundException":
        detail = "The SES account lacks what the request names: look at `configuration_set` and `region`."
        return NotSent(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)
    return None


def _read(body: bytes) -> _Body:
    try:
        return _decode(body)
    except UNREADABLE_ERRORS:
        return _Body()


def _error_name(response: MailResponse, body: _Body) -> str | None:
    found = _NAME.match(response.headers.get("x-amzn-errortype") or body.type or body.code or "")
    return found.group(1) if found else None
