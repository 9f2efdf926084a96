"""Waiting for something outside that is not up yet, with the reason in plain sight."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tocsin.observability import get_logger
from tocsin.runtime.errors import one_line
from tocsin.runtime.health import Check

log = get_logger(__name__)

T = TypeVar("T")


async def retry_until_available(
    what: str,
    probe: Callable[[], Awaitable[T]],
    *,
    retry_on: tuple[type[Exception], ...],
    check: Check | None = None,
    first: float = 0.1,
    longest: float = 5.0,
    describe: Callable[[Exception], str] = one_line,
) -> T:
    """What `probe` returns, as soon as it does not raise one of `retry_on`; other errors pass through at once.

    In between, `check` is unready with "waiting for <what>: <why>", and the log says so whenever the reason changes. The
    pause doubles from `first` to `longest` seconds, with jitter. Waits for ever; cancel it to stop. Does not make `check` ready.
    """
    pause, said, attempts = first, "", 0
    while True:
        attempts += 1
        try:
            answer = await probe()
        except retry_on as error:
            reason = f"waiting for {what}: {describe(error)}"
        else:
            if said:
                log.info("no longer waiting", dependency=what, attempts=attempts)
            return answer
        if check is not None:
            check.set_not_ready(reason)
        if reason != said:
            log.warning("waiting", dependency=what, reason=reason, attempts=attempts)
            said = reason
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(pause * 2, longest)
