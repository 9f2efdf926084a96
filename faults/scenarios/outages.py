"""The only mail server is away for half a minute, ten minutes and six hours: the longer two on clocks that are fast."""

import asyncio
import math
from collections import Counter
from itertools import pairwise

from fast_clock import SPEED
from fast_ground import FastGround
from scenario import Run, scenario
from scenarios.deaths import RATE
from sinks import behaviour as far
from sinks.behaviour import Step
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.testing.until import until

_LANES = (Lane.TRANSACTIONAL, Lane.BULK)
"""What lives for less than the outage is not meant."""
_TWO = ("router", "scheduler", "dispatch-email")
_OWN_POLICY = {"DISPATCH_EMAIL_RETRY_CAP": "900"}
"""As shipped."""
_PAUSE = 900.0
"""The longest that a deferred message waits, in seconds: by then everything is sent after an outage."""
_HOUR = 30.0
"""In seconds, on clocks that are 120 times as fast."""
_LATE = 60.0
"""Seconds more that a due message may take, on a right clock."""


async def _away(run: Run, seconds: float, *, rate: float) -> tuple[float, float]:
    """Mail flows, and the mail server is away for so long, as this machine counts; when it went and when it came back."""
    sinks = run.ground.sinks
    async with run.load.flowing(rate, channels=[Channel.EMAIL], lanes=_LANES):
        await asyncio.sleep(2)
        run.fault()
        began = run.now()
        await sinks.behave(far.refuse(421, step=Step.MAIL), channel=Channel.EMAIL)
        await asyncio.sleep(seconds)
        await sinks.behave(far.GOOD, channel=Channel.EMAIL)
    return began, run.now()


def _speed_of(run: Run) -> float:
    ground = run.ground
    return ground.shown(1.0) - ground.shown(0.0) if isinstance(ground, FastGround) else 1.0


async def _judge(run: Run, began: float, ended: float) -> None:
    """Everything is sent, soon after the end and not all of it at once."""
    speed = _speed_of(run)
    met = [message for message in run.sent if began <= message.at <= ended]
    await until(lambda: run.all_ended(met), seconds=_PAUSE / speed + _LATE, every=0.5)
    ends = Counter(end for message in met for end in run.endings.final[message.notification])
    run.expect(ends.keys() == {"sent"}, f"Mails of the outage ended as {dict(ends)}.")
    deferred = sum(message.notification in run.endings.deferred for message in met)
    handed_over = sorted(taking.at for taking in run.taken if taking.at >= ended)
    gaps = [(later - earlier) * speed for earlier, later in pairwise([ended, *handed_over])]
    minutes = Counter(math.floor((at - ended) * speed / 60) for at in handed_over)
    run.notes.append(
        f"{(ended - began) * speed / 60:.1f} min away, {len(met)} mails of it, {deferred} of them deferred; "
        f"the last one {(handed_over[-1] - ended) * speed / 60:.1f} min after its end; the most in a second, as this machine counts: "
        f"{_most_within(handed_over, 1.0)}; in each minute after the end: {[minutes[number] for number in range(max(minutes) + 1)]}; "
        f"the longest pause {max(gaps) / 60:.1f} min"
    )


def _most_within(moments: list[float], seconds: float) -> int:
    return max(sum(1 for at in moments if begin <= at < begin + seconds) for begin in moments)


@scenario(two=_TWO, settings={**_OWN_POLICY, SPEED: "120"}, ground=FastGround, nightly=True, ends=True)
async def half_of_what_waits_for_hours_is_cancelled(run: Run) -> None:
    """The mail server is away for two hours, and after one of them every second mail is cancelled: none of these is handed over."""
    sinks = run.ground.sinks
    await sinks.behave(far.refuse(421, step=Step.MAIL), channel=Channel.EMAIL)
    sent = await run.load.backlog(300, channel=Channel.EMAIL, lane=Lane.BULK)
    await asyncio.sleep(_HOUR)
    half, wanted = sent[::2], {message.notification for message in sent[::2]}
    run.fault()
    await run.load.cancel(half)
    await until(lambda: _are_requested(run, wanted), seconds=60, every=0.1)
    await asyncio.sleep(_HOUR)
    await sinks.behave(far.GOOD, channel=Channel.EMAIL)
    await until(lambda: run.all_ended(sent), seconds=_LATE + _PAUSE, every=0.5)
    for cancelled in (True, False):
        ends = Counter(
            end
            for message in sent
            if (message.notification in wanted) is cancelled
            for end in run.endings.final[message.notification]
        )
        run.expect(
            ends.keys() == {"cancelled" if cancelled else "sent"},
            f"Cancelled: {cancelled}; they ended as {dict(ends)}.",
        )


async def _are_requested(run: Run, notifications: set[str]) -> bool:
    return run.endings.cancel_requested.keys() >= notifications


@scenario(two=_TWO, settings=_OWN_POLICY)
async def mail_server_is_away_for_half_a_minute(run: Run) -> None:
    """The only mail server takes nothing for 30 s: each mail is sent once, and first attempts in their order."""
    await _judge(run, *await _away(run, 30.0, rate=RATE))


@scenario(two=_TWO, settings={**_OWN_POLICY, SPEED: "10"}, ground=FastGround, nightly=True)
async def mail_server_is_away_for_ten_minutes(run: Run) -> None:
    """The same for ten minutes, on clocks that are ten times as fast."""
    await _judge(run, *await _away(run, 60.0, rate=RATE))


@scenario(two=_TWO, settings={**_OWN_POLICY, SPEED: "120"}, ground=FastGround, nightly=True)
async def mail_server_is_away_for_six_hours(run: Run) -> None:
    """The same for six hours, on clocks that are 120 times as fast."""
    await _judge(run, *await _away(run, 180.0, rate=RATE / 5))
