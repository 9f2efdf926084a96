"""What is wrong with the groups: nobody runs them, or records wait for longer than their lane allows. Brokers tell of them, or the witness."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tocsin.cli.findings import Finding, some
from tocsin.cli.samples import Samples
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import GroupView
from tocsin.kafka.lag import kind_and_lane, service_and_lane

LATE: Final = {Lane.CRITICAL: 10, Lane.TRANSACTIONAL: 60, Lane.BULK: 3600}
"""Seconds for which a record of the lane may wait: within them a message of the lane is to be handed over."""
LATE_AFTERWARDS: Final = 300
AFTERWARDS: Final = ("ledger", "router-feedback")
"""The groups that read what became of messages: nothing is late because of them."""
_FEEDBACK: Final = "router-feedback"
"""A part of the router: where it alone is missing, the router is not gone."""
_OPTIONAL: Final = "dispatch-"
"""An installation has the channels that it needs."""
_SERVICES: Final = {
    service_and_lane(group.name, prefix=Topics().prefix)[0]: group.service for group in Topics().groups()
}


@dataclass(frozen=True, kw_only=True)
class GroupState:
    """One group. `members` is None where nobody could say; `oldest` has, by kind, for how many seconds something has waited."""

    component: str
    lane: str
    members: int | None
    records: int = 0
    oldest: Mapping[str, float] = field(default_factory=dict)
    unseen: Sequence[str] = ()

    @property
    def name(self) -> str:
        """As a person calls it."""
        return f"{self.component}.{self.lane}"


def states_of(views: Mapping[str, GroupView], *, prefix: str, now_ms: int) -> Iterator[GroupState]:
    """As the brokers tell."""
    for group, view in sorted(views.items()):
        component, lane = service_and_lane(group, prefix=prefix)
        oldest: dict[str, float] = {}
        for partition, unread in view.unread.items():
            if unread.oldest_ms is not None:
                kind, _ = kind_and_lane(partition.topic, prefix=prefix)
                oldest[kind] = max((now_ms - unread.oldest_ms) / 1000, oldest.get(kind, 0.0))
        yield GroupState(
            component=component,
            lane=lane,
            members=view.members,
            records=sum(unread.records for unread in view.unread.values()),
            oldest=oldest,
            unseen=sorted(f"{partition.topic}/{partition.partition}" for partition in view.unseen),
        )


def states_of_witness(samples: Samples) -> Iterator[GroupState]:
    """As the witness tells; nothing of any other process."""
    oldest: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    unseen: dict[tuple[str, str], list[str]] = defaultdict(list)
    for labels, age in samples.of("tocsin_group_oldest_seconds"):
        oldest[labels["component"], labels["lane"]][labels["kind"]] = age
    for labels, count in samples.of("tocsin_group_unseen_partitions"):
        if count:
            unseen[labels["component"], labels["lane"]].append(f"{count:.0f} partitions of {labels['kind']}")
    for labels, members in samples.of("tocsin_group_members"):
        of = labels["component"], labels["lane"]
        records = samples.total("tocsin_group_lag_messages", component=of[0], lane=of[1])
        yield GroupState(
            component=of[0], lane=of[1], members=int(members), records=int(records), oldest=oldest[of], unseen=unseen[of]
        )  # fmt: skip


def unused(states: Iterable[GroupState]) -> list[str]:
    """Channels that nobody serves and that have nothing to do: right where an installation does without them."""
    return sorted(
        component
        for component, own in _by_component(states).items()
        if component.startswith(_OPTIONAL) and _gone(own) and not any(state.records for state in own)
    )


def of_groups(states: Iterable[GroupState]) -> Iterator[Finding]:
    """An alert that names the cause silences those that follow from it: so it is here, too."""
    given = list(states)
    left_out = unused(given)
    for component, own in _by_component(given).items():
        if component in left_out:
            continue
        for state in own:
            yield from _unseen(state)
        if component != _FEEDBACK and _gone(own):
            yield _nobody(component, f"any group of {component}", own, runbook="TocsinComponentGone")
            continue
        for state in own:
            if state.members == 0:
                runbook = "TocsinGroupUnserved" if component in AFTERWARDS else "TocsinLaneUnserved"
                yield _nobody(component, state.name, [state], runbook=runbook)
            else:
                yield from _late(state)


def _by_component(states: Iterable[GroupState]) -> dict[str, list[GroupState]]:
    by_component: dict[str, list[GroupState]] = defaultdict(list)
    for state in states:
        by_component[state.component].append(state)
    return by_component


def _gone(states: Iterable[GroupState]) -> bool:
    return all(state.members == 0 for state in states)


def _nobody(component: str, group: str, states: Sequence[GroupState], *, runbook: str) -> Finding:
    records = sum(state.records for state in states)
    oldest = max((age for state in states for age in state.oldest.values()), default=0.0)
    since = f", the oldest for {oldest:,.0f} s" if oldest else ""
    return Finding(
        what=f"Nobody is a member of {group}; {records:,} records wait{since}.",
        remedy=f"start {_SERVICES.get(component, component)}, or look at why it ends: its log's last lines and its exit code",
        runbook=runbook,
    )


def _unseen(state: GroupState) -> Iterator[Finding]:
    if state.unseen:
        yield Finding(
            what=f"What {state.name} leaves unread of {some(state.unseen)} cannot be seen: they have no leader, or the group no coordinator.",
            remedy="kafka-topics.sh --describe --unavailable-partitions, then start the broker that led them",
            runbook="TocsinLeaderless",
        )


def _late(state: GroupState) -> Iterator[Finding]:
    afterwards = state.component in AFTERWARDS
    bound = LATE_AFTERWARDS if afterwards else LATE[Lane(state.lane)]
    runbook = "TocsinBulkWaits" if state.lane == Lane.BULK else "TocsinRecordsWait"
    for kind, age in state.oldest.items():
        if age > bound:
            yield Finding(
                what=f"{state.name} leaves {kind} unread for {age:,.0f} s; {bound:,} s are allowed.",
                remedy=f"look at {_SERVICES.get(state.component, state.component)}: its readiness, its processor time, tocsin_in_flight and tocsin_stage_seconds",
                runbook="TocsinStatusReadLate" if afterwards else runbook,
            )
