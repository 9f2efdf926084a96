"""Who sends what cannot be handled: dead letters by reason and by source, as metrics and as a few lines a minute."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from tocsin.contracts.vocabulary import Lane, Reason
from tocsin.observability import OftenSeen, Tally, get_logger, metrics

log = get_logger(__name__)


class DeadLetterNote(NamedTuple):
    """What is told of one dead letter."""

    reason: Reason
    source: str
    """Of its event, as its producer has it; empty where the record names none."""
    tenant: str
    """Empty where the record names none that exists."""
    origin: str
    """Its place in Kafka."""


class _Kind(NamedTuple):
    reason: Reason
    source: str
    tenant: str


class DeadLetterCounts:
    """Of one lane."""

    def __init__(self, *, service: str, lane: Lane) -> None:
        self._service = service
        self._lane = lane
        self._sources = OftenSeen(forget=self._forget)
        self.lines = Tally[_Kind](self._say)
        metrics.begin_at_zero(metrics.dead_letters_by_source, [lane], ["none", "other"])

    def count(self, letters: Iterable[DeadLetterNote]) -> None:
        """Those of one batch."""
        for reason, source, tenant, origin in letters:
            metrics.dead_letters.labels(self._service, self._lane, reason).inc()
            shown = self._sources.label_of(source) if source else "none"
            metrics.dead_letters_by_source.labels(self._lane, shown).inc()
            self.lines.note(_Kind(reason, source, tenant), origin)

    def _forget(self, source: str) -> None:
        """Another source is shown in its place."""
        metrics.dead_letters_by_source.remove(self._lane, source)

    def _say(self, kind: _Kind | None, origin: Any, times: int, seconds: float) -> None:
        if kind is None:
            log.warning("dead letters of other sources", lane=self._lane.value, times=times, seconds=seconds)
            return
        log.warning(
            "dead letters",
            lane=self._lane.value,
            reason=kind.reason.value,
            source=kind.source,
            tenant=kind.tenant,
            times=times,
            seconds=seconds,
            last=origin,
        )
