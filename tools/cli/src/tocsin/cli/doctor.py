"""`tocsin doctor`: asks brokers, groups and processes, and prints what is wrong and what to do about it."""

import asyncio
import json
import os
from collections.abc import Mapping
from typing import Annotated

import httpx
import typer

from tocsin.cli import findings
from tocsin.cli.api import LOCAL
from tocsin.cli.findings import Finding
from tocsin.cli.output import print_json, print_table
from tocsin.cli.topics import spec_of
from tocsin.contracts.topics import DEFAULT_PARTITIONS, Topics
from tocsin.kafka import Admin, GroupSpec, GroupWitness, KafkaFault, KafkaSettings, Offsets, Plan
from tocsin.runtime import SystemClock, load_settings

WRONG = 1
SECONDS = 10.0
"""For one process to answer."""
PATIENCE = 60.0
"""Seconds for everything that brokers are asked."""
CHECK_BROKERS = "check KAFKA_BOOTSTRAP_SERVERS and the other KAFKA_ variables, and whether the brokers run"


def doctor(
    *,
    process: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="Where a process answers probes and metrics, such as http://10.0.0.7:9000; may be given often.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print what is wrong, what to do about it, and which runbook says more. Nothing is changed. Exit code 1 where something is wrong.

    Brokers are those of KAFKA_BOOTSTRAP_SERVERS and the other KAFKA_ variables, else the local stack's; so are the processes.
    """
    local = json.loads(LOCAL.read_text()) if LOCAL.is_file() else {}
    if "kafka" in local:
        os.environ.setdefault("KAFKA_BOOTSTRAP_SERVERS", local["kafka"])
    processes = {url: url for url in process} if process else dict(local.get("operations", {}))
    wrong = asyncio.run(_examine(load_settings(KafkaSettings), processes))
    if as_json:
        print_json([vars(finding) for finding in wrong])
    elif wrong:
        rows = [(one.what, one.remedy, one.runbook) for one in wrong]
        print_table("What is wrong", ("what", "what to do", "runbook"), rows)
    else:
        asked = f"{len(processes)} processes" if processes else "no process (give --process URL)"
        typer.echo(f"Nothing is wrong. Asked: the brokers, every topic and group, {asked}.")
    if wrong:
        raise typer.Exit(WRONG)


async def _examine(settings: KafkaSettings, processes: Mapping[str, str]) -> list[Finding]:
    wrong = await _brokers(settings)
    async with httpx.AsyncClient(timeout=SECONDS) as client:
        asked = [_process(client, name, url.rstrip("/")) for name, url in processes.items()]
        for found in await asyncio.gather(*asked):
            wrong += found
    return wrong


async def _brokers(settings: KafkaSettings) -> list[Finding]:
    try:
        async with asyncio.timeout(PATIENCE):
            plan = await _plan(settings)
            wrong = list(findings.of_topics(plan))
            if not any(change.action == "create" for change in plan.changes):
                wrong += await _groups(settings)
    except KafkaFault as fault:
        return [Finding(what=str(fault), remedy=CHECK_BROKERS, runbook="TocsinWitnessBlind")]
    except TimeoutError:
        what = f"The brokers did not answer everything within {PATIENCE:g} s."
        remedy = f"look for partitions without a leader, and {CHECK_BROKERS}"
        return [Finding(what=what, remedy=remedy, runbook="TocsinWitnessBlind")]
    return wrong


async def _plan(settings: KafkaSettings) -> Plan:
    """Topics with the partitions that they have: how many are right is not asked."""
    registry, offsets, admin = (
        Topics(settings.topic_prefix),
        Offsets(settings=settings),
        Admin(settings=settings),
    )
    groups = [
        GroupSpec(group=group.name, topics=group.topics, read_back=group.outcome_topic)
        for group in registry.groups()
    ]
    try:
        await offsets.open()
        await admin.open()
        there = await offsets.topics()
        specs = [
            spec_of(
                topic,
                partitions=await offsets.partitions(topic.name)
                if topic.name in there
                else DEFAULT_PARTITIONS,
                replication_factor=1,
            )
            for topic in registry.all()
        ]
        return await admin.plan(specs, groups)
    finally:
        await admin.close()
        await offsets.close()


async def _groups(settings: KafkaSettings) -> list[Finding]:
    groups, clock = Topics(settings.topic_prefix).groups(), SystemClock()
    witness = GroupWitness(
        settings=settings, groups={group.name: group.topics for group in groups}, clock=clock
    )
    try:
        await witness.open()
        views = await witness.look()
    finally:
        await witness.close()
    services = {group.name: group.service for group in groups}
    told = findings.of_groups(views, services=services, prefix=settings.topic_prefix, now_ms=clock.time_ms())
    return list(told)


async def _process(client: httpx.AsyncClient, name: str, url: str) -> list[Finding]:
    try:
        readiness = await client.get(f"{url}/readyz")
        numbers = await client.get(f"{url}/metrics")
        return [
            *findings.of_readiness(name, readiness.json()),
            *findings.of_metrics(name, numbers.raise_for_status().text),
        ]
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"{name} answers at {url} what the doctor does not understand: {error!r}."
        remedy = "look whether the address is that of its probes and metrics, and whether its release is the doctor's"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        what = f"{name} does not answer at {url}: {error!r}."
        remedy = "look whether it runs, and at its exit code and last log lines"
    return [Finding(what=what, remedy=remedy, runbook="TocsinTargetDown")]
