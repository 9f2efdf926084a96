"""What names a device, and what the push service knows it by. Both are kept as written."""

import re
from typing import Final

from tocsin.contracts.values.identifier import is_path_segment
from tocsin.contracts.values.refusal import ValueRefused
from tocsin.contracts.values.text import is_line
from tocsin.contracts.vocabulary import Reason

LONGEST_ID: Final = 128
LONGEST_TOKEN: Final = 4096
_ID_RULE: Final = (
    f"Not a device id. It has 1 to {LONGEST_ID} characters, no control characters, and is not `.` or `..`"
)
_TOKEN_RULE: Final = f"Not a device token. It has 1 to {LONGEST_TOKEN} characters of ASCII, no blanks and no control characters"
_TOKEN: Final = re.compile(rf"[\x21-\x7e]{{1,{LONGEST_TOKEN}}}").fullmatch


def device_id(text: str) -> str:
    """The id. Raises ValueRefused."""
    if not (1 <= len(text) <= LONGEST_ID and is_line(text) and is_path_segment(text)):
        raise ValueRefused(Reason.DEVICE_INVALID, _ID_RULE)
    return text


def device_token(text: str) -> str:
    """The token. Raises ValueRefused."""
    if not _TOKEN(text):
        raise ValueRefused(Reason.DEVICE_INVALID, _TOKEN_RULE)
    return text
