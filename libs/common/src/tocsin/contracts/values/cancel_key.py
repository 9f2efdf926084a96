"""Keys under which a producer takes back what it has sent: its own words, such as an order's number."""

from typing import Final

from tocsin.contracts.values.refusal import ValueRefused
from tocsin.contracts.values.text import is_line
from tocsin.contracts.vocabulary import Reason

LONGEST: Final = 255
_RULE: Final = f"Not a cancellation key. It has 1 to {LONGEST} characters, and no control characters"


def cancel_key(text: str) -> str:
    """The key as it is: two spellings are two keys. Raises ValueRefused."""
    if not 1 <= len(text) <= LONGEST or not is_line(text):
        raise ValueRefused(Reason.CANCEL_KEY_INVALID, _RULE)
    return text
