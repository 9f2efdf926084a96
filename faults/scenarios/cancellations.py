"""What its producer takes back while it waits in a backlog."""

import asyncio
from collections import Counter

from load import Sent
from scenario import Run, scenario
from sinks.behaviour import GOOD, slow
from tocsin.contracts.vocabulary import Channel
from tocsin.testing.until import until

_IN_FORCE = 5.0
"""Seconds after `cancel_requested` was stored: what is handed over later breaks the promise."""
_MAILS = 600
_SLOW = slow(2.5)
"""At 16 places and two dispatchers the backlog is of a minute. How long it is plays no part: what is cancelled is held when its turn comes."""


async def _cancelled(run: Run, *, routers_die: bool) -> None:
    """600 bulk mails wait for a slow mail server; every second one is cancelled, each by its id."""
    await run.ground.sinks.behave(_SLOW, channel=Channel.EMAIL)
    sent = await run.load.backlog(_MAILS, channel="email", lane="bulk")
    await until(lambda: run.all_routed(sent), seconds=90, every=0.3)
    half = sent[::2]
    run.fault()
    await run.load.cancel(half)
    if routers_die:
        for router in run.ground.of("router"):
            router.wanted = False
            await run.ground.kill(router)
        await asyncio.sleep(_IN_FORCE)
        for router in run.ground.of("router"):
            run.ground.start(router)
    wanted = {message.notification for message in half}
    await until(lambda: _requested(run, wanted), seconds=90, every=0.1)
    await asyncio.sleep(2 * _IN_FORCE)
    await run.ground.sinks.behave(GOOD, channel=Channel.EMAIL)
    await until(lambda: run.all_ended(sent), seconds=90, every=0.3)
    _judge(run, half, [message for message in sent if message.notification not in wanted])


def _judge(run: Run, cancelled: list[Sent], others: list[Sent]) -> None:
    requested = {
        (message.way, message.sequence): run.endings.cancel_requested[message.notification]
        for message in cancelled
    }
    late = [
        taking
        for taking in run.taken
        if taking.at > requested.get((taking.way, taking.sequence), float("inf")) + _IN_FORCE
    ]
    run.expect(
        not late, f"{len(late)} mails were handed over later than {_IN_FORCE:g} s after they were cancelled."
    )
    ends = Counter(end for message in cancelled for end in run.endings.final[message.notification])
    run.expect(ends.keys() <= {"sent", "cancelled"}, f"What was cancelled ended as {dict(ends)}.")
    run.expect(ends["cancelled"] > _MAILS // 4, "Too little was left to be cancelled.")
    held_back = [message for message in others if run.endings.final[message.notification] != {"sent"}]
    run.expect(not held_back, f"{len(held_back)} mails were held back that nobody has cancelled.")
    run.notes.append(f"{ends['cancelled']} held, {ends['sent']} had been sent")


async def _requested(run: Run, notifications: set[str]) -> bool:
    return run.endings.cancel_requested.keys() >= notifications


@scenario(two=("router", "dispatch-email"), ends=True)
async def half_of_a_backlog_is_cancelled(run: Run) -> None:
    """300 of 600 mails that wait for a slow mail server are cancelled: none of them is handed over 5 s later, all others are."""
    await _cancelled(run, routers_die=False)


@scenario(two=("router", "dispatch-email"), ends=True)
async def half_of_a_backlog_is_cancelled_and_the_routers_die(run: Run) -> None:
    """The same, and both routers die when the cancellations have been answered: they hold once the routers are back."""
    await _cancelled(run, routers_die=True)
