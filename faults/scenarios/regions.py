"""A whole region is lost, and another one goes on with what was mirrored, as docs/operations/loss.md says.

What is lost and what comes twice is told, not forbidden. Forbidden is more than the page admits: whatever is lost was accepted shortly before,
or the ledger of the second region shows it as overdue.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Collection, Sequence
from dataclasses import dataclass

from load import Sent
from overdue import without_end
from reached import SERVICES
from region_ground import RegionGround
from scenario import Run, scenario
from tocsin.dev.services import APIS
from tocsin.testing.until import until
from twin_ground import SECOND

_RATE = 20.0
_BEFORE, _DUMP_AGE, _AFTER = 25.0, 10.0, 20.0
"""Seconds of load: until the dump, between dump and loss, and in the second region."""
_BEHIND = 3.0
"""Seconds that the mirror is behind at the loss. By itself it is behind by milliseconds here, where both regions are one machine."""
_DUE = 100.0
"""Seconds from the beginning to when planned messages are to be sent: in the second region."""
_WINDOW = 20.0
"""Seconds before the loss: what was accepted before that is neither lost nor sent twice."""
_QUIET = 20.0
_SETTLED_WITHIN = 240.0


@scenario(ground=RegionGround, own_ground=True, nightly=True, ends=True, patience=300)
async def region_is_lost(run: Run) -> None:
    """A region dies under load, another goes on with a mirror that is three seconds behind: what is lost and doubled is told, the rest holds."""
    ground = run.ground
    assert isinstance(ground, RegionGround)
    due = time.time() + _DUE
    async with run.load.flowing(_RATE):
        planned = await run.load.planned(range(40, 60), channel="sms", lane="transactional", due=due)
        await asyncio.sleep(_BEFORE)
        await until(ground.mirrored, seconds=180, every=2)
        await asyncio.to_thread(ground.dump)
        await asyncio.sleep(_DUMP_AGE - _BEHIND)
        ground.mirror.freeze()
        await asyncio.sleep(_BEHIND)
        lost_at = time.time()
        run.fault()
        await ground.lose()
        gone_at = time.time()
        await _timed(run, "schemas restored", asyncio.to_thread(ground.restore, lost_at=lost_at))
        await _timed(run, "topics and starts", _make_topics(run, ground))
        await _timed(run, "services ready", _start(ground))
        await run.endings.turn_to(ground.kafka.bootstrap_servers)
        await asyncio.sleep(_AFTER)
    await _settle(run, after=due)
    await _tell(run, ground, lost_at=lost_at, gone_at=gone_at, planned=planned)


async def _make_topics(run: Run, ground: RegionGround) -> None:
    unsafe = await ground.make_topics()
    assert not unsafe, f"The mirror has no offsets of {', '.join(unsafe)}: what is kept would be sent again."
    await ground.command_of_second("tocsin.ledger", "migrate")
    run.notes.append("every group that hands over had its offsets in the second cluster")


async def _start(ground: RegionGround) -> None:
    """The router first: what changed since the dump is not in its database, and everybody's copy becomes what that holds."""
    await ground.start_all(ground.second("router"))
    await ground.command_of_second("tocsin.cli", "directory", "republish")
    await ground.start_all(ground.second(*(name for name in SERVICES if name != "router")))
    ground.answering = dict.fromkeys(APIS, SECOND)


async def _settle(run: Run, *, after: float) -> None:
    """Returns when every message has ended, or when none has for a while."""
    until_, quiet, open_before = time.time() + _SETTLED_WITHIN, time.time(), -1
    while time.time() < until_:
        run.endings.check()
        still_open = len([sent for sent in run.sent if not run.endings.final.get(sent.notification)])
        if still_open != open_before:
            quiet, open_before = time.time(), still_open
        if not still_open or time.time() - max(quiet, after) > _QUIET:
            return
        await asyncio.sleep(0.5)


@dataclass
class _Figures:
    """By what became of them in the second region."""

    untraced: list[Sent]
    """Nobody has handed them over, and no status knows them."""
    decided: list[Sent]
    """The same, but a status tells that they were decided."""
    unknown: list[Sent]
    """Handed over in the first region, and no status tells how they ended."""
    again: dict[int, list[Sent]]
    """Handed over more than once, by how often: a job of the mirror, and one that was decided anew, may both repeat what the first region did."""


