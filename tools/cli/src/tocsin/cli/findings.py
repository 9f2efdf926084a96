"""What is wrong with an installation, told from what its brokers and its processes say. No question is asked here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import GroupView, Plan
from tocsin.kafka.lag import kind_and_lane, service_and_lane

APPLY: Final = "tocsin topics apply"
LATE: Final = {Lane.CRITICAL: 10, Lane.TRANSACTIONAL: 60, Lane.BULK: 3600}
"""Seconds for which a record of the lane may wait: within them a message of the lane is to be handed over."""
LATE_ELSEWHERE: Final = 60
AFTERWARDS: Final = ("ledger", "router-feedback")
"""The groups that read what became of messages: nothing is late because of them."""
NAMED: Final = 5
OUTBOX_SECONDS: Final = 60
STUCK_SECONDS: Final = 20
"""A transaction ends after ten seconds at the latest, whatever becomes of its owner."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong: what it is, what to do about it or to look at next, and the runbook that says more
    (a page of docs/operations/runbooks)."""

    what: str
    remedy: str
    runbook: str


def of_topics(plan: Plan) -> Iterator[Finding]:
    """Topics and start offsets that are not as the registry has them. Other settings than the registry's are not looked at."""
    missing = [change.spec.name for change in plan.changes if change.action == "create"]
    if missing:
        yield Finding(
            what=f"Topics are missing: {_some(missing)}.", remedy=APPLY, runbook="TocsinComponentNotReady"
        )
        return  # the command gives the groups their offsets as well
    without_start = sorted({start.group for start in plan.starts})
    if without_start:
        yield Finding(
            what=f"Groups have no usable offset: {_some(without_start)}.",
            remedy=APPLY,
            runbook="TocsinUnusableOffsets",
        )
    for loss in plan.losses:
        place = f"{loss.partition.topic}/{loss.partition.partition}"
        yield Finding(
            what=f"{loss.group} has committed {loss.committed} of {place}, which is no longer kept.",
            remedy=f"{APPLY} --accept-loss {loss.group}, once you have read what that gives up",
            runbook="TocsinUnusableOffsets",
        )


def _some(names: Sequence[str]) -> str:
    listed = ", ".join(names[:NAMED])
    return listed if len(names) <= NAMED else f"{listed} and {len(names) - NAMED} more"


def of_groups(
    views: Mapping[str, GroupView], *, services: Mapping[str, str], prefix: str, now_ms: int
) -> Iterator[Finding]:
    """Groups that nobody runs, and records that wait for longer than their lane allows. ``services`` has the service of each group."""
    for group, view in sorted(views.items()):
        service, (component, lane) = services[group], service_and_lane(group, prefix=prefix)
        afterwards = component in AFTERWARDS
        if view.unseen:
            places = sorted(f"{partition.topic}/{partition.partition}" for partition in view.unseen)
            yield Finding(
                what=f"What {group} leaves unread of {_some(places)} cannot be seen: they have no leader, or the group no coordinator.",
                remedy="kafka-topics.sh --describe --unavailable-partitions, then start the broker that led them",
                runbook="TocsinLeaderless",
            )
        if view.members == 0:
            waiting = sum(unread.records for unread in view.unread.values())
            yield Finding(
                what=f"Nobody is a member of {group}; {waiting:,} records wait.",
                remedy=f"start {service}, or look at why it ends: its log's last lines and its exit code",
                runbook="TocsinGroupUnserved" if afterwards else "TocsinLaneUnserved",
            )
        bound = LATE.get(Lane(lane), LATE_ELSEWHERE) if lane in set(Lane) else LATE_ELSEWHERE
        oldest: dict[str, int] = {}
        for partition, unread in view.unread.items():
            if unread.oldest_ms is not None:
                kind, _ = kind_and_lane(partition.topic, prefix=prefix)
                oldest[kind] = min(unread.oldest_ms, oldest.get(kind, unread.oldest_ms))
        for kind, moment in oldest.items():
            age = (now_ms - moment) / 1000
            if age > bound:
                yield Finding(
                    what=f"{group} leaves {kind} unread for {age:,.0f} s; {bound:,} s are allowed.",
                    remedy=f"look at {service}: its readiness, its processor time, tocsin_in_flight and tocsin_stage_seconds",
                    runbook="TocsinStatusReadLate" if afterwards else "TocsinRecordsWait",
                )


def of_readiness(process: str, body: Mapping[str, Any]) -> Iterator[Finding]:
    """What `/readyz` of a process says does not hold."""
    for check in body.get("checks", []):
        if not check["ready"]:
            yield Finding(
                what=f"{process} is not ready, {check['name']}: {check['reason']}.",
                remedy=f"what the reason says; else the last lines of its log, and {process}/livez",
                runbook="TocsinNotReady",
            )


def of_metrics(process: str, text: str) -> Iterator[Finding]:
    """What the numbers of a process say is wrong."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def over(name: str, bound: float) -> Iterable[tuple[Mapping[str, str], float]]:
        return ((one.labels, one.value) for one in samples if one.name == name and one.value > bound)

    for labels, age in over("tocsin_directory_outbox_age_seconds", OUTBOX_SECONDS):
        if labels.get("change") == "import":
            continue  # whether it stands still, or is only large, needs two looks
        yield Finding(
            what=f"{process} has not published a change of the directory for {age:,.0f} s, so revoked keys and opt-outs may still count.",
            remedy="look at which router holds the relay's lock, and at locks in PostgreSQL",
            runbook="TocsinOutboxOld",
        )
    for labels, age in over("tocsin_last_stable_offset_age_seconds", STUCK_SECONDS):
        yield Finding(
            what=f"A transaction has been open for {age:,.0f} s in {labels['kind']} of {labels['lane']}, partition {labels['partition']}.",
            remedy="kafka-transactions.sh find-hanging, and whether the owner of its transactional id lives",
            runbook="TocsinStuckPartition",
        )
    for labels, count in over("tocsin_breakers", 0):
        yield Finding(
            what=f"{count:.0f} breakers of {labels['provider']} ({labels['channel']}) are {labels['state']}.",
            remedy="tocsin_deliveries_total by reason, the provider's status page, and its credentials",
            runbook="TocsinProviderDown",
        )
    for _, _ in over("tocsin_paused", 0):
        yield Finding(
            what=f"{process} reads no more, as none of its providers works.",
            remedy="tocsin_deliveries_total by reason, then the providers file",
            runbook="TocsinChannelDown",
        )
