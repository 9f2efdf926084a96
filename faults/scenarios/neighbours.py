"""Two tenants, and the providers of one of them hang."""

import asyncio
from collections.abc import Sequence

from checker import percentile
from ground import OTHER, TENANT
from load import Sent
from scenario import Run, scenario
from sinks.behaviour import GOOD, MUTE
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.testing.until import until

_TURNS = 5
_SECONDS = 12.0
_TIMES, _SECONDS_MORE = 1.2, 0.010
"""So much longer may the 99th percentile be, whichever is more."""
DEFAULTS = {f"DISPATCH_{channel.upper()}_MAX_IN_FLIGHT": "128" for channel in Channel}


async def _hang(run: Run, channels: Sequence[str], *, backlog: int = 0) -> None:
    """By turns: the other tenant's providers answer, and they do not."""
    waits: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(_TURNS):
        for hanging in (False, True):
            waits[hanging] += await _turn(run, channels if hanging else (), backlog=backlog)
    control, beside = percentile(waits[False], 0.99), percentile(waits[True], 0.99)
    run.notes.append(
        f"p99 from accept to hand-over: {control * 1000:.0f} ms, while the other hangs {beside * 1000:.0f} ms"
    )
    allowed = max(control * _TIMES, control + _SECONDS_MORE)
    run.expect_in_time(
        beside <= allowed,
        f"p99 {beside * 1000:.0f} ms while another hangs; {allowed * 1000:.0f} ms are allowed.",
    )


async def _turn(run: Run, hanging: Sequence[str], *, backlog: int) -> list[float]:
    """What our messages waited from accept to hand-over, in seconds."""
    first = len(run.load.sent)
    for channel in hanging:
        await run.ground.sinks.behave(MUTE, channel=channel, name=OTHER)
    for channel in hanging if backlog else ():
        await run.load.backlog(backlog, channel=channel, lane=Lane.TRANSACTIONAL, tenant=OTHER)
    async with run.load.flowing(20, people=30), run.load.flowing(20, tenant=OTHER, people=30):
        await asyncio.sleep(_SECONDS)
    ours = [one for one in run.load.sent[first:] if one.way.tenant == TENANT]
    await until(lambda: _taken(run, ours), seconds=60, every=0.2)
    await run.ground.sinks.behave(GOOD, name=OTHER)
    at = {(one.way, one.sequence): one.at for one in reversed(run.taken)}
    waits = [at[one.way, one.sequence] - one.at for one in ours]
    await until(lambda: _ended(run, run.load.sent[first:]), seconds=120, every=0.5)
    return waits


async def _taken(run: Run, sent: list[Sent]) -> bool:
    taken = {(one.way, one.sequence) for one in run.taken}
    return all((one.way, one.sequence) in taken for one in sent)


async def _ended(run: Run, sent: list[Sent]) -> bool:
    return all(one.notification in run.ended for one in sent)


@scenario(two=("dispatch-email",), settings=DEFAULTS, ends=True, nightly=True)
async def mail_of_another_tenant_hangs(run: Run) -> None:
    """Another tenant's mail server never answers; ours does."""
    await _hang(run, ["email"])


@scenario(two=("dispatch-sms",), settings=DEFAULTS, ends=True, nightly=True)
async def sms_of_another_tenant_hang(run: Run) -> None:
    """Another tenant's SMS provider never answers; ours does."""
    await _hang(run, ["sms"])


@scenario(two=("dispatch-push",), settings=DEFAULTS, ends=True, nightly=True)
async def push_of_another_tenant_hangs(run: Run) -> None:
    """Another tenant's push service never answers; ours does."""
    await _hang(run, ["push"])


@scenario(two=("dispatch-email", "dispatch-sms", "dispatch-push"), settings=DEFAULTS, ends=True, nightly=True)
async def everything_of_another_tenant_hangs(run: Run) -> None:
    """None of another tenant's providers answers; ours do."""
    await _hang(run, tuple(Channel))


@scenario(two=("dispatch-sms",), settings=DEFAULTS, ends=True, nightly=True, patience=300)
async def more_of_another_tenant_hang_than_a_lane_holds(run: Run) -> None:
    """300 SMS of another tenant hang, more than a lane begins at once; ours go on."""
    await _hang(run, ["sms"], backlog=300)
