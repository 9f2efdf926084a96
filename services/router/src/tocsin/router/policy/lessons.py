"""What a status says of the address that its message went to."""

from enum import StrEnum
from typing import Final

from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.statuses import Status
from tocsin.contracts.vocabulary import Reason, StatusName


class Lesson(StrEnum):
    """What follows from it."""

    DEAD = "dead"
    """Nobody is there, and nobody will be: a hard bounce. Nothing goes there any more."""
    SOFT_BOUNCE = "soft_bounce"
    """Nobody could be reached for now: five within seven days suppress the address for seven."""
    GIVEN_UP = "given_up"
    """The provider itself sends nothing there any more, so nobody need ask it."""
    COMPLAINT = "complaint"
    """Somebody there calls it spam. Nothing goes there any more, and the recipient's category is switched off."""
    STOP = "stop"
    """Somebody there wants nothing more from this sender, whatever it is."""
    UNSUBSCRIBE = "unsubscribe"
    """Somebody there wants nothing more of this category: a preference, as if they had pressed our own link."""


_NOT_DELIVERED: Final = frozenset({StatusName.FAILED, StatusName.BOUNCED, StatusName.UNDELIVERED})
_BY_REASON: Final[dict[str, Lesson]] = {
    Reason.ADDRESS_GONE: Lesson.DEAD,
    Reason.HARD_BOUNCE: Lesson.DEAD,
    Reason.SOFT_BOUNCE: Lesson.SOFT_BOUNCE,
    Reason.PROVIDER_SUPPRESSED: Lesson.GIVEN_UP,
    Reason.RECIPIENT_STOPPED: Lesson.STOP,
}
"""Each adapter says them only where its provider's documents do. `recipient_refused` and `address_invalid` teach nothing: the next provider may
take the message."""
LESSON_WORDS: Final = (*_BY_REASON, StatusName.COMPLAINED, StatusName.UNSUBSCRIBED)
"""One of them stands in every status that teaches anything."""


def lesson_of(status: Status) -> Lesson | None:
    """None where it says nothing of an address, or a test key has sent it."""
    spec = CHANNELS.get(status.channel or "")
    if status.test or spec is None or status.recipient is None or status.address_hash is None:
        return None
    if status.status in _NOT_DELIVERED:
        return _BY_REASON.get(status.reason or "")
    if status.status == StatusName.COMPLAINED:
        return Lesson.COMPLAINT
    if status.status == StatusName.UNSUBSCRIBED:
        # Where messages carry a link for their category, that is what was left; elsewhere somebody has answered STOP.
        return Lesson.UNSUBSCRIBE if spec.has_unsubscribe_url else Lesson.STOP
    return None
