"""The network between a service and what it talks to is cut, delayed, left half open, or drips.

It is that of the first instance of every service; the second goes on.
"""

import asyncio
from collections.abc import Sequence

from ground import PLACES
from proxied_ground import BROKER, DATABASE, PROVIDERS, ProxiedGround
from proxy import Mode
from reached import REACHED, SERVICES
from scenario import Run, scenario
from scenarios.deaths import DISPATCHERS, RATE

_HARM = 15.0  # seconds; a session lasts six
_AFTER = 6.0
_CALLS_WITHOUT_ANSWER = 3 * PLACES * len(REACHED)
"""At most: in the time of the harm a place can wait three times for a call that ends after its 7 s."""


async def _harm(run: Run, links: Sequence[str], mode: Mode, amount: float = 0.0) -> None:
    """So long, under load."""
    ground = run.ground
    assert isinstance(ground, ProxiedGround)
    async with run.load.flowing(RATE):
        await asyncio.sleep(2)
        run.fault()
        for link in links:
            await ground.network.change(link, mode, amount)
        await asyncio.sleep(_HARM)
        for link in links:
            await ground.network.change(link, Mode.PASS)
        await asyncio.sleep(_AFTER)


def _dispatchers_may_end(run: Run) -> None:
    """The first of every channel loses its shards with calls under way, and what it knows of them cannot be recorded."""
    for _ in DISPATCHERS:
        run.crash_of_a_dispatcher()


@scenario(two=SERVICES, ground=ProxiedGround, nightly=True)
async def broker_is_cut_off(run: Run) -> None:
    """Connections to the broker are reset and refused for 15 s."""
    _dispatchers_may_end(run)
    await _harm(run, [BROKER], Mode.CUT)


@scenario(two=SERVICES, ground=ProxiedGround, nightly=True)
async def broker_is_half_open(run: Run) -> None:
    """Connections to the broker stay, and nothing passes for 15 s; then everything that was held does."""
    _dispatchers_may_end(run)
    await _harm(run, [BROKER], Mode.HALF_OPEN)


@scenario(two=SERVICES, ground=ProxiedGround, nightly=True)
async def broker_is_far_away(run: Run) -> None:
    """Every byte to and from the broker takes 200 ms: nobody ends, nothing is sent twice."""
    await _harm(run, [BROKER], Mode.DELAY, 200)


@scenario(two=SERVICES, ground=ProxiedGround, nightly=True)
async def broker_drips(run: Run) -> None:
    """The broker's connections carry 2,000 bytes a second for 15 s."""
    _dispatchers_may_end(run)
    await _harm(run, [BROKER], Mode.DRIP, 2_000)


@scenario(two=SERVICES, ground=ProxiedGround, nightly=True)
async def database_is_cut_off(run: Run) -> None:
    """Connections to PostgreSQL are reset and refused for 15 s."""
    await _harm(run, [DATABASE], Mode.CUT)


@scenario(two=SERVICES, ground=ProxiedGround, nightly=True)
async def database_is_half_open(run: Run) -> None:
    """Connections to PostgreSQL stay, and nothing passes for 15 s; then everything that was held does."""
    await _harm(run, [DATABASE], Mode.HALF_OPEN)


@scenario(two=SERVICES, ground=ProxiedGround, nightly=True)
async def database_is_far_away(run: Run) -> None:
    """Every byte to and from PostgreSQL takes 200 ms."""
    await _harm(run, [DATABASE], Mode.DELAY, 200)


@scenario(two=SERVICES, ground=ProxiedGround, nightly=True)
async def database_drips(run: Run) -> None:
    """The connections to PostgreSQL carry 2,000 bytes a second for 15 s."""
    await _harm(run, [DATABASE], Mode.DRIP, 2_000)


@scenario(two=SERVICES, ground=ProxiedGround, nightly=True, ends=True)
async def providers_are_cut_off(run: Run) -> None:
    """Connections to all providers are reset and refused for 15 s."""
    run.duplicates += PLACES * len(REACHED)
    await _harm(run, PROVIDERS, Mode.CUT)


@scenario(two=SERVICES, ground=ProxiedGround, nightly=True, ends=True)
async def providers_are_half_open(run: Run) -> None:
    """Connections to all providers stay, and nothing passes for 15 s; then every call that was held arrives after all."""
    run.duplicates += _CALLS_WITHOUT_ANSWER
    await _harm(run, PROVIDERS, Mode.HALF_OPEN)


@scenario(two=SERVICES, ground=ProxiedGround, nightly=True)
async def providers_are_far_away(run: Run) -> None:
    """Every byte to and from the providers takes 300 ms: nothing fails, nothing is sent twice."""
    await _harm(run, PROVIDERS, Mode.DELAY, 300)


@scenario(two=SERVICES, ground=ProxiedGround, nightly=True, ends=True)
async def providers_drip(run: Run) -> None:
    """The connections to the providers carry 100 bytes a second for 15 s."""
    run.duplicates += _CALLS_WITHOUT_ANSWER
    await _harm(run, PROVIDERS, Mode.DRIP, 100)
