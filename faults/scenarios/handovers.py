"""Instances come, go and stand still, and hand their shards over."""

import asyncio
from collections.abc import Coroutine

from ground import Instance
from reached import SERVICES
from scenario import RECOVERY, Run, scenario
from scenarios.deaths import DISPATCHERS, RATE
from sinks.behaviour import GOOD, Behaviour, Kind
from tocsin.contracts.vocabulary import Channel

_SLOW = Behaviour(kind=Kind.SLOW, seconds=2.5)
_FROZEN = 20.0  # seconds; a session lasts six


async def _replace(run: Run, instance: Instance) -> None:
    """SIGTERM and a new one, as a roll-out does it."""
    run.fault()
    code = await run.ground.restart(instance)
    run.expect(code == 0, f"{instance.name} ended with exit code {code} when it was told to stop.")


async def _roll_out(run: Run, *names: str) -> None:
    for name in names:
        for instance in [instance for instance in run.ground.of(name) if instance.wanted]:
            await _replace(run, instance)


@scenario(two=SERVICES, recovery=RECOVERY, nightly=True)
async def roll_out_of_everything(run: Run) -> None:
    """Every service is replaced, one instance after the other: nothing is sent twice."""
    async with run.load.flowing(RATE):
        await asyncio.sleep(1)
        await _roll_out(run, *SERVICES)
        await asyncio.sleep(1)


@scenario(two=DISPATCHERS, recovery=RECOVERY)
async def roll_out_of_dispatchers(run: Run) -> None:
    """Every dispatcher is replaced while messages flow: nothing is sent twice."""
    async with run.load.flowing(RATE):
        await asyncio.sleep(1)
        await _roll_out(run, *DISPATCHERS)
        await asyncio.sleep(1)


@scenario(two=("dispatch-email",))
async def roll_out_while_mails_take_long(run: Run) -> None:
    """Both dispatchers of mail are replaced while each mail takes 2.5 s: exit code 0, nothing is sent twice."""
    await _with_slow_mail(run, _roll_out(run, "dispatch-email"))


@scenario()
async def only_dispatcher_is_replaced_while_mails_take_long(run: Run) -> None:
    """The only dispatcher of mail is replaced while each mail takes 2.5 s: exit code 0, nothing is sent twice."""
    await _with_slow_mail(run, _roll_out(run, "dispatch-email"))


@scenario()
async def instance_is_added_while_mails_take_long(run: Run) -> None:
    """300 mails wait and each takes 2.5 s when a second dispatcher comes: nobody ends, nothing is sent twice."""

    async def add() -> None:
        run.fault()
        second = run.ground.of("dispatch-email")[1]
        run.ground.start(second)
        await run.ground.ready(second)

    ends = len(run.ground.exits)
    await _with_slow_mail(run, add())
    run.expect(not [end for end in run.ground.exits[ends:] if not end.asked], "A dispatcher ended by itself.")


async def _with_slow_mail(run: Run, doing: Coroutine[None, None, None]) -> None:
    """A backlog and load while each mail takes 2.5 s; the mail server is quick again afterwards."""
    await run.ground.sinks.behave(_SLOW, channel=Channel.EMAIL)
    await run.load.backlog(100, channel="email", lane="critical")
    await run.load.backlog(100, channel="email", lane="transactional")
    async with run.load.flowing(4, channels=["email"]):
        await asyncio.sleep(3)
        await doing
        await asyncio.sleep(3)
    await run.ground.sinks.behave(GOOD, channel=Channel.EMAIL)


async def _storm(run: Run, name: str) -> None:
    """The second instance comes and goes."""
    second = run.ground.of(name)[1]
    async with run.load.flowing(RATE):
        for _ in range(6):
            run.fault()
            run.ground.start(second)
            await run.ground.ready(second)
            await asyncio.sleep(2)
            code = await run.ground.stop(second)
            run.expect(code == 0, f"{second.name} ended with exit code {code} when it was told to stop.")
            await asyncio.sleep(2)


@scenario(recovery=RECOVERY)
async def router_comes_and_goes(run: Run) -> None:
    """A second router comes and goes, two seconds after it was ready and two after it ended, six times."""
    await _storm(run, "router")


@scenario(recovery=RECOVERY)
async def dispatcher_comes_and_goes(run: Run) -> None:
    """A second dispatcher of mail comes and goes in the same way, six times: nothing is sent twice."""
    await _storm(run, "dispatch-email")


async def _frozen(run: Run, name: str) -> None:
    first = run.ground.of(name)[0]
    async with run.load.flowing(RATE):
        await asyncio.sleep(2)
        run.fault()
        async with run.ground.frozen(first):
            await asyncio.sleep(_FROZEN)
        await asyncio.sleep(5)


@scenario(two=("router",), recovery=RECOVERY)
async def router_is_frozen(run: Run) -> None:
    """One of two routers stands still for 20 s, then goes on."""
    await _frozen(run, "router")


@scenario(two=("dispatch-email",), recovery=RECOVERY)
async def dispatcher_is_frozen(run: Run) -> None:
    """One of two dispatchers of mail stands still for 20 s, then goes on."""
    run.crash_of_a_dispatcher()
    await _frozen(run, "dispatch-email")
