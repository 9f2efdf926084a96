"""The first provider of mail is in trouble, and a second one takes over: a SendGrid beside the mail server."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from reached import REACHED
from scenario import Run, scenario
from scenarios.deaths import RATE
from sinks import behaviour as far
from sinks.behaviour import Step
from sinks.serve import SENDGRID
from tenants import settings_of
from tocsin.contracts.vocabulary import Channel
from tocsin.testing.until import until

FIRST, SECOND = "main", f"main{SENDGRID}"
_AWAY = 15.0  # seconds
_REFUSAL = b"provider refuses our credentials"


@asynccontextmanager
async def _two_providers(run: Run) -> AsyncIterator[None]:
    """Our tenant's mail is tried at the mail server first, then at SendGrid."""
    order = {channel.value: [FIRST] for channel in REACHED}
    await run.change("PUT", "/v1/tenant", settings_of(order | {"email": [FIRST, SECOND]}))
    try:
        yield
    finally:
        await run.change("PUT", "/v1/tenant", settings_of(order))


async def _breakers(run: Run) -> list[dict[str, str]]:
    """Of the mail server, as each dispatcher shows it."""
    async with aiohttp.ClientSession() as client:
        pages = [
            await (await client.get(f"{instance.service.operations}/internal/providers")).json()
            for instance in run.ground.of("dispatch-email")
        ]
    return [view for page in pages for view in page["providers"] if view["provider"] == FIRST]


def _mails_taken(run: Run) -> Counter[str]:
    return Counter(taking.end for taking in run.taken if taking.way.channel == Channel.EMAIL)


async def _first_again(run: Run) -> None:
    """The mail server works again, and is used again."""
    await run.ground.sinks.behave(far.GOOD, channel="email", name=FIRST)
    before = _mails_taken(run)[FIRST]
    await until(lambda: _mails_taken(run)[FIRST] > before, seconds=120, every=0.5)


@scenario(two=("dispatch-email",), recovery=10.0)
async def mail_server_is_away_and_sendgrid_takes_over(run: Run) -> None:
    """The mail server refuses every connection for 15 s: SendGrid takes the mail, none waits long, none is doubled."""
    async with _two_providers(run):
        run.fault()
        await run.ground.sinks.restart(_AWAY, channel="email", name=FIRST)
        async with run.load.flowing(RATE):
            await until(lambda: _mails_taken(run)[SECOND] >= 20, seconds=60, every=0.5)
            shown = {view["breaker"] for view in await _breakers(run)}
            run.expect("open" in shown or "half_open" in shown, f"The breakers are {shown}.")
            await asyncio.sleep(_AWAY)
            await _first_again(run)
    run.notes.append(f"taken: {dict(_mails_taken(run))}")


@scenario(two=("dispatch-email",), recovery=10.0)
async def mail_server_flaps(run: Run) -> None:
    """The mail server says 421 to everything for a second, and nothing of the kind for the next, ten times: none is lost or doubled."""
    async with _two_providers(run), run.load.flowing(RATE):
        for _ in range(10):
            run.fault()
            await run.ground.sinks.behave(far.refuse(421, step=Step.MAIL), channel="email", name=FIRST)
            await asyncio.sleep(1)
            await run.ground.sinks.behave(far.GOOD, channel="email", name=FIRST)
            await asyncio.sleep(1)
        await _first_again(run)
    taken = _mails_taken(run)
    run.expect(taken[SECOND] > 0, "Nothing went to SendGrid.")
    run.notes.append(f"taken: {dict(taken)}")


@scenario(two=("dispatch-email",), recovery=10.0)
async def mail_server_refuses_our_credentials(run: Run) -> None:
    """The mail server refuses the login for 15 s: each dispatcher says so once, and SendGrid takes the mail."""
    logs = [instance.log for instance in run.ground.of("dispatch-email")]
    begun = [log.stat().st_size for log in logs]
    async with _two_providers(run), run.load.flowing(RATE):
        run.fault()
        await run.ground.sinks.behave(far.refuse(535, step=Step.MAIL), channel="email", name=FIRST)
        await asyncio.sleep(_AWAY)
        said = [log.read_bytes()[size:].count(_REFUSAL) for log, size in zip(logs, begun, strict=True)]
        await _first_again(run)
    run.expect(max(said) == 1, f"The dispatchers said so {said} times.")
    run.notes.append(f"said {said} times; taken: {dict(_mails_taken(run))}")
