"""What does not go well at a dispatcher's providers, as a few lines a minute: which calls were not taken and which deliveries ended otherwise
than sent, by provider and reason, each with how often in 30 s. What became of a single delivery is a line at DEBUG, and its timeline.
"""

from typing import Any, Final, NamedTuple

from tocsin.channel.answers import ANSWER_NAMES, Answer, reason_of
from tocsin.channel.delivery import Delivery
from tocsin.channel.hand_off_metrics import End
from tocsin.contracts.faults import Fault, fault_of
from tocsin.contracts.vocabulary import Reason, StatusName, TryAnswer
from tocsin.observability import Tally, get_logger

log = get_logger(__name__)

_ORDINARY: Final = (Fault.RECIPIENT, Fault.NONE)
"""Nobody on call has to look at an address that is wrong, or a message that was cancelled."""


class Refusal(NamedTuple):
    """How a provider answered a call that it did not take."""

    provider: str
    answer: TryAnswer
    reason: Reason | None


class TroubleLines:
    """Of all lanes of one dispatcher. What goes well costs nothing."""

    def __init__(self) -> None:
        self._refusals = Tally[Refusal](_say_refusals)
        self._ends = Tally[End](_say_ends)

    def not_taken(self, provider: str, answer: Answer) -> None:
        """A call was answered so, and not with `Accepted`."""
        self._refusals.note(Refusal(provider, ANSWER_NAMES[type(answer)], reason_of(answer)), answer.code)

    def ended(self, end: End, delivery: Delivery) -> None:
        """A delivery ended so, and not as `sent`."""
        job = delivery.job
        if end.status is not StatusName.CANCELLED:
            self._ends.note(end, job.delivery_id)
        log.debug(
            "delivery ended",
            status=end.status,
            provider=end.provider,
            reason=end.reason,
            delivery_id=job.delivery_id,
            notification_id=job.notification_id,
            tenant=job.tenant,
            trace_id=job.traceparent and job.traceparent[3:35],
        )

    def close(self) -> None:
        """Tell what was not told yet."""
        self._refusals.close()
        self._ends.close()


def _say_refusals(refusal: Refusal | None, code: Any, times: int, seconds: float) -> None:
    if refusal is None:
        log.warning("calls not taken, of other reasons", times=times, seconds=seconds)
        return
    say = log.info if fault_of(StatusName.FAILED, refusal.reason) in _ORDINARY else log.warning
    say(
        "calls not taken",
        provider=refusal.provider,
        answer=refusal.answer,
        reason=refusal.reason,
        code=code,
        times=times,
        seconds=seconds,
    )


def _say_ends(end: End | None, delivery_id: Any, times: int, seconds: float) -> None:
    if end is None:
        log.warning("deliveries not sent, of other reasons", times=times, seconds=seconds)
        return
    say = log.info if end.fault in _ORDINARY else log.warning
    say(
        "deliveries not sent",
        lane=end.lane,
        provider=end.provider,
        status=end.status,
        reason=end.reason,
        fault=end.fault,
        times=times,
        seconds=seconds,
        last=delivery_id,
    )
