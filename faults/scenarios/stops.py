"""What recipients switch off while mails to them wait."""

import asyncio

from scenario import Run, scenario
from tenants import person
from tocsin.testing.until import until

_IN_FORCE = 5.0
"""Seconds after the answer: what is handed over later breaks the promise."""
_LEAVERS = 20
_MAILS = 800
_CATEGORY = "news"


async def _switched_off(run: Run, *, router_dies: bool) -> None:
    """800 bulk mails to 40 people wait at frozen dispatchers; twenty people switch them off."""
    dispatchers = run.ground.of("dispatch-email")
    leavers = {person(number) for number in range(_LEAVERS)}
    async with run.ground.frozen(dispatchers[0]), run.ground.frozen(dispatchers[1]):
        sent = await run.load.backlog(_MAILS, channel="email", lane="bulk")
        await until(lambda: run.all_routed(sent), seconds=90, every=0.3)
        for leaver in leavers:
            await _set(run, leaver, enabled=False)
        answered = run.now()
        run.crash_of_a_dispatcher(lanes=1)
        run.crash_of_a_dispatcher(lanes=1)
        if router_dies:
            for router in run.ground.of("router"):
                router.wanted = False
                await run.ground.kill(router)
    await asyncio.sleep(2 * _IN_FORCE)
    for router in run.ground.of("router"):
        if not router.wanted:
            run.ground.start(router)
    others = [message for message in sent if message.way.recipient not in leavers]
    await until(lambda: run.all_ended(others), seconds=90, every=0.3)
    late = [
        taking for taking in run.taken if taking.way.recipient in leavers and taking.at > answered + _IN_FORCE
    ]
    run.expect(
        not late,
        f"{len(late)} mails were handed over later than {_IN_FORCE:g} s after they were switched off.",
    )
    await until(lambda: run.all_ended(sent), seconds=90, every=0.3)
    for leaver in leavers:
        await _set(run, leaver, enabled=True)


async def _set(run: Run, recipient: str, *, enabled: bool) -> None:
    wish = {"channel": "email", "category": _CATEGORY, "enabled": enabled}
    await run.change("PUT", f"/v1/recipients/{recipient}/preferences", {"preferences": [wish]})


@scenario(two=("router", "dispatch-email"), ends=True)
async def recipients_switch_off_what_waits(run: Run) -> None:
    """20 people switch off what waits for them: nothing is handed over later than 5 s after the answer."""
    await _switched_off(run, router_dies=False)


@scenario(two=("router", "dispatch-email"), ends=True)
async def recipients_switch_off_and_the_routers_die(run: Run) -> None:
    """The same, and both routers die in the moment of the answer."""
    await _switched_off(run, router_dies=True)
