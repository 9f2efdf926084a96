"""What the answers of push services mean for the message: RFC 8030 (sections 5, 7.2, 7.3, 8.4) and RFC 8292 (section 4.2).

A tenant can bring a refusal about: by a subscription that was made for another key (403; 401 at Mozilla's push service), or by an endpoint
that never was one. So no refusal of a request says that the push service works for nobody: others' messages go on.
"""

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.vocabulary import Reason


def answer_of(status: int, *, message_id: str, retry_after: float | None) -> Answer:  # noqa: PLR0911 - one for each meaning
    """By the status alone: what a push service writes beside it may hold the endpoint."""
    code = f"HTTP {status}"
    match status:
        case 200 | 201 | 202:
            return Accepted(message_id=message_id)
        case 404 | 410:
            detail = "The browser's subscription has ended."
            return Rejected(reason=Reason.DEVICE_GONE, code=code, detail=detail)
        case 413:
            detail = "The push service takes no message of this size."
            return Rejected(reason=Reason.TOO_LARGE, code=code, detail=detail)
        case 406 | 429:
            detail = "The push service asks for patience."
            return Throttled(code=code, detail=detail, retry_after=retry_after)
        case 401 | 403:
            detail = "The push service refuses our VAPID key for this subscription."
            return NotSent(reason=Reason.SENDER_REFUSED, code=code, detail=detail)
        case _ if 300 <= status < 500:
            detail = "The push service refuses this request."
            return NotSent(reason=Reason.RECIPIENT_REFUSED, code=code, detail=detail)
        case _:
            detail = "Nobody knows whether the push service has the message."
            return Ambiguous(reason=Reason.PROVIDER_ERROR, code=code, detail=detail)
