"""What follows when consumption ends.

| how consumption ends | what follows |
|---|---|
| told to stop | what is in flight ends and commits, then the member leaves |
| `OwnershipLost`: fenced, expelled, no lease (also what fails once the lease has run out), a drain or a shard too slow | everything of this membership is closed, and the group is joined anew after about 1, 4 and 16 s; the fourth time within an hour the process ends |
| `ConsumptionStopped`: a broken release writes what cannot be read | the member leaves, readiness fails with the sentence, the process stays |
| `OffsetsUnusable`: a committed offset is no longer kept, or cannot be read | the member leaves, readiness fails with the sentence that names the command; once that was run, the group is joined anew. Other groups go on |
| any other `OperatorError`: topics, offsets or settings are not as they must be | the process ends with the sentence that names the command |
| anything else | the process ends; the offsets stay where they were |
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from tocsin.kafka.consume.cluster import Cluster
from tocsin.kafka.consume.group_metrics import GroupMetrics
from tocsin.kafka.consume.rejoins import Rejoins
from tocsin.kafka.errors import ConsumptionStopped, KafkaFault, LeaseLost, OffsetsUnusable, OwnershipLost
from tocsin.observability import get_logger
from tocsin.runtime import OperatorError, leaves
from tocsin.runtime.health import Check
from tocsin.runtime.tasks import first_of

log = get_logger(__name__)

LOOK_EVERY = 2.0
"""Seconds between two looks at whether unusable offsets were mended."""


class GroupEnding:
    """The endings of one group's memberships, one after the other. ``check`` says why there is none; ``sleep`` is how pauses pass."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        group: str,
        check: Check,
        metrics: GroupMetrics,
        rejoins: Rejoins,
        sleep: Callable[[float], Coroutine[Any, Any, None]],
    ) -> None:
        self._cluster = cluster
        self._group = group
        self._check = check
        self._metrics = metrics
        self._rejoins = rejoins
        self._sleep = sleep

    async def follow(self, error: Exception, stop: asyncio.Event) -> None:
        """Wait for what follows, or raise what ends the process."""
        causes = list(leaves(error))
        for cause in causes:
            if isinstance(cause, ConsumptionStopped):
                log.error("consumption stopped", group=self._group, reason=str(cause))
                self._check.set_not_ready(str(cause))
                await stop.wait()
                return
            if isinstance(cause, OffsetsUnusable):
                await self._until_mended(cause, stop)
                return
            if isinstance(cause, OperatorError):
                raise cause
        losses = [cause for cause in causes if isinstance(cause, OwnershipLost)]
        if len(losses) < len(causes):
            raise error
        pause = self._rejoins.note_loss()
        if pause is None or stop.is_set():
            raise causes[0]
        reason = str(causes[0])
        self._metrics.rejoins(losses[0].cause)
        failed = (
            losses[0].__cause__ if isinstance(losses[0], LeaseLost) else None
        )  # what it was may be a defect all the same
        log.warning(
            "ownership lost, joining anew",
            group=self._group,
            seconds=round(pause, 1),
            reason=reason,
            exc_info=failed,
        )
        self._check.set_not_ready(f"joins the group anew: {reason}")
        await first_of(stop.wait(), self._sleep(pause))

    async def _until_mended(self, unusable: OffsetsUnusable, stop: asyncio.Event) -> None:
        """Stay out of the group, which takes offsets from others only while it has no members, until every unusable commit
        is another."""
        met = unusable.commits
        log.error("waiting for offsets to be mended", group=self._group, reason=str(unusable))
        self._check.set_not_ready(str(unusable))
        self._metrics.unusable(len(met))
        while not stop.is_set():
            await first_of(stop.wait(), self._sleep(LOOK_EVERY))
            with contextlib.suppress(KafkaFault):  # a broker that is away is asked again
                now = await self._cluster.committed(self._group, met)
                if all(partition in now and now[partition] != commit for partition, commit in met.items()):
                    break
        self._metrics.unusable(0)
        if not stop.is_set():
            log.info("offsets were mended, joining anew", group=self._group)
            self._check.set_not_ready("joins the group anew: its offsets were mended")


def lost_with_the_lease(error: BaseException) -> BaseException:
    """What an error means that came when the lease had run out. A process that was frozen finds every deadline behind it, as that of a
    connection it was opening: this is no defect, but a lost ownership. An error that an operator has to mend stays what it is."""
    causes = list(leaves(error))
    if any(isinstance(cause, OperatorError) for cause in causes) or all(
        isinstance(cause, OwnershipLost) for cause in causes
    ):
        return error
    loss = LeaseLost(
        f"The lease ran out, and then this failed: {', '.join(type(cause).__name__ for cause in causes)}."
    )
    loss.__cause__ = error
    return loss
