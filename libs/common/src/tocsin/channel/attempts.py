"""Handing one job to its provider: the attempts, their limits, and what they tell."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import Counter, Histogram

from tocsin.channel.answers import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.channel.gate import Gate
from tocsin.channel.provider import Provider
from tocsin.channel.retry_policy import Finish, Retry, decide
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.observability import get_logger, metrics, record_span, recording, span
from tocsin.runtime import Clock

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reevaluate:
    """Something was taken away from the recipient since the decision: the router has to decide again."""


@dataclass(frozen=True, slots=True)
class Attempted:
    """How the attempts ended, and how many calls there were."""

    end: Finish | Reevaluate
    calls: int
    provider: str | None = None
    """Who was called last."""


BeforeCall = Callable[[], Finish | Reevaluate | None]
"""Looked at immediately before each call: an end makes the call unnecessary; raises `LeaseLost` when none may be made."""

Route = Callable[[Job], tuple[Provider, Gate] | None]
"""The provider a job goes to, and the gate before it; None when the dispatcher has none of the names the job gives."""

NO_PROVIDER = Finish(status=StatusName.FAILED, reason=Reason.PROVIDER_UNKNOWN, retryable=False)
NOBODY_KNOWS = Finish(status=StatusName.UNKNOWN, reason=Reason.NO_ANSWER)


class Attempts:
    """Makes the attempts for jobs of one lane. `call_timeout` in seconds bounds each whole provider call."""

    def __init__(self, *, channel: str, lane: str, route: Route, call_timeout: float, clock: Clock) -> None:
        self._route = route
        self._channel = channel
        self._lane = lane
        self._call_timeout = call_timeout
        self._clock = clock
        self._sends: dict[tuple[str, type[Answer]], Counter] = {}
        self._seconds: dict[str, Histogram] = {}

    async def make(self, job: Job, *, before_call: BeforeCall, stopping: asyncio.Event) -> Attempted | None:
        """Try until there is an end. None when told to stop between two attempts: the next owner begins anew.

        After a call whose answer was ambiguous nothing ends as if it had not been sent: what makes another call unnecessary
        then ends as `unknown`.
        """
        calls, uncertain, called = 0, False, None
        while True:
            asked = self._clock.monotonic()
            turn = await self._turn(job, wanted=called if uncertain else None)
            if turn is None:
                return Attempted(NOBODY_KNOWS if uncertain else NO_PROVIDER, calls, called)
            provider, gate = turn
            try:
                if recording(job.traceparent):
                    waited = self._clock.monotonic() - asked
                    record_span("wait_for_provider", job.traceparent, seconds=waited, provider=provider.name)
                if instead := before_call():
                    return Attempted(NOBODY_KNOWS if uncertain else instead, calls, called)
                calls, called = calls + 1, provider.name
                answer = await self._call(job, provider)
            finally:
                gate.leave()
            match decide(answer, attempt=calls, uncertain=uncertain):
                case Finish() as end:
                    return Attempted(end, calls, called)
                case Retry(delay=delay):
                    uncertain = uncertain or isinstance(answer, Ambiguous)
                    metrics.send_retries.labels(self._channel, self._lane, provider.name).inc()
                    log.info("will try again", attempt=calls, seconds=delay)
                    if await _set_within(stopping, delay):
                        return None

    async def _turn(self, job: Job, *, wanted: str | None) -> tuple[Provider, Gate] | None:
        """The provider, once there is a place at it, which the caller gives back; None when there is no provider
        (or not the `wanted` one). Routed anew after the wait: instances are replaced when their configuration changes."""
        while routed := self._route(job):
            provider, gate = routed
            if wanted not in (None, provider.name):
                return None
            await gate.enter(job.lane)
            now = self._route(job)
            if now is not None and now[1] is gate:
                return now
            gate.leave()
        return None

    async def _call(self, job: Job, provider: Provider) -> Answer:
        began = self._clock.monotonic()
        if recording(job.traceparent):
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
        except Exception as error:  # noqa: BLE001 - a provider that raises breaks its promise; the message may have gone
            fault = type(error).__name__  # the text may hold an address
            log.warning("provider raised", provider=provider.name, error=fault)
            return Ambiguous(
                reason=Reason.PROVIDER_ERROR, detail="The adapter failed while it handed the message over."
            )

    def _count(self, answer: Answer, provider: str, seconds: float) -> None:
        kind = type(answer)
        sends, took = self._sends.get((provider, kind)), self._seconds.get(provider)
        if sends is None or took is None:
            sends = metrics.sends.labels(self._channel, self._lane, provider, _NAMES[kind])
            took = metrics.send_seconds.labels(self._channel, self._lane, provider)
            self._sends[provider, kind], self._seconds[provider] = sends, took
        sends.inc()
        took.observe(seconds)


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
