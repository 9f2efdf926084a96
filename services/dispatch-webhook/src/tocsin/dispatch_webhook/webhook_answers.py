"""What an endpoint's answer means for the message.

An endpoint has a message when it has answered 2xx. Everything else, and no answer, is a failure: the same message comes again, with the same
`webhook-id`, by which a receiver drops what it has (Standard Webhooks, its specification, "Webhook delivery"). So a failure here is never
ambiguous, but for messages that are sent at most once.
"""

from typing import Final

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Reason

_ABOUT_TO_COME_BACK: Final = {429, 502, 503, 504}
"""An endpoint that is too busy, or that its own gateway does not reach."""


_AFTER_SILENCE: Final = 5.0
"""Seconds: an endpoint that hangs would hold a place for each of three quick attempts. A timer brings the message back instead."""


def answer_of(status: int, job: Job, *, retry_after: float | None) -> Answer:
    """By the status alone: what stands beside it is the tenant's own."""
    code = f"HTTP {status}"
    if 200 <= status < 300:
        return Accepted(message_id=job.delivery_id, code=code)
    if status == 410:
        return Rejected(
            reason=Reason.ENDPOINT_GONE, code=code, detail="The endpoint says that it is gone (410)."
        )
    if status == 429:
        return Throttled(code=code, detail="The endpoint asks for patience.", retry_after=retry_after)
    if status >= 500 and status not in _ABOUT_TO_COME_BACK and job.delivery_class == "at_most_once":
        return Ambiguous(
            reason=Reason.PROVIDER_ERROR, code=code, detail="The endpoint failed, and may have the message."
        )
    detail = (
        "The endpoint answered with a redirect, and none is followed."
        if status < 400
        else "The endpoint did not take the message."
    )
    return NotSent(reason=Reason.PROVIDER_ERROR, code=code, detail=detail, retry_after=retry_after)


def not_answered(job: Job, *, sent: bool) -> NotSent | Ambiguous:
    """No answer in time, or none at all; `sent`: the request may have arrived."""
    if not sent:
        return NotSent(reason=Reason.UNREACHABLE, detail="The endpoint could not be reached.")
    detail = "The endpoint did not answer in time."
    if job.delivery_class == "at_most_once":
        return Ambiguous(detail=detail)
    return NotSent(reason=Reason.UNREACHABLE, detail=detail, retry_after=_AFTER_SILENCE)
