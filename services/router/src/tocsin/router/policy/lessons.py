"""What a status says of the address that its message went to."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.ids import valid_recipient, valid_tenant
from tocsin.contracts.statuses import Status
from tocsin.contracts.values.text import is_text
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


class Unusable(StrEnum):
    """Why what a status says of an address has no effect."""

    TEST = "test"
    """A test key has sent the message."""
    NO_ADDRESS = "no_address"
    """It names no recipient or no address."""
    HASH = "hash"
    """The hash has not the form of one, or is of a key that the router does not have."""
    MALFORMED = "malformed"
    """An id, a word or a time in it is none: no table could hold it."""
    TENANT = "tenant"
    """There is no such tenant, or no longer."""
    CATEGORY = "category"
    """It is about one category alone, and there is no such category, or no longer."""


_MOST_CHARACTERS: Final = 256
"""Of any word that goes into a row: more than any that we write has, and few enough for an index."""
_WORDS: Final = ("status_id", "category", "notification_id", "address_key")


def lesson_of(status: Status) -> Lesson | None:
    """None where it says nothing of an address. Whether it may have an effect is another question: `unusable`."""
    spec = CHANNELS.get(status.channel or "")
    if spec is None:
        return None
    if status.status in _NOT_DELIVERED:
        return _BY_REASON.get(status.reason or "")
    if status.status == StatusName.COMPLAINED:
        return Lesson.COMPLAINT
    if status.status == StatusName.UNSUBSCRIBED:
        # Where messages carry a link for their category, that is what was left; elsewhere somebody has answered STOP.
        return Lesson.UNSUBSCRIBE if spec.has_unsubscribe_url else Lesson.STOP
    return None


def unusable(status: Status) -> Unusable | None:
    """Why it can have no effect, as far as it shows itself; None where it may have one. It was read from a topic: whatever stands in it, learning
    goes on."""
    if status.test:
        return Unusable.TEST
    if status.recipient is None or status.address_hash is None:
        return Unusable.NO_ADDRESS
    words = (getattr(status, name) for name in _WORDS)
    times = (status.at, status.gone_since, None if status.receipt is None else status.receipt.at)
    well_formed = (
        valid_tenant(status.tenant)
        and valid_recipient(status.recipient)
        and all(word is None or _is_word(word) for word in words)
        and all(time is None or _is_moment(time) for time in times)
    )
    return None if well_formed else Unusable.MALFORMED


def provider_code_of(status: Status) -> str | None:
    """The provider's own code, as far as a row can hold it."""
    code = status.provider_code
    return code[:_MOST_CHARACTERS] if code is not None and is_text(code) else None


def happened_at(status: Status) -> datetime:
    """When what it says happened: by the provider's clock where it tells, since a receipt may come late; but never after it was taken in."""
    if status.receipt is None or status.receipt.at is None:
        return status.at
    return min(status.receipt.at, status.at)


def _is_word(text: str) -> bool:
    return len(text) <= _MOST_CHARACTERS and is_text(text)


def _is_moment(time: datetime) -> bool:
    """With a zone, and within what every calendar that it passes through can hold."""
    return time.tzinfo is not None and 1970 < time.year < 9000
