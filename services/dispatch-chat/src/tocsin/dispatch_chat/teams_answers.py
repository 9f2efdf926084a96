"""What the answers of Teams' workflows mean: those of a request trigger of Azure Logic Apps (Microsoft Learn, "Receive and respond to inbound HTTPS
calls", "Troubleshoot and diagnose workflow failures"), with `{"error": {"code": …}}` where it refuses.

202 says that the workflow was started; what becomes of it then nobody is told. A tenant can bring each refusal about by the URL it gives, so none
of them says that Teams works for nobody.
"""

from typing import Final

import msgspec

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason

REJECTED: Final = {
    "WorkflowNotFound": Reason.ADDRESS_GONE,
    "WorkflowTriggerNotFound": Reason.ADDRESS_GONE,
    "WorkflowTriggerVersionNotFound": Reason.ADDRESS_GONE,
    "WorkflowTriggerIsNotEnabled": Reason.RECIPIENT_REFUSED,  # it is turned off, and may be turned on again
    "DirectApiAuthorizationRequired": Reason.ADDRESS_INVALID,  # the URL lacks its signature, or not everybody may start the workflow
    "DirectApiInvalidAuthorizationScheme": Reason.ADDRESS_INVALID,
    "TriggerInputSchemaMismatch": Reason.CONTENT_REFUSED,
    "InvalidRequestContent": Reason.CONTENT_REFUSED,
}
"""This message will never go there: give up. To an address that is gone nothing goes any more."""
_BY_STATUS: Final = {
    400: Reason.CONTENT_REFUSED,
    401: Reason.ADDRESS_INVALID,
    403: Reason.ADDRESS_INVALID,
    404: Reason.ADDRESS_INVALID,
    410: Reason.ADDRESS_GONE,
    413: Reason.TOO_LARGE,
}
"""Where the code is none of these."""
_TIMED_OUT: Final = 408


class _Error(msgspec.Struct, frozen=True):
    code: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    error: _Error = _Error()


def answer_of(status: int, body: bytes, *, message_id: str, retry_after: float | None) -> Answer:
    """By status and code. Nothing else of the body goes further: it may hold the URL."""
    if status in {200, 202}:
        return Accepted(message_id=message_id)
    code = f"HTTP {status}"
    if status == 429:
        return Throttled(code=code, detail="Teams asks for patience.", retry_after=retry_after)
    if status >= 500 or status < 300 or status == _TIMED_OUT:
        detail = "Nobody knows whether Teams has the message."
        return Ambiguous(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)
    if status < 400:
        return NotSent(reason=Reason.RECIPIENT_REFUSED, code=code, detail="The URL leads to another one.")
    word = _code(body)
    if word in REJECTED:
        return Rejected(reason=REJECTED[word], code=word, detail="Teams refuses the message.")
    reason = _BY_STATUS.get(status, Reason.RECIPIENT_REFUSED)
    return Rejected(reason=reason, code=code, detail="Teams refuses the message.")


def _code(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Refusal).error.code
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
