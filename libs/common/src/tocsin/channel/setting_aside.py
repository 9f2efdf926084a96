"""Which of the messages that wait for a provider make room for those of another one: pure functions.

A message that cannot begin within a second is put off by a timer, and not counted as an attempt, only to reach messages of another
provider: where memory has no room for more and another provider works and has nothing to do. Otherwise it waits where it is, which
loses nothing either and keeps its place.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar

W = TypeVar("W")

AFTER: Final = 1.0
"""Seconds that a message has waited at least."""
AT_ONCE: Final = 500
"""So many make room at a time."""


class Queue(NamedTuple):
    """What waits for one provider."""

    places: int
    """Calls at once."""
    per_second: float
    """So many messages a second can begin, once it works."""
    works_in: float = 0.0
    """Seconds until its next probe; 0: it works, and is busy."""


def to_set_aside(waiting: Sequence[tuple[W, float]], queue: Queue) -> list[tuple[W, float]]:
    """Of what waits, each with the seconds for which it has, oldest first: those that make room, each with the seconds until it is due.

    The latest stay, twice as many as the provider has places: they are its probes, and what it does next. What is held must be close
    together on its topic, so it is the oldest that take the room. They are due one after the other, as fast as the provider can begin
    them.
    """
    stay = queue.places * 2
    leave = [message for message, waited in waiting[: max(0, len(waiting) - stay)] if waited >= AFTER][
        :AT_ONCE
    ]
    begins = max(queue.works_in, stay / queue.per_second, AFTER)
    return [(message, begins + number / queue.per_second) for number, message in enumerate(leave)]
