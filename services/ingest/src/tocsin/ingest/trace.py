"""The trace an event belongs to from here on."""

import random
from typing import Final

from tocsin.observability import current_traceparent

_random: Final = random.Random()  # ids need to be unique, not secret


def traceparent_for(own: str | None) -> str:
    """The event's own `traceparent` if it has one, else the request's, else a new one, not sampled, so that one id
    leads through every topic even where nobody records spans."""
    return (
        own
        or current_traceparent()
        or f"00-{_random.getrandbits(128) | 1:032x}-{_random.getrandbits(64) | 1:016x}-00"
    )
