"""W3C trace context as records carry it: `traceparent`, version 00. `tracestate` is not carried."""

import re
from typing import Final

_FORM: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}").fullmatch


def valid_traceparent(text: str) -> bool:
    """Whether the text is a `traceparent` of version 00. What is none is dropped where it comes in: it may be anything."""
    return len(text) == 55 and _FORM(text) is not None
