"""What the answers of a webhook's endpoint say of it: since when it has failed, when its owner is told, when it is disabled."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

STEPS: Final = (timedelta(days=1), timedelta(days=3), timedelta(days=5))
"""After so long without one good answer its owner is told; the last time it is disabled, too."""


class EndpointAnswer(NamedTuple):
    """How one message to the endpoint went."""

    at: datetime
    error: str | None
    """None: it was taken."""
    record: str
    """The record of `status` that tells it."""


class EndpointHealth(NamedTuple):
    """As the table has it."""

    failing_since: datetime | None = None
    last_error: str | None = None
    told: int = 0
    """How many of the steps its owner was told of."""
    told_at: datetime | None = None
    told_in: str | None = None
    """The record of `status` that brought about the last notice: where it is read again, the notice is written again."""


class Notice(NamedTuple):
    """Its owner is to be told."""

    step: int
    """From 1."""
    failing_since: datetime
    error: str
    at: datetime

    @property
    def disables(self) -> bool:
        """Whether it is the last."""
        return self.step == len(STEPS)


HEALTHY: Final = EndpointHealth()


def health_after(
    health: EndpointHealth, answers: Iterable[EndpointAnswer]
) -> tuple[EndpointHealth, Notice | None]:
    """How it stands after these answers, which may come in any order and again, and the notice that follows, at most one.

    A step is due when an answer fails so long after the first that did, and as long after the former notice as the steps lie apart: an endpoint
    that is called seldom is told as often before it is disabled.
    """
    notice: Notice | None = None
    for answer in sorted(answers, key=lambda answer: (answer.at, answer.record)):
        if answer.error is None:
            if health.failing_since is not None and answer.at >= health.failing_since:
                health = HEALTHY
            continue
        since = min(health.failing_since or answer.at, answer.at)
        health = health._replace(failing_since=since, last_error=answer.error)
        if answer.record == health.told_in:
            notice = Notice(health.told, since, answer.error, answer.at)
        elif notice is None and _is_due(health, since, answer.at):
            notice = Notice(health.told + 1, since, answer.error, answer.at)
            health = health._replace(told=notice.step, told_at=answer.at, told_in=answer.record)
    return health, notice


def _is_due(health: EndpointHealth, since: datetime, at: datetime) -> bool:
    if health.told >= len(STEPS):
        return False
    step = STEPS[health.told]
    if health.told_at is None:
        return at - since >= step
    return at - since >= step and at - health.told_at >= step - STEPS[health.told - 1]
