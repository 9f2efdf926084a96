"""What every provider of SMS asks of a job before it calls: a text, a number, a time to live."""

import re

from tocsin.channel import Rejected
from tocsin.contracts.jobs import Job, SmsContent
from tocsin.contracts.vocabulary import Reason
from tocsin.runtime import Clock

_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)


def text_of(job: Job, *, longest: int) -> str | Rejected:
    """The text to send; or why no call is made: no SMS, no number, or more than `longest` characters."""
    content = job.private.content
    if not isinstance(content, SmsContent):
        return Rejected(reason=Reason.CONTENT_REFUSED, detail="The job's content is no SMS.")
    if not _E164.fullmatch(job.private.address):
        return Rejected(
            reason=Reason.ADDRESS_INVALID, detail="The number is not in the form +<digits> (E.164)."
        )
    if len(content.body) > longest:
        detail = f"The text has {len(content.body)} characters; the provider takes {longest}. Shorten the template."
        return Rejected(reason=Reason.TOO_LARGE, detail=detail)
    return content.body


def sender_of(job: Job, own: str | None) -> str | None:
    """The tenant's sender identity, else the instance's `own`."""
    return job.sender.address if job.sender is not None else own


def seconds_left(job: Job, clock: Clock) -> int:
    """Until the job expires; below zero once it has."""
    return int(job.expires_at.timestamp() - clock.time_ms() / 1000)


def no_sender() -> Rejected:
    """Neither the tenant nor the instance says who sends."""
    detail = "Neither the tenant nor the provider instance has a sender for SMS."
    return Rejected(reason=Reason.SENDER_MISSING, detail=detail)
