"""Handing one job to its provider: the attempts, their limits, and what they tell."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tocsin.channel.answers import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.channel.gate import Gate
from tocsin.channel.provider import Provider
from tocsin.channel.verdict import Again, End, judge
from tocsin.contracts.jobs import Job
from tocsin.observability import get_logger, metrics
from tocsin.observability.tracing import is_sampled, span
from tocsin.runtime import Clock

log = get_logger(__name__)


class LeaseLost(Exception):
    """The last good heartbeat is too old to be sure that nobody else owns the slot: everything held is dropped, the process
    ends, and whoever owns the slot now goes on from the committed offset. Look for a frozen process or a broker away."""


@dataclass(frozen=True, slots=True)
class Recheck:
    """Something was taken away from the recipient since the decision: the router has to decide again."""


@dataclass(frozen=True, slots=True)
class Attempted:
    """How the attempts ended, and how many calls there were."""

    end: End | Recheck
    calls: int


BeforeCall = Callable[[], End | Recheck | None]
"""Looked at immediately before each call: an end makes the call unnecessary; raises `LeaseLost` when none may be made."""


class Attempts:
    """Makes the attempts for jobs of one lane. `call_timeout` in seconds bounds each whole provider call."""

    def __init__(self, *, channel: str, lane: str, call_timeout: float, clock: Clock) -> None:
        self._channel = channel
        self._lane = lane
        self._call_timeout = call_timeout
        self._clock = clock

    async def make(
        self, job: Job, provider: Provider, gate: Gate, *, before_call: BeforeCall, stopping: asyncio.Event
    ) -> Attempted | None:
        """Try until there is an end. None when told to stop between two attempts: the next owner begins anew."""
        calls = 0
        uncertain = False
        while True:
            await gate.enter(job.lane)
            try:
                if instead := before_call():
                    return Attempted(instead, calls)
                calls += 1
                answer = await self._call(job, provider)
            finally:
                gate.leave()
            match judge(answer, attempt=calls, uncertain=uncertain):
                case End() as end:
                    return Attempted(end, calls)
                case Again(delay=delay):
                    uncertain = uncertain or isinstance(answer, Ambiguous)
                    metrics.send_retries.labels(self._channel, self._lane, provider.name).inc()
                    log.info("will try again", delivery_id=job.delivery_id, attempt=calls, seconds=delay)
                    if await _set_within(stopping, delay):
                        return None

    async def _call(self, job: Job, provider: Provider) -> Answer:
        began = self._clock.monotonic()
        if is_sampled(job.traceparent):
            with span("send", job.traceparent, delivery_id=job.delivery_id, provider=provider.name):
                answer = await self._bounded(job, provider)
        else:
            answer = await self._bounded(job, provider)
        self._count(answer, provider.name, self._clock.monotonic() - began)
        return answer

    async def _bounded(self, job: Job, provider: Provider) -> Answer:
        try:
            async with asyncio.timeout(self._call_timeout):
                return await provider.send(job)
        except TimeoutError:
            return Ambiguous(detail=f"No answer within {self._call_timeout:g} s.")

    def _count(self, answer: Answer, provider: str, seconds: float) -> None:
        outcome = _NAMES[type(answer)]
        metrics.sends.labels(self._channel, self._lane, provider, outcome).inc()
        metrics.send_seconds.labels(self._channel, self._lane, provider).observe(seconds)


_NAMES = {
    Accepted: "accepted",
    Rejected: "rejected",
    NotSent: "not_sent",
    Throttled: "throttled",
    Ambiguous: "ambiguous",
}


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
