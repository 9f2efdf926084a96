"""What is wrong with an installation: topics and start offsets. Groups and processes have files of their own. No question is asked here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.kafka import Plan

APPLY: Final = "tocsin topics apply"
NAMED: Final = 5


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong: what it is, what to do about it or to look at next, and the runbook that says more: the page that is named
    like the alert that fires for it (docs/operations/runbooks)."""

    what: str
    remedy: str
    runbook: str


def of_topics(plan: Plan) -> Iterator[Finding]:
    """Topics and start offsets that are not as the registry has them. Other settings than the registry's are not looked at."""
    missing = [change.spec.name for change in plan.changes if change.action == "create"]
    if missing:
        yield Finding(
            what=f"Topics are missing: {some(missing)}.", remedy=APPLY, runbook="TocsinComponentNotReady"
        )
        return  # the command gives the groups their offsets as well
    without_start = sorted({start.group for start in plan.starts})
    if without_start:
        yield Finding(
            what=f"Groups have no usable offset: {some(without_start)}.",
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


def some(names: Sequence[str]) -> str:
    """The first of them."""
    listed = ", ".join(names[:NAMED])
    return listed if len(names) <= NAMED else f"{listed} and {len(names) - NAMED} more"
