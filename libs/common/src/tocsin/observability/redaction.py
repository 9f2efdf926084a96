"""The last line of defence: what looks like an address or a key is masked before a log line leaves the process.

The rule is that such values are never logged. Texts of foreign exceptions cannot promise that (an SMTP client names the
recipient it was refused), so every value passes here. What has no recognisable form (a body, a name) is not caught.
"""

import re
from typing import Any

from tocsin.observability.error_text import error_text

MASK = "[redacted]"

# Each form can begin only where a run of its own characters begins, so that a long word costs one look, not a look a letter.
_FORMS = (
    r"\btk_(?:live|test)_[A-Za-z0-9_]+",  # our API keys
    r"(?<=://)[^\s/@:]*:[^\s/@]*(?=@)",  # user:password in a URL
    r"(?i:\b(?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{8,}",  # Authorization values
    r"(?<![\w.!#$%&'*+/=?^`{|}~-])[\w.!#$%&'*+/=?^`{|}~-]++@\w[\w-]*+(?:\.[\w-]+)+",  # email addresses
    r"(?<![\w.+])\+[1-9](?:[ ().-]{0,2}\d){6,14}\b",  # phone numbers with their country code
    r"(?<![\w-])[\w-]{11,}+:APA91[\w-]{20,}",  # FCM device tokens
    r"\beyJ[\w-]{8,}+\.[\w-]{8,}+\.[\w-]*",  # JSON web tokens
)
_PATTERN = re.compile("|".join(_FORMS))


def redact(text: str) -> str:
    """`text` with every address, phone number, key and token of a known form replaced by `MASK`."""
    return _PATTERN.sub(MASK, text)


def redact_value(value: Any) -> Any:
    """The same value with its strings redacted, however deep; what is not JSON becomes the redacted text of its `repr`."""
    match value:
        case str():
            return redact(value)
        case None | bool() | int() | float():
            return value
        case dict():
            return {redact(str(name)): redact_value(inner) for name, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [redact_value(inner) for inner in value]
        case BaseException():
            return redact(error_text(value))
        case _:
            return redact(repr(value))
