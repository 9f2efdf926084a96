"""Instances die at a named place, one delivery at a time: how often a message is handed over is foretold exactly."""

import asyncio
import signal
from collections.abc import Mapping
from functools import partial
from itertools import zip_longest
from typing import Final

from ground import Instance
from scenario import Run, scenario
from tocsin.runtime.failpoints import NAMES
from tocsin.testing.until import until

ONE_AT_A_TIME: Final = {"DISPATCH_EMAIL_MAX_UNRECORDED": "1"}
"""With one place, and one lane and channel alone: one message is under way when a dispatcher dies."""
AT_WORK: Final[dict[str, tuple[str, ...]]] = {
    "router": (
        "before_fence", "after_fence", "after_claim:3", "after_produce:3", "after_offsets:3", "before_commit:3",
        "after_commit:3",
    ),
    "dispatch-email": (
        "before_fence", "after_fence", "before_call:3", "after_call:3", "before_outcome:3", "after_outcome:3",
    ),
    "ledger": ("while_rows_are_copied:3", "before_rows_commit:3", "after_rows_commit:3"),
    "ingest": ("after_publish:3",),
}  # fmt: skip
"""Where the first instance of each service dies, one place a round; `:3` is the third time that the place is reached."""
_RELAY: Final = ("relay_after_produce", "relay_before_commit", "relay_after_commit", "relay_before_delete")
TWICE: Final = {"after_call:3": 1, "before_outcome:3": 1}
"""The provider has answered, and `status` does not have it: the one message that was under way is handed over again."""
_GIVING_BACK: Final = "in_revoke"
REDRIVE: Final = ("redrive_after_page_stored", "redrive_after_page_written", "redrive_after_page_counted")
"""Where ledgers die that re-drive: `redrives` plays them."""
_ONCE: Final = ("after_intent:3", "before_call:3", "after_call:3", "before_outcome:5", "after_outcome:5")
"""Where a dispatcher dies with a message that goes out at most once."""
_RATE = 12.0
_DIES_WITHIN = 90.0  # seconds


async def _die(run: Run, places: Mapping[str, str]) -> None:
    """The first instance of each service is replaced by one that dies at the place; returns when all have died."""
    run.fault()
    victims = {run.ground.of(name)[0]: place for name, place in places.items()}
    async with run.load.flowing(_RATE, channels=["email"], lanes=["critical"], people=24):
        before = {instance: deaths(run, instance) for instance in victims}
        await asyncio.gather(*(armed(run, instance, place) for instance, place in victims.items()))
        for instance, former in before.items():
            await until(partial(_died, run, instance, former), seconds=_DIES_WITHIN, every=0.1)


async def armed(run: Run, instance: Instance, place: str) -> None:
    """It is replaced by one that dies at the place."""
    await run.ground.stop(instance)
    run.ground.start(instance, FAILPOINTS=f"{place}=kill")


def deaths(run: Run, instance: Instance) -> int:
    """How often it has been killed by itself."""
    killed = (instance.name, -signal.SIGKILL, False)
    return sum((end.name, end.code, end.asked) == killed for end in run.ground.exits)


async def _died(run: Run, instance: Instance, before: int) -> bool:
    return deaths(run, instance) > before


def _rounds() -> list[dict[str, str]]:
    columns = zip_longest(*AT_WORK.values())
    return [{name: place for name, place in zip(AT_WORK, row, strict=True) if place} for row in columns]


@scenario(two=tuple(AT_WORK), settings=ONE_AT_A_TIME, places=1)
async def everybody_dies_at_every_place(run: Run) -> None:
    """Router, dispatcher, ledger and ingest die at each of their failpoints, with one delivery under way: what is sent twice is foretold."""
    run.exactly = 0
    for places in _rounds():
        await _die(run, places)
        run.exactly += sum(TWICE.get(place, 0) for place in places.values())


@scenario(two=("router", "dispatch-email"), settings=ONE_AT_A_TIME, places=1)
async def members_die_while_giving_back(run: Run) -> None:
    """A router and a dispatcher die while they give shards back to a new member."""
    run.exactly = None
    run.crash_of_a_dispatcher(lanes=1)
    names = ("router", "dispatch-email")
    for name in names:
        await run.ground.stop(run.ground.of(name)[1])

    async def join() -> None:
        await run.ground.ready(*(run.ground.of(name)[0] for name in names))
        for name in names:
            run.ground.start(run.ground.of(name)[1])

    async with asyncio.TaskGroup() as group:
        group.create_task(_die(run, dict.fromkeys(names, _GIVING_BACK)))
        group.create_task(join())


@scenario(two=("router",), settings=ONE_AT_A_TIME, places=1)
async def relay_dies_at_every_place(run: Run) -> None:
    """The router that publishes changes dies at each failpoint of the relay: every change comes into force, nothing is lost."""
    run.exactly = 0
    routers = run.ground.of("router")
    for number, place in enumerate(_RELAY):
        await run.ground.stop(routers[1])  # the first one is the relay
        before = deaths(run, routers[0])
        await armed(run, routers[0], place)
        await run.ground.ready(routers[0])
        run.fault()
        key = f"after-{number}"
        change = asyncio.create_task(run.change("PUT", f"/v1/categories/{key}", {"default": "required"}))
        await until(partial(_died, run, routers[0], before), seconds=_DIES_WITHIN, every=0.1)
        await asyncio.wait([change])
        change.exception()  # the connection may have been cut: the change stands, or it is repeated
        run.ground.start(routers[1])
        await run.ground.ready(*routers)
        await run.change("PUT", f"/v1/categories/{key}", {"default": "required"})
        await run.change("PUT", "/v1/workflows/probe-email-critical", _flow(key))
        async with run.load.flowing(_RATE, channels=["email"], lanes=["critical"]):
            await asyncio.sleep(1)
    await run.change("PUT", "/v1/workflows/probe-email-critical", _flow("probes"))


def _flow(category: str) -> dict[str, object]:
    return {"name": "Probe", "category": category, "lane": "critical", "channels": ["email"]}


@scenario(two=("dispatch-email",), settings=ONE_AT_A_TIME, places=1, ends=True)
async def codes_are_sent_at_most_once(run: Run) -> None:
    """A dispatcher dies at five places with a login code under way: it is handed over once or not at all, and then is `unknown`."""
    run.exactly = 0
    codes = {"default": "required", "delivery": "at_most_once"}
    await run.change("PUT", "/v1/categories/codes", codes)
    await run.change("PUT", "/v1/workflows/probe-email-critical", _flow("codes"))
    for place in _ONCE:
        await _die(run, {"dispatch-email": place})
    await until(lambda: _all_ended(run), seconds=90, every=0.2)
    unsure = [message for message in run.sent if "sent" not in run.endings.final[message.notification]]
    run.expect(len(unsure) <= len(_ONCE), f"{len(unsure)} codes were not sent, of {len(_ONCE)} deaths.")
    await run.change("PUT", "/v1/workflows/probe-email-critical", _flow("probes"))


async def _all_ended(run: Run) -> bool:
    return run.ended >= {message.notification for message in run.sent}


def unproved() -> set[str]:
    """Failpoints of the product at which no scenario lets anybody die."""
    places = [
        *(place for each in AT_WORK.values() for place in each),
        *_RELAY,
        *_ONCE,
        *REDRIVE,
        _GIVING_BACK,
    ]
    return NAMES.keys() - {place.partition(":")[0] for place in places}
