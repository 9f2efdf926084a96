"""`tocsin doctor`: asks brokers, groups, processes and Prometheus, and prints what is wrong and what to do about it."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final

import httpx
import typer

from tocsin.cli import findings, group_findings
from tocsin.cli.api import LOCAL
from tocsin.cli.findings import Finding
from tocsin.cli.group_findings import GroupState
from tocsin.cli.looks import SECONDS, SERVICES, Look, as_alerts_say, firing, look
from tocsin.cli.output import print_json, print_table
from tocsin.cli.topics import spec_of
from tocsin.contracts.topics import DEFAULT_PARTITIONS, Topics
from tocsin.kafka import Admin, GroupSpec, GroupWitness, KafkaFault, KafkaSettings, Offsets, Plan
from tocsin.runtime import SystemClock, load_settings

WRONG = 1
ADDRESS: Final = "KAFKA_BOOTSTRAP_SERVERS"
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
    prometheus: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A Prometheus with the rules: which alerts fire in it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print what is wrong, what to do about it, and which alert and runbook say more. Nothing is changed. Exit code 1 where something is wrong.

    Brokers are those of KAFKA_BOOTSTRAP_SERVERS and the other KAFKA_ variables, else the local stack's; so are the processes. Without brokers
    it asks the processes and Prometheus alone. What was not asked is told on stderr.
    """
    local = json.loads(LOCAL.read_text()) if LOCAL.is_file() else {}
    if "kafka" in local:
        os.environ.setdefault("KAFKA_BOOTSTRAP_SERVERS", local["kafka"])
    processes = {url: url for url in process} if process else dict(local.get("operations", {}))
    elsewhere = bool(processes or prometheus)
    settings = None if elsewhere and ADDRESS not in os.environ else load_settings(KafkaSettings)
    told = asyncio.run(_examine(settings, processes, prometheus))
    if as_json:
        print_json([vars(finding) for finding in told.wrong])
    elif told.wrong:
        rows = [(one.what, one.remedy, one.runbook) for one in told.wrong]
        print_table("What is wrong", ("what", "what to do", "alert and runbook"), rows)
    else:
        typer.echo(f"Nothing is wrong. Asked: {', '.join(told.asked)}.")
    for sentence in told.not_asked:
        typer.echo(f"Not asked: {sentence}.", err=True)
    if told.wrong:
        raise typer.Exit(WRONG)


@dataclass
class _Told:
    """What was found, and what was asked and not asked for it."""

    wrong: list[Finding] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    not_asked: list[str] = field(default_factory=list)


async def _examine(
    settings: KafkaSettings | None, processes: Mapping[str, str], prometheus: str | None
) -> _Told:
    told = _Told()
    states: list[GroupState] = []
    if settings is None:
        told.not_asked.append(f"the brokers, as {ADDRESS} is not set: topics, start offsets")
    else:
        told.asked.append("the brokers, every topic and group")
        told.wrong += await _brokers(settings, states)
    async with httpx.AsyncClient(timeout=SECONDS) as client:
        looks = await asyncio.gather(
            *(look(client, name, url.rstrip("/")) for name, url in processes.items())
        )
        if prometheus is not None:
            told.wrong += await firing(client, prometheus.rstrip("/"))
            told.asked.append("Prometheus")
    told.wrong += as_alerts_say(looks)
    if settings is None:
        states += [state for one in looks for state in one.groups]
    told.wrong += group_findings.of_groups(states)
    _say_what_was_asked(told, looks, states, prometheus)
    return told


def _say_what_was_asked(
    told: _Told, looks: Sequence[Look], states: Sequence[GroupState], prometheus: str | None
) -> None:
    if looks:
        told.asked.append(f"{len(looks)} processes")
    unused = group_findings.unused(states)
    seen = {one.component for one in looks}
    missing = [name for name in SERVICES if name not in seen and name not in unused]
    if missing:
        told.not_asked.append(
            f"processes of {', '.join(missing)} (--process URL): readiness, dead letters, providers, changes, timers, copies"
        )
    if prometheus is None:
        told.not_asked.append(
            "Prometheus (--prometheus URL): objectives, restarts, disks, certificates, and what only shows over minutes"
        )
    if unused:
        told.not_asked.append(
            f"{', '.join(unused)}: nobody runs it and nothing waits, which is right where you have no such channel"
        )


async def _brokers(settings: KafkaSettings, states: list[GroupState]) -> list[Finding]:
    """What is wrong with topics and offsets; the groups' states are added to `states`."""
    try:
        async with asyncio.timeout(PATIENCE):
            plan = await _plan(settings)
            wrong = list(findings.of_topics(plan))
            if not any(change.action == "create" for change in plan.changes):
                states += await _groups(settings)
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
        GroupSpec(group=group.name, topics=group.topics, read_back=group.outcome_topic, stored=group.stored)
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


async def _groups(settings: KafkaSettings) -> list[GroupState]:
    groups, clock = Topics(settings.topic_prefix).groups(), SystemClock()
    witness = GroupWitness(
        settings=settings, groups={group.name: group.topics for group in groups}, clock=clock
    )
    try:
        await witness.open()
        views = await witness.look()
    finally:
        await witness.close()
    return list(group_findings.states_of(views, prefix=settings.topic_prefix, now_ms=clock.time_ms()))
