"""Waiting until services say that they are ready, and telling what they wait for."""

import asyncio
import time
from collections.abc import Callable

import aiohttp

from tocsin.dev.errors import StartFailed

ASK_EVERY = 0.1  # seconds
TELL_AFTER = 15.0  # seconds until a person is told what is waited for


async def wait_until_ready(
    name: str,
    url: str,
    *,
    client: aiohttp.ClientSession,
    say: Callable[[str], None],
    hopeless: Callable[[], str | None] = lambda: None,
    timeout: float = 180,  # noqa: ASYNC109 -- the end is StartFailed with the service's reason, not TimeoutError
) -> None:
    """Returns when `url` answers 200.

    Raises StartFailed when `hopeless` gives a reason, or after `timeout` seconds with the service's own reason.
    """
    began, told, reason = time.monotonic(), False, "it does not answer"
    while True:
        try:
            async with client.get(url) as answer:
                if answer.status == 200:
                    return
                reason = (await answer.text())[:500]
        except aiohttp.ClientError:
            reason = "it does not answer"
        if given_up := hopeless():
            raise StartFailed(f"{name} does not start: {given_up}")
        waited = time.monotonic() - began
        if waited > timeout:
            raise StartFailed(f"{name} is not ready after {timeout:.0f} s: {reason}")
        if waited > TELL_AFTER and not told:
            say(f"{name} is not ready yet: {reason}")
            told = True
        await asyncio.sleep(ASK_EVERY)
