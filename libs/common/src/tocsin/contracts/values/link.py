"""Links: where a reader goes from a message."""

import re
from typing import Final

from tocsin.contracts.values.refusal import ValueRefused
from tocsin.contracts.vocabulary import Reason

LONGEST: Final = 2048
_RULE: Final = (
    f"Not a link. Write a URL of http or https with a host, of at most {LONGEST} characters, without white space, control "
    'characters, `<`, `>`, `"`, `\\` and user names'
)
_FORM: Final = re.compile(
    r'https?://(?:\[[0-9a-f:.]+\]|[^\s/?#@:<>"\\\[\]]+)(?::[0-9]{1,5})?(?:[/?#][^\s<>"\\]*)?', re.IGNORECASE
).fullmatch


def link(text: str) -> str:
    """The link as it is: it can stand in mail, in HTML and in a push message. Raises ValueRefused."""
    if not is_url(text, longest=LONGEST):
        raise ValueRefused(Reason.LINK_INVALID, _RULE)
    return text


def is_url(text: str, *, longest: int) -> bool:
    """Whether it is a URL of http or https with a host and no user name, which needs no escaping wherever it stands."""
    return len(text) <= longest and text.isprintable() and _FORM(text) is not None
