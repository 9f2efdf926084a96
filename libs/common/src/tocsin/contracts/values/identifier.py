"""Ids that callers choose. Kept as written: two spellings are two ids."""

import re
from typing import Final

from tocsin.contracts.ids import valid_recipient
from tocsin.contracts.values.refusal import ValueRefused
from tocsin.contracts.vocabulary import Reason

_RECIPIENT: Final = (
    "Not a recipient id. It has 1 to 256 bytes of UTF-8, no control characters, and is not `.` or `..`"
)
ADDRESS_RULE: Final = (
    "A recipient is named by your own id for the person, which appears in timelines and logs, and not by an address. "
    'Write `{"id": "<your id>", "email": "…"}` or `{"id": "<your id>", "phone": "…"}`; '
    "if your ids are addresses, set `address_like_ids` of the tenant"
)

_COMMON: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.:/-]{0,255}").fullmatch
"""The common form, which no rule refuses: a property test holds that."""


def is_path_segment(text: str) -> bool:
    """Whether a URL can name it: clients take the segments `.` and `..` out of every path."""
    return text not in {".", ".."}


def recipient_id(text: str, *, address_like: bool) -> str:
    """A recipient's id; one with `@` or a leading `+` only where the tenant's ids are `address_like`. Raises ValueRefused."""
    return text if _COMMON(text) else judged_in_full(text, address_like=address_like)


def judged_in_full(text: str, *, address_like: bool) -> str:
    """The same without the short cut for the common form."""
    if not valid_recipient(text):
        raise ValueRefused(Reason.RECIPIENT_ID_INVALID, _RECIPIENT)
    if not address_like and is_address_like(text):
        raise ValueRefused(Reason.RECIPIENT_IS_ADDRESS, ADDRESS_RULE)
    return text


def is_address_like(text: str) -> bool:
    """Whether an id could be a mail address or a phone number."""
    return "@" in text or text.startswith("+")
