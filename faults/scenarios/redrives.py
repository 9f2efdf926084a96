"""What failed is sent again while ledgers die."""

import asyncio
from typing import Any

import aiohttp

from ground import TENANT
from scenario import PATIENCE, Run, scenario
from scenarios.failpoints import REDRIVE, armed, deaths
from sinks import behaviour as far
from sinks.behaviour import Step
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.dev.api import Api
from tocsin.testing.until import until

_MAILS = 300
_RATE = 40
_FILTER = {"channel": Channel.EMAIL.value, "reason": "recipient_refused"}


@scenario(two=("ledger", "router"))
async def redrive_is_killed_half_way(run: Run) -> None:
    """Three hundred mails fail and are sent again, by two re-drives at once; ledgers and a router are killed meanwhile: nothing twice, nothing missing."""
    sinks = run.ground.sinks
    await sinks.behave(far.refuse(550, step=Step.RCPT), channel=Channel.EMAIL)
    sent = await run.load.backlog(_MAILS, channel=Channel.EMAIL, lane=Lane.TRANSACTIONAL)
    wanted = {message.notification for message in sent}
    await until(lambda: run.ended >= wanted, seconds=PATIENCE, every=0.5)
    await sinks.behave(far.GOOD, channel=Channel.EMAIL)

    async def all_stored() -> bool:
        return bool((await _ask(run, "POST", "", {"notifications": _FILTER}))["matched"] == _MAILS)

    await until(all_stored, seconds=PATIENCE, every=0.5)
    go = {"notifications": _FILTER, "dry_run": False, "rate": _RATE}
    begun = [await _ask(run, "POST", "", go) for _ in range(2)]
    for number, place in enumerate(REDRIVE):
        run.fault()
        await _one_dies(run, place)
        await run.ground.kill(run.ground.of("router")[number % 2])
    progress = await asyncio.gather(*(_finished(run, redrive["id"]) for redrive in begun))
    written = [redrive["written"] for redrive in progress]
    run.notes.append(f"written: {' and '.join(map(str, written))}")
    uncounted = len(REDRIVE) * _RATE  # what of a page is sent before its ledger's successor counts it
    run.expect(
        _MAILS - uncounted <= sum(written) <= _MAILS,
        f"{sum(written)} were counted as written, of {_MAILS}.",
    )
    await until(
        lambda: all(run.endings.final[notification] == {"sent"} for notification in wanted),
        seconds=PATIENCE,
        every=0.5,
    )


async def _one_dies(run: Run, place: str) -> None:
    """Both ledgers are replaced; the one of them that re-drives dies at the place."""
    ledgers = run.ground.of("ledger")
    before = sum(deaths(run, instance) for instance in ledgers)
    for instance in ledgers:
        await armed(run, instance, place)
    await until(
        lambda: sum(deaths(run, instance) for instance in ledgers) > before, seconds=PATIENCE, every=0.1
    )


async def _finished(run: Run, redrive: str) -> Any:
    while True:
        stands = await _ask(run, "GET", f"/{redrive}")
        if stands["state"] == "finished":
            return stands
        await asyncio.sleep(0.5)


async def _ask(run: Run, method: str, path: str, body: Any = None) -> Any:
    """Any ledger's answer, as soon as one is there."""
    async with asyncio.timeout(PATIENCE):
        while True:
            for url in run.ground.urls("ledger"):
                try:
                    async with Api(url=url, key=run.ground.keys[TENANT]) as api:
                        status, answer = await api.call(method, f"/v1/redrives{path}", body)
                except aiohttp.ClientError:
                    continue
                if status < 300:
                    return answer
            await asyncio.sleep(0.5)
