"""The link of a notification: where a reader goes from it."""

import re
from typing import Final

from tocsin.contracts.limits import LINK_CHARS

LINK_RULE: Final = (
    f"Must be a URL of http or https with a host, of at most {LINK_CHARS} characters, without white space, control characters, "
    '`<`, `>`, `"`, `\\` and user names.'
)
_LINK: Final = re.compile(
    r'https?://(?:\[[0-9a-f:.]+\]|[^\s/?#@:<>"\\\[\]]+)(?::[0-9]{1,5})?(?:[/?#][^\s<>"\\]*)?', re.IGNORECASE
).fullmatch


def valid_link(text: str) -> bool:
    """True for what `LINK_RULE` says. So it can stand in mail, in HTML and in a push message as it is."""
    return len(text) <= LINK_CHARS and text.isprintable() and _LINK(text) is not None
