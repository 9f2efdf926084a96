"""A mailbox that is no more, while mails to everyone who has it wait."""

import asyncio
from collections import Counter
from typing import Final

from load import Sent
from scenario import Run, scenario
from sinks import behaviour as far
from takings import calls_at, size
from tenants import person
from tocsin.contracts.vocabulary import Channel
from tocsin.testing.until import until

_IN_FORCE: Final = 5.0
"""Seconds after the mail server's word: what asks it again later breaks the promise."""
_MAILS: Final = 600
_SHARING: Final = 10
"""So many of the forty people have one address."""
_SLOW: Final = far.slow(2.5)
"""At 16 places and two dispatchers the backlog is of a minute."""
_ADDRESS: Final = "Shared@gone.example"


async def _bounces(run: Run, *, routers_die: bool) -> None:
    """600 bulk mails wait for a slow mail server, which then knows one of the addresses no more."""
    sharing = {person(number) for number in range(_SHARING)}
    for number, who in enumerate(sorted(sharing)):
        await _give(run, who, _ADDRESS if number % 2 else _ADDRESS.lower())
    calls, begin = run.ground.sinks.calls, size(run.ground.sinks.calls)
    await run.ground.sinks.behave(_SLOW, channel=Channel.EMAIL)
    sent = await run.load.backlog(_MAILS, channel="email", lane="bulk")
    await until(lambda: run.all_routed(sent), seconds=90, every=0.3)
    for spelling in (_ADDRESS, _ADDRESS.lower()):
        await run.ground.sinks.behave(far.NO_SUCH_MAILBOX, channel=Channel.EMAIL, recipient=spelling)
    run.fault()
    await until(lambda: _refused(run, begin), seconds=90, every=0.05)
    if routers_die:
        await _end_routers(run)
    await asyncio.sleep(2 * _IN_FORCE)
    await run.ground.sinks.behave(far.GOOD, channel=Channel.EMAIL)
    await until(lambda: run.all_ended(sent), seconds=90, every=0.3)
    refused = sorted(at for each in (_ADDRESS, _ADDRESS.lower()) for at in calls_at(calls, begin, each))
    if not routers_die:
        _judge_time(run, refused, sharing)
    _judge_ends(run, sent, sharing)
    await _set_back(run, sharing)


def _judge_time(run: Run, refused: list[float], sharing: set[str]) -> None:
    end = refused[0] + _IN_FORCE
    asked = [at for at in refused if at > end]
    taken = [taking for taking in run.taken if taking.way.recipient in sharing and taking.at > end]
    run.expect(
        not asked and not taken,
        f"{len(asked) + len(taken)} mails went to the address later than {_IN_FORCE:g} s after it had bounced.",
    )
    run.notes.append(
        f"{len(refused)} were refused, the last one {refused[-1] - refused[0]:.1f} s after the first"
    )


def _judge_ends(run: Run, sent: list[Sent], sharing: set[str]) -> None:
    ends = Counter(
        end
        for message in sent
        if message.way.recipient in sharing
        for end in run.endings.final[message.notification]
    )
    run.expect(
        ends.keys() <= {"sent", "failed(address_gone)", "skipped(bounce)"},
        f"What went to the address ended as {dict(ends)}.",
    )
    run.expect(ends["skipped(bounce)"] > _SHARING, "Too little was left to be held.")
    others = [message for message in sent if message.way.recipient not in sharing]
    held = [message for message in others if run.endings.final[message.notification] != {"sent"}]
    run.expect(not held, f"{len(held)} mails to other addresses were held back.")
    run.notes.append(
        f"{ends['skipped(bounce)']} held, {ends['failed(address_gone)']} refused, {ends['sent']} sent before"
    )


async def _end_routers(run: Run) -> None:
    """For as long as the promise gives."""
    for router in run.ground.of("router"):
        router.wanted = False
        await run.ground.kill(router)
    await asyncio.sleep(_IN_FORCE)
    for router in run.ground.of("router"):
        run.ground.start(router)


async def _give(run: Run, who: str, email: str) -> None:
    number = who.removeprefix("person-").zfill(4)
    await run.change("PUT", f"/v1/recipients/{who}", {"email": email, "phone": f"+1415555{number}"})


async def _set_back(run: Run, sharing: set[str]) -> None:
    """Other scenarios use the people, too."""
    removal = {"channel": "email", "address": _ADDRESS, "reason": "the scenario is over"}
    await run.change("POST", "/v1/suppressions/remove", removal)
    for who in sorted(sharing):
        await _give(run, who, f"{who}@person.example")


async def _refused(run: Run, begin: int) -> bool:
    calls = run.ground.sinks.calls
    return any(calls_at(calls, begin, each) for each in (_ADDRESS, _ADDRESS.lower()))


@scenario(two=("router", "dispatch-email"), ends=True)
async def a_mailbox_is_gone_in_the_midst_of_a_backlog(run: Run) -> None:
    """Ten of 40 people share a mailbox that bounces (550 5.1.1) while 600 mails wait: 5 s later nothing asks for it any more, all others are sent."""
    await _bounces(run, routers_die=False)


@scenario(two=("router", "dispatch-email"), ends=True)
async def a_mailbox_is_gone_and_the_routers_die(run: Run) -> None:
    """The same, and both routers die when it has bounced: what is left is held once they are back."""
    await _bounces(run, routers_die=True)
