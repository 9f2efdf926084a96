"""W3C trace context as records carry it: `traceparent`, version 00. `tracestate` is not carried."""

import re
from typing import Final

_FORM: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}").fullmatch
_ODD: Final = frozenset("13579bdf")


def valid_traceparent(text: str) -> bool:
    """Whether the text is a `traceparent` of version 00. What is none is dropped where it comes in: it may be anything."""
    return len(text) == 55 and _FORM(text) is not None


def sampled_traceparent(text: str) -> bool:
    """Whether the text is a `traceparent` whose flag says that spans are recorded. The flag is looked at first: next to all traceparents
    end with 0, and the form takes ten times as long to see."""
    return text[-1:] in _ODD and valid_traceparent(text)


def unsampled(traceparent: str) -> str:
    """The same, but its flag says that no spans are recorded."""
    return traceparent[:-2] + "00"
