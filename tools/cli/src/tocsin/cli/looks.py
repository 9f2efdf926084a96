"""Looks at processes and at Prometheus, and what is wrong there."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import httpx

from tocsin.cli.findings import Finding
from tocsin.cli.group_findings import GroupState, states_of_witness
from tocsin.cli.process_findings import of_metrics, of_readiness
from tocsin.cli.samples import Samples
from tocsin.contracts.topics import DISPATCHERS

SERVICES: Final = ("ingest", "router", "scheduler", "ledger", *DISPATCHERS)
SECONDS: Final = 10.0
"""For one process to answer."""
APART: Final = 3.0
"""Seconds between two looks at a process's counters: poison is more than one record a second."""
_NOT_UNDERSTOOD: Final = (httpx.HTTPStatusError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True, kw_only=True)
class Look:
    """What is wrong with one process, which component it is where it says so, and what the witness sees of the groups."""

    wrong: Sequence[Finding]
    component: str | None = None
    answered: bool = True
    ready: bool = True
    groups: Sequence[GroupState] = field(default=())


async def look(client: httpx.AsyncClient, name: str, url: str, *, apart: float = APART) -> Look:
    """At one process, twice."""
    try:
        readiness = (await client.get(f"{url}/readyz")).json()
        wrong = list(of_readiness(name, readiness))
        before = await _samples(client, url)
        await asyncio.sleep(apart)
        after = await _samples(client, url)
        wrong += of_metrics(name, before, after, seconds=apart)
        ready = not any(finding.runbook == "TocsinNotReady" for finding in wrong)
        return Look(
            wrong=wrong, component=after.component(), ready=ready, groups=list(states_of_witness(after))
        )
    except _NOT_UNDERSTOOD as error:
        what = f"{name} answers at {url} what the doctor does not understand: {error!r}."
        remedy = "look whether the address is that of its probes and metrics, and whether its release is the doctor's"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        what = f"{name} does not answer at {url}: {error!r}."
        remedy = "look whether it runs, and at its exit code and last log lines"
        silent = Finding(what=what, remedy=remedy, runbook="TocsinTargetDown")
        return Look(wrong=[silent], component=name, answered=False)
    return Look(wrong=[Finding(what=what, remedy=remedy, runbook="TocsinTargetDown")], component=name)


def as_alerts_say(looks: Sequence[Look]) -> list[Finding]:
    """What is wrong with all of them. Where no process of a component answers, or none is ready, another alert pages than for one of several."""
    wrong: list[Finding] = []
    for one in looks:
        alike = [other for other in looks if other.component == one.component]
        names: dict[str, str] = {}
        if one.component in SERVICES and not any(other.answered for other in alike):
            names["TocsinTargetDown"] = "TocsinComponentGone"
        if not any(other.ready for other in alike):
            names["TocsinNotReady"] = "TocsinComponentNotReady"
        wrong += [
            replace(finding, runbook=names.get(finding.runbook, finding.runbook)) for finding in one.wrong
        ]
    return wrong


async def _samples(client: httpx.AsyncClient, url: str) -> Samples:
    return Samples((await client.get(f"{url}/metrics")).raise_for_status().text)


async def firing(client: httpx.AsyncClient, url: str) -> list[Finding]:
    """The alerts of ours that fire in this Prometheus."""
    try:
        answer = (await client.get(f"{url}/api/v1/alerts")).raise_for_status().json()
        return [
            Finding(
                what=f"{alert['annotations']['summary']}.",
                remedy="what the runbook says",
                runbook=alert["labels"]["alertname"],
            )
            for alert in answer["data"]["alerts"]
            if alert["state"] == "firing" and alert["labels"]["alertname"].startswith("Tocsin")
        ]
    except (httpx.HTTPError, httpx.InvalidURL, *_NOT_UNDERSTOOD) as error:
        what = f"Prometheus does not tell its alerts at {url}: {error!r}."
        return [Finding(what=what, remedy="look whether the address is right", runbook="TocsinTargetDown")]
