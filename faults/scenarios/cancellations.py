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
    await until(lambda: _routed(run, sent), seconds=90, every=0.3)
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
    wanted = {one.notification for one in half}
    await until(lambda: _requested(run, wanted), seconds=90, every=0.1)
    await asyncio.sleep(2 * _IN_FORCE)
    await run.ground.sinks.behave(GOOD, channel=Channel.EMAIL)
    await until(lambda: _have_ended(run, sent), seconds=90, every=0.3)
    _judge(run, half, [one for one in sent if one.notification not in wanted])


def _judge(run: Run, cancelled: list[Sent], others: list[Sent]) -> None:
    requested = {(one.way, one.sequence): run.endings.cancel_requested[one.notification] for one in cancelled}
    late = [
        one for one in run.taken if one.at > requested.get((one.way, one.sequence), float("inf")) + _IN_FORCE
    ]
    run.expect(
        not late, f"{len(late)} mails were handed over later than {_IN_FORCE:g} s after they were cancelled."
    )
    ends = Counter(end for one in cancelled for end in run.endings.final[one.notification])
    run.expect(ends.keys() <= {"sent", "cancelled"}, f"What was cancelled ended as {dict(ends)}.")
    run.expect(ends["cancelled"] > _MAILS // 4, "Too little was left to be cancelled.")
    held_back = [one for one in others if run.endings.final[one.notification] != {"sent"}]
    run.expect(not held_back, f"{len(held_back)} mails were held back that nobody has cancelled.")
    run.notes.append(f"{ends['cancelled']} held, {ends['sent']} had been sent")


async def _routed(run: Run, sent: list[Sent]) -> bool:
    return all(one.notification in run.endings.ids for one in sent)


async def _requested(run: Run, notifications: set[str]) -> bool:
    return run.endings.cancel_requested.keys() >= notifications


async def _have_ended(run: Run, sent: list[Sent]) -> bool:
    return run.ended >= {one.notification for one in sent}


@scenario(two=("router", "dispatch-email"), ends=True)
async def half_of_a_backlog_is_cancelled(run: Run) -> None:
    """300 of 600 mails that wait for a slow mail server are cancelled: none of them is handed over 5 s later, all others are."""
    await _cancelled(run, routers_die=False)


@scenario(two=("router", "dispatch-email"), ends=True)
async def half_of_a_backlog_is_cancelled_and_the_routers_die(run: Run) -> None:
    """The same, and both routers die when the cancellations have been answered: they hold once the routers are back."""
    await _cancelled(run, routers_die=True)
