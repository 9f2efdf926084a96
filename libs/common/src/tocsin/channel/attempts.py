"""One attempt: a last look, immediately before the call, at what forbids it; the call; and what follows from its answer."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tocsin.channel.answers import Accepted, Ambiguous, Answer, NotSent, Rejected, reason_of
from tocsin.channel.call_deadline import CallDeadline
from tocsin.channel.copy_watch import CopyWatch
from tocsin.channel.deferral import Defer, DeferralPolicy, defer_or_end
from tocsin.channel.delivery import Delivery
from tocsin.channel.preparation import ATTACHMENTS
from tocsin.channel.provider import Provider
from tocsin.channel.provider_pool import ProviderPool
from tocsin.channel.recipient_versions import RecipientVersions
from tocsin.channel.retry_policy import (
    FailOver,
    Finish,
    NotTaken,
    Retry,
    Try,
    after_answer,
    end_without_call,
    uncertain,
    uncertain_provider,
)
from tocsin.contracts.jobs import Job
from tocsin.contracts.stops import RECHECK_AFTER_MS
from tocsin.contracts.vocabulary import Channel, Lane, Reason, StatusName
from tocsin.kafka import Cancellations, LeaseLost
from tocsin.observability import get_logger, metrics
from tocsin.runtime import NO_FAILPOINTS, Clock, Failpoints

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recheck:
    """Something was taken away from the recipient since the decision, or so much time has passed that nobody knows any more: the
    router has to recheck the delivery."""


@dataclass(frozen=True, slots=True)
class AwaitCopy:
    """Nobody can know now what was taken away from the recipient a moment ago: an optional message waits until somebody can."""


class Attempts:
    """The attempts of one lane.

    `send_timeout` in seconds bounds each whole provider call, however long the provider's own timeout is.
    """

    def __init__(
        self,
        *,
        channel: Channel,
        lane: Lane,
        pool: ProviderPool,
        versions: RecipientVersions,
        cancellations: Cancellations,
        copy: CopyWatch,
        send_timeout: float,
        deferral: DeferralPolicy,
        clock: Clock,
        failpoints: Failpoints = NO_FAILPOINTS,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._channel = channel
        self._deferral = deferral
        self._jitter = jitter
        self._lane = lane
        self._pool = pool
        self._versions = versions
        self._cancellations = cancellations
        self._held = metrics.cancellations.labels(channel.dispatcher, "held")
        self._uncertain = metrics.cancellations.labels(channel.dispatcher, "uncertain")
        self._copy = copy
        self._on_stale_copy = metrics.sent_on_stale_copy.labels(channel.dispatcher, lane)
        self._send_timeout = send_timeout
        self._too_late = Ambiguous(detail=f"No answer within {send_timeout:g} s.")
        self._clock = clock
        self._failpoints = failpoints

    async def attempt(
        self,
        delivery: Delivery,
        provider: Provider,
        deadline: CallDeadline,
        *,
        lease_ok: Callable[[], bool],
        announce: Callable[[Delivery], Awaitable[bool]],
    ) -> Finish | Retry | FailOver | Defer | Recheck | AwaitCopy:
        """Hand the job over once, unless something forbids it; the call is noted in the delivery's tries.

        What is sent at most once is announced before its first call, and everything is looked at again after that: storing the intent
        may take long, and nobody else calls for it any more. `announce` says whether a call may still begin; if not, the router decides
        about it again.

        After a call whose answer was ambiguous, what makes another call unnecessary ends as `unknown`, for the message may
        have been sent. Only if the provider rejects it at a later call does it end as `failed` all the same. LeaseLost when
        this process may not act any more.
        """
        job = delivery.job
        if job.delivery_class == "at_most_once" and not delivery.announced:
            if (without_call := self._last_look(delivery, lease_ok)) is not None:
                return without_call
            may_begin = await announce(delivery)
            await self._failpoints.reach("after_intent")
            if not may_begin:
                return Recheck()
        await self._failpoints.reach("before_call")
        if (without_call := self._last_look(delivery, lease_ok)) is not None:
            return without_call
        if job.required and not job.settled and not self._copy.fresh:
            self._on_stale_copy.inc()
        if delivery.tries and uncertain_provider(delivery.tries) == provider.name:
            self._pool.note_resend(provider.name, self._lane)
        began = self._clock.monotonic()  # nothing was awaited since the last look
        if delivery.trace is None:
            answer = await self._bounded(job, provider, deadline)
        else:
            waited = began - delivery.enqueued_at
            with delivery.trace.attempt(delivery.attempt, provider.name, waited=waited) as attempt:
                answer = await self._bounded(job, provider, deadline)
                if attempt.opened is not None and (reason := reason_of(answer)) is not None:
                    attempt.opened.fail(reason.value)
        seconds = self._clock.monotonic() - began
        delivery.tries.append(Try(provider.name, answer, seconds, delivery.attempt))
        self._pool.report(provider.name, self._lane, answer, seconds=seconds)
        await self._failpoints.reach("after_call")
        somebody_left = not isinstance(answer, Accepted | Rejected) and (
            self._pool.choose(job, delivery.tries, attempt=delivery.attempt) is not None
        )
        return self._after(delivery, somebody_left=somebody_left)

    def nobody_left(self, delivery: Delivery) -> Finish | Retry | FailOver | Defer:
        """What follows from an attempt that was to go on at a provider which does not work, or is not there, any more."""
        return self._after(delivery, somebody_left=False)

    def unprepared(self, delivery: Delivery) -> Finish | Retry | FailOver | Defer | Recheck:
        """What follows for a delivery that has not got what it needs. No provider is asked; a file that could not be had counts as an
        attempt."""
        if (without_call := self.guard(delivery)) is not None:
            return without_call
        unfit, delivery.unfit = delivery.unfit, None
        match unfit:
            case NotSent(reason=reason, code=code, detail=detail, retry_after=wish):
                self._note_unprepared(delivery, unfit)
                return self._defer_or_end(
                    delivery, NotTaken(reason=reason, code=code, detail=detail, retry_after=wish)
                )
            case Rejected():
                self._note_unprepared(delivery, unfit)
                return self._after(delivery, somebody_left=False)
            case Defer():
                return unfit
            case None:
                raise RuntimeError("the delivery was prepared")

    def _note_unprepared(self, delivery: Delivery, answer: NotSent | Rejected) -> None:
        delivery.tries.append(Try(ATTACHMENTS, answer, delivery.preparing_took, delivery.attempt))
        self._pool.lines.not_taken(ATTACHMENTS, answer)

    def _after(self, delivery: Delivery, *, somebody_left: bool) -> Finish | Retry | FailOver | Defer:
        job, tries, attempt = delivery.job, delivery.tries, delivery.attempt
        now = self._clock.monotonic()
        next_step = after_answer(
            tries, now=now, delivery_class=job.delivery_class, somebody_left=somebody_left
        )
        match next_step:
            case Retry(due=due):
                metrics.send_retries.labels(self._channel, self._lane, tries[-1].provider).inc()
                log.debug("will try again", attempt=attempt, seconds=round(due - now, 3))
            case NotTaken():
                return self._defer_or_end(delivery, next_step)
            case FailOver():
                may_have_it = "yes" if isinstance(tries[-1].answer, Ambiguous) else "no"
                metrics.failovers.labels(self._channel, self._lane, tries[-1].provider, may_have_it).inc()
        return next_step

    def _defer_or_end(self, delivery: Delivery, not_taken: NotTaken) -> Defer | Finish:
        now = self._clock.now()
        return defer_or_end(
            self._deferral,
            not_taken,
            delivery.tries,
            first_at=delivery.first_at(self._clock),
            expires_at=delivery.job.expires_at,
            now=now,
            jitter=self._jitter(),
        )

    def _last_look(
        self, delivery: Delivery, lease_ok: Callable[[], bool]
    ) -> Finish | Recheck | AwaitCopy | None:
        """What forbids the call now; None: it may be made."""
        if not lease_ok():
            raise LeaseLost("The lease ran out before a provider call.")
        if (without_call := self.guard(delivery)) is not None:
            return without_call
        return None if self._copy.fresh or delivery.job.may_be_late_to_stop else AwaitCopy()

    def guard(self, delivery: Delivery) -> Finish | Recheck | None:
        """What becomes of the job without a call; None: the call may be made."""
        without_call: Finish | Recheck
        job = delivery.job
        if job.expires_at <= self._clock.now():
            without_call = Finish(status=StatusName.EXPIRED)
        elif (cancelled_at := self._cancellations.of(job.intent)) is not None:
            (self._uncertain if uncertain(delivery.tries) else self._held).inc()
            detail = f"Its producer cancelled it at {cancelled_at:%Y-%m-%dT%H:%M:%SZ}."
            without_call = Finish(status=StatusName.CANCELLED, detail=detail)
        elif not job.settled and (
            self._versions.is_stale(delivery.key, version=job.recipient_version)
            # `stops` forgets a version a day after this.
            or self._clock.time_ms() - delivery.record.timestamp_ms > RECHECK_AFTER_MS
        ):
            without_call = Recheck()
        else:
            return None
        return end_without_call(delivery.tries, without_call)

    async def _bounded(self, job: Job, provider: Provider, deadline: CallDeadline) -> Answer:
        deadline.begin(self._send_timeout)
        try:
            return await provider.send(job)
        except asyncio.CancelledError:
            if not deadline.end():
                raise
            return self._too_late
        except TimeoutError:
            return self._too_late
        except Exception as error:  # noqa: BLE001 - a provider that raises breaks its promise; the message may have gone
            fault = type(error).__name__  # the text may hold an address
            log.warning("provider raised", provider=provider.name, error=fault)
            return Ambiguous(
                reason=Reason.PROVIDER_ERROR, detail="The adapter failed while it handed the message over."
            )
        finally:
            deadline.end()
