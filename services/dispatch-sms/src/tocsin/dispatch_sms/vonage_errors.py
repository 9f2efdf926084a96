"""What Vonage's errors mean for the message.

The codes of messages stand in https://developer.vonage.com/en/api-errors/messages, those of every API in
https://developer.vonage.com/en/api-errors. An error is a problem (RFC 7807); its `type` ends in `#` and the code. Its words go no
further: they may repeat what was sent.
"""

import re

import msgspec

from tocsin.channel import Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.codec import UNREADABLE_ERRORS
from tocsin.contracts.vocabulary import Reason

_CODE = re.compile(r"\d{4}|[a-z][a-z0-9-]{0,39}", re.ASCII)


class _Parameter(msgspec.Struct):
    name: str = ""


class _Problem(msgspec.Struct):
    type: str = ""
    invalid_parameters: list[_Parameter] = []


_decode = msgspec.json.Decoder(_Problem).decode


class VonageError(msgspec.Struct, frozen=True):
    """An error as far as it matters: its code, if it has one, and the parameters that it finds fault with."""

    code: str | None = None
    parameters: frozenset[str] = frozenset()


def read(body: bytes) -> VonageError:
    """The error in an answer; whatever stands between Vonage and us may answer with a page instead."""
    try:
        problem = _decode(body)
    except UNREADABLE_ERRORS:
        return VonageError()
    return VonageError(
        code_of(problem.type),
        frozenset(parameter.name for parameter in problem.invalid_parameters),
    )


def code_of(kind: str) -> str | None:
    """The code at the end of an error's `type`."""
    _, _, code = kind.rpartition("#")
    return code if _CODE.fullmatch(code) and code != kind else None


_REJECTED = {
    "1040": Reason.ADDRESS_INVALID,  # Invalid message: for example an unrecognised prefix of the number
    "1050": Reason.RECIPIENT_REFUSED,  # Number barred
    "1090": Reason.TOO_LARGE,  # Message too long
    "1160": Reason.RECIPIENT_REFUSED,  # Non White-listed Destination: accounts on trial
    "1170": Reason.ADDRESS_INVALID,  # Invalid or Missing Msisdn Param
    "1190": Reason.RECIPIENT_REFUSED,  # Absent Subscriber Permanent
    "1200": Reason.RECIPIENT_REFUSED,  # Portability Error
    "1210": Reason.CONTENT_REFUSED,  # Anti-Spam Rejection
    "1240": Reason.RECIPIENT_STOPPED,  # Illegal Number: the user has sent STOP
    "1250": Reason.RECIPIENT_REFUSED,  # Unroutable
    "1260": Reason.RECIPIENT_REFUSED,  # Destination unreachable
    "1270": Reason.CONTENT_REFUSED,  # Subscriber Age Restriction
    "1280": Reason.RECIPIENT_REFUSED,  # Number Blocked by Carrier
    "1290": Reason.RECIPIENT_REFUSED,  # Pre-Paid - Insufficient funds, of the recipient
    "1300": Reason.RECIPIENT_REFUSED,  # Not part of the provider network
    "1310": Reason.RECIPIENT_REFUSED,  # Not suitable device
}
"""This message will never go: give up."""

_OUR_SETUP = {
    "1060",  # Partner account barred
    "1070",  # Partner quota exceeded: no credit
    "1080",  # Account not enabled for REST
    "1110",  # Invalid Signature
    "1140",  # Facility not allowed
    "low-balance",
    "unauthorized",
    "forbidden",
    "unprovisioned",
    "account-suspended",
    "jwt-expired",
    "jwt-revoked",
    "invalid-api-key",
    "invalid-signature",
    "invalid-ip",
}
"""The account or its credentials are at fault, not the message: another instance may send it."""

_SENDER = {
    "1120",  # Illegal Sender Address
}

_PASSING = {
    "1100",  # Communication Failed: "Message was not submitted"
    "1180",  # Absent Subscriber Temporary
    "1220",  # Handset Busy
    "1230",  # Network Error: "temporary failure, retry later"
    "1331",  # Provider error: "try sending your message in a few minutes time"
}
"""Not taken, and worth another attempt."""

_PATIENCE = {
    "1000",  # Throttled
    "1241",  # Too many send requests to phone numbers
    "throttled",
    "rate-limit",
}


def reason_of(code: str | None) -> Reason | None:
    """Why a message with this error never goes; None where the code does not say it."""
    return _REJECTED.get(code or "")


def answer_of(status: int, error: VonageError, *, retry_after: float | None) -> Answer:
    """What an answer other than a taken message means."""
    code = error.code or ""
    said = error.code or f"HTTP {status}"
    if status == 429 or code in _PATIENCE:
        return Throttled(code=said, detail="Vonage asks for patience.", retry_after=retry_after)
    reason = reason_of(code) or (Reason.ADDRESS_INVALID if "to" in error.parameters else None)
    if reason is not None:
        return Rejected(reason=reason, code=said, detail="Vonage refuses the message.")
    if code in _SENDER or "from" in error.parameters:
        detail = "Vonage refuses the sender: register it there, or set another one."
        return NotSent(reason=Reason.SENDER_REFUSED, code=said, detail=detail)
    if status in {401, 402, 403} or code in _OUR_SETUP:
        detail = "Vonage refuses our account: look at the application's id, its key and the credit."
        return NotSent(reason=Reason.CREDENTIALS_REFUSED, code=said, detail=detail)
    if code in _PASSING:
        return NotSent(reason=Reason.PROVIDER_ERROR, code=said, detail="Vonage has not sent the message.")
    return _by_status(status, error.code, said)


def _by_status(status: int, code: str | None, said: str) -> Answer:
    if 300 <= status < 500 and (code is None or status < 400 or status == 404):
        detail = "The answer is none of Vonage's: look at `base_url`, and at what stands before it."
        return NotSent(reason=Reason.PROVIDER_ERROR, code=said, detail=detail)
    if 400 <= status < 500 and code not in {"1030", "1320"}:
        # A fault in the request: it will be the same next time.
        return Rejected(reason=Reason.PROVIDER_ERROR, code=said, detail="Vonage refuses the request.")
    # 1030 is an error within Vonage, 1320 says "already sent" without saying which message; no 5xx is documented as not taken.
    return Ambiguous(
        reason=Reason.PROVIDER_ERROR, code=said, detail="Nobody knows whether Vonage has the message."
    )
