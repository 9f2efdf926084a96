"""To bring a copy of `directory` up to now, before a request is refused for something that the copy does not know."""

from collections.abc import Awaitable, Callable
from typing import Final

from tocsin.kafka import CatchUp
from tocsin.observability import metrics

BringUpToNow = Callable[[], Awaitable[None]]
"""Returns when the copy holds what was published before the call, or after `WAIT_SECONDS`."""

ASK_SPACING: Final = 0.1
"""Seconds between two requests for the end of the directory (`CopyAge`'s spacing). Whoever is refused makes them, also with a
guessed key, so it bounds what strangers can cause."""
WAIT_SECONDS: Final = 1.0
"""How long a refusal waits at most for what was published before the request."""


def up_to_now(catch_up: CatchUp, *, service: str) -> BringUpToNow:
    """What brings the copy up to now; a copy that is late is counted."""
    late = metrics.directory_late.labels(service)

    async def bring() -> None:
        if not await catch_up(seconds=WAIT_SECONDS):
            late.inc()

    return bring


async def nothing_newer() -> None:
    """Stands for it where a copy is fed by hand and so holds everything."""