def _figures(run: Run) -> _Figures:
    takings = Counter((one.way, one.sequence) for one in run.taken)
    taken = {sent.notification for sent in run.sent if takings[sent.way, sent.sequence]}
    without_end = [sent for sent in run.sent if not run.endings.final.get(sent.notification)]
    known: Collection[str] = run.endings.ids
    return _Figures(
        untraced=[
            one for one in without_end if one.notification not in taken and one.notification not in known
        ],
        decided=[one for one in without_end if one.notification not in taken and one.notification in known],
        unknown=[one for one in without_end if one.notification in taken],
        again={
            times: [sent for sent in run.sent if takings[sent.way, sent.sequence] == times]
            for times in sorted(set(takings.values()))
            if times > 1
        },
    )


async def _tell(
    run: Run, ground: RegionGround, *, lost_at: float, gone_at: float, planned: Sequence[Sent]
) -> None:
    """The figures, and what of them would be more than the page admits."""
    figures = _figures(run)
    accepted = [sent for sent in run.sent if sent.at <= gone_at]
    first = min((one.at for one in run.taken if one.at > lost_at + 1), default=None)
    run.notes += [
        f"accepted before the loss: {len(accepted)}, {len([one for one in accepted if one.at > lost_at - _WINDOW])} of them in the last {_WINDOW:g} s",
        f"lost without a trace: {_some(figures.untraced, lost_at)}",
        f"lost, and shown as overdue by the ledger: {_some(figures.decided, lost_at)}",
        f"handed over, and its end is unknown: {_some(figures.unknown, lost_at)}",
        *(f"handed over {times} times: {_some(sent, lost_at)}" for times, sent in figures.again.items()),
        f"first hand-over {first - lost_at:.1f} s after the loss"
        if first
        else "nothing was handed over after the loss",
    ]
    again = [sent for of in figures.again.values() for sent in of]
    affected = [*figures.untraced, *figures.decided, *figures.unknown, *again]
    old = [sent for sent in affected if sent.at < lost_at - _WINDOW]
    run.expect(
        not old,
        f"{len(old)} messages accepted earlier than {_WINDOW:g} s before the loss were lost or came again.",
    )
    late = [sent for sent in affected if sent.due > gone_at and sent not in planned]
    run.expect(not late, f"{len(late)} messages of the second region were lost or came again.")
    missed = {sent.notification for sent in planned} & {sent.notification for sent in affected}
    run.expect(not missed, f"{len(missed)} planned messages were lost or came again.")
    overdue = await _overdue(run, ground)
    silent = [
        sent
        for sent in [*figures.decided, *figures.unknown]
        if sent.notification in run.endings.ids and sent.notification not in overdue
    ]
    run.expect(not silent, f"{len(silent)} messages without an ending would not be counted as overdue.")
    run.given_up |= {sent.notification for sent in (*figures.untraced, *figures.decided, *figures.unknown)}
    kept = {(sent.way, sent.sequence) for sent in run.sent if sent.notification not in run.given_up}
    takings = Counter((one.way, one.sequence) for one in run.taken)
    run.duplicates = sum(count - (key in kept) for key, count in takings.items())


def _some(sent: Sequence[Sent], lost_at: float) -> str:
    """How many, and how long before the loss the first of them was accepted."""
    if not sent:
        return "0"
    return f"{len(sent)} (accepted at most {lost_at - min(one.at for one in sent):.1f} s before)"


async def _overdue(run: Run, ground: RegionGround) -> set[str]:
    """Notifications that the second ledger, which has read all there is, would count once their time has passed."""
    await ground.command_of_second("tocsin.cli", "topics", "drained", "--ledger", "--wait", "120")
    return await without_end(run.ground.database)


async def _timed(run: Run, what: str, step: Awaitable[None]) -> None:
    began = time.time()
    await step
    run.notes.append(f"{what}: {time.time() - began:.1f} s")
