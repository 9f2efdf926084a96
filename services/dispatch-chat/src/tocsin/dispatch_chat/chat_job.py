"""What every provider of chats asks of a job before it calls."""

from tocsin.channel import Rejected
from tocsin.contracts.jobs import ChatContent, Job
from tocsin.contracts.vocabulary import Reason


def content_of(job: Job) -> ChatContent | Rejected:
    """The message; or why no call is made."""
    content = job.private.content
    if isinstance(content, ChatContent):
        return content
    return Rejected(reason=Reason.CONTENT_REFUSED, detail="The job's content is no message to a chat.")


def too_long(length: int, longest: int, unit: str) -> Rejected:
    """The provider would refuse a message of this length."""
    detail = f"The message has {length} {unit}; the provider takes {longest}. Shorten the template."
    return Rejected(reason=Reason.TOO_LARGE, detail=detail)


def ids_of(job: Job) -> dict[str, str]:
    """Headers that say which message it is, for who reads a proxy's log beside a timeline."""
    return {"X-Tocsin-Notification": job.notification_id, "X-Tocsin-Delivery": job.delivery_id}


def far_end_of(job: Job) -> str:
    """The place, as its hash: logs show far ends, and an address may be a secret."""
    return job.address_hash
