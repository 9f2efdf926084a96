"""Two tenants, and the providers of one of them hang."""

import asyncio
from collections.abc import Sequence

from ground import OTHER, TENANT
from load import Sent
from reached import REACHED
from scenario import Run, scenario
from sinks.behaviour import GOOD, MUTE
from tocsin.contracts.vocabulary import Lane
from tocsin.testing.until import until
from waits import TURN_SECONDS, TURNS, expect_no_slower, waits_of

DEFAULTS = {f"DISPATCH_{channel.upper()}_MAX_UNRECORDED": "128" for channel in REACHED}


async def _hang(run: Run, channels: Sequence[str], *, backlog: int = 0) -> None:
    """By turns: the other tenant's providers answer, and they do not."""
    waits: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(TURNS):
        for hanging in (False, True):
            waits[hanging] += await _turn(run, channels if hanging else (), backlog=backlog)
    expect_no_slower(run, waits[False], waits[True], while_="the other tenant's providers hang")


async def _turn(run: Run, hanging: Sequence[str], *, backlog: int) -> list[float]:
    """What our messages waited from accept to hand-over, in seconds."""
    first = len(run.load.sent)
    for channel in hanging:
        await run.ground.sinks.behave(MUTE, channel=channel, name=OTHER)
    for channel in hanging if backlog else ():
        await run.load.backlog(backlog, channel=channel, lane=Lane.TRANSACTIONAL, tenant=OTHER)
    async with run.load.flowing(20, people=30), run.load.flowing(20, tenant=OTHER, people=30):
        await asyncio.sleep(TURN_SECONDS)
    ours = [message for message in run.load.sent[first:] if message.way.tenant == TENANT]
    waits = await waits_of(run, ours)
    await run.ground.sinks.behave(GOOD, name=OTHER)
    await until(lambda: _ended(run, run.load.sent[first:]), seconds=120, every=0.5)
    return waits


async def _ended(run: Run, sent: list[Sent]) -> bool:
    return all(message.notification in run.ended for message in sent)


@scenario(two=("dispatch-email",), settings=DEFAULTS, places=64, ends=True, nightly=True)
async def mail_of_another_tenant_hangs(run: Run) -> None:
    """Another tenant's mail server never answers; ours does."""
    await _hang(run, ["email"])


@scenario(two=("dispatch-sms",), settings=DEFAULTS, places=64, ends=True, nightly=True)
async def sms_of_another_tenant_hang(run: Run) -> None:
    """Another tenant's SMS provider never answers; ours does."""
    await _hang(run, ["sms"])


@scenario(two=("dispatch-push",), settings=DEFAULTS, places=64, ends=True, nightly=True)
async def push_of_another_tenant_hangs(run: Run) -> None:
    """Another tenant's push service never answers; ours does."""
    await _hang(run, ["push"])


@scenario(
    two=("dispatch-email", "dispatch-sms", "dispatch-push"),
    settings=DEFAULTS,
    places=64,
    ends=True,
    nightly=True,
)
async def everything_of_another_tenant_hangs(run: Run) -> None:
    """None of another tenant's providers answers; ours do."""
    await _hang(run, REACHED)


@scenario(two=("dispatch-sms",), settings=DEFAULTS, places=64, ends=True, nightly=True, patience=300)
async def more_of_another_tenant_hang_than_a_lane_holds(run: Run) -> None:
    """300 SMS of another tenant hang, more than a lane begins at once; ours go on."""
    await _hang(run, ["sms"], backlog=300)
