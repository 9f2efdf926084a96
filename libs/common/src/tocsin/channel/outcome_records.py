"""The records that tell what became of a job."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from tocsin.channel.answers import ANSWER_NAMES
from tocsin.channel.deferral import Defer
from tocsin.channel.delivery import Delivery
from tocsin.channel.lane_context import LaneContext
from tocsin.channel.retry_policy import Finish, Try
from tocsin.contracts.codec import encode
from tocsin.contracts.dead_letters import DeadLetter, truncate_to_fit
from tocsin.contracts.ids import retry_timer_id
from tocsin.contracts.intents import DeliveryRef, Intent
from tocsin.contracts.jobs import Job
from tocsin.contracts.statuses import ProviderTry, status_of
from tocsin.contracts.timers import SetTimer, TimerPrivate
from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.kafka import ConsumerRecord, ProducerRecord

_RECHECK = Finish(status=StatusName.DEFERRED, reason=Reason.RECHECK, retryable=True)
_SENDING = Finish(status=StatusName.SENDING)
_MOST_TRIES: Final = 8
DECIDED_AGAIN_AFTER: Final = 60.0
"""Seconds. What waits no longer than this comes back as the job that it was."""


def outcome_of(context: LaneContext, delivery: Delivery, finish: Finish) -> ProducerRecord:
    """The status with which the delivery ends."""
    return _status(context, delivery, finish, delivery.calls)


def intent_to_send_of(context: LaneContext, delivery: Delivery) -> ProducerRecord:
    """That the provider is about to be asked, for the first time: no ending."""
    return _status(context, delivery, _SENDING)


def recheck_of(context: LaneContext, delivery: Delivery) -> list[ProducerRecord]:
    """The intent to recheck this one delivery, under the recipient's version of today, and its deferral."""
    intent = _intent_of(context, delivery, _below(delivery, context.intents))
    return [
        ProducerRecord(context.intents, delivery.key, encode(intent)),
        _status(context, delivery, _RECHECK, delivery.calls),
    ]


def deferral_of(context: LaneContext, delivery: Delivery, defer: Defer) -> list[ProducerRecord]:
    """The timer of the next attempt, and the deferral.

    What waits for long is decided again when it is due. But where a provider may have sent the message already, only a dispatcher can
    tell how it ends, and of what is settled there is nothing to decide: the job itself waits.
    """
    job = delivery.job
    memory = delivery.memory(context.clock)
    waits = (defer.due - context.clock.now()).total_seconds()
    traceparent = _below(delivery, context.timers)
    again: Job | Intent
    uncertain = memory is not None and memory.uncertain is not None
    if waits < DECIDED_AGAIN_AFTER or uncertain or job.settled:
        topic, again = (
            context.jobs,
            msgspec.structs.replace(job, retry=memory, cause=delivery.record.ref, traceparent=traceparent),
        )
    else:
        topic, again = context.intents, _intent_of(context, delivery, traceparent)
    timer = SetTimer(
        id=retry_timer_id(delivery=job.delivery_id, cause=delivery.record.ref),
        tenant=job.tenant,
        recipient=job.recipient,
        notification_id=job.notification_id,
        due=defer.due,
        topic=topic,
        private=TimerPrivate(record=msgspec.Raw(encode(again))),
        cause=delivery.record.ref,
        traceparent=traceparent,
    )
    finish = Finish(
        status=StatusName.DEFERRED,
        reason=defer.reason,
        code=defer.code,
        detail=defer.detail,
        retryable=True,
    )
    return [
        ProducerRecord(context.timers, delivery.key, encode(timer)),
        _status(context, delivery, finish, delivery.calls, due_at=defer.due),
    ]


def _intent_of(context: LaneContext, delivery: Delivery, traceparent: str | None) -> Intent:
    """What has the router decide about this one delivery again."""
    job = delivery.job
    return msgspec.structs.replace(
        job.intent,
        delivery=DeliveryRef(channel=job.channel, step=job.step, address_key=job.address_key),
        retry=delivery.memory(context.clock),
        cause=delivery.record.ref,
        traceparent=traceparent,
    )


def _below(delivery: Delivery, topic: str) -> str | None:
    """The traceparent of a record to this topic: that of a span of its own, where the delivery has spans."""
    return delivery.job.traceparent if delivery.trace is None else delivery.trace.send(topic)


def dead_letter_of(context: LaneContext, record: ConsumerRecord, detail: str) -> ProducerRecord:
    """The letter about a record that is no job."""
    letter = DeadLetter(
        service=context.service,
        reason=Reason.RECORD_UNREADABLE,
        detail=detail,
        origin=record.ref,
        at=context.clock.now(),
    )
    largest = context.dead_bytes
    return ProducerRecord(
        context.dead,
        *truncate_to_fit(letter, key=record.key, value=record.value, headers=record.headers, largest=largest),
    )


def _status(
    context: LaneContext,
    delivery: Delivery,
    finish: Finish,
    tries: Sequence[Try] = (),
    due_at: datetime | None = None,
) -> ProducerRecord:
    """On the job's own partition number, so that it is found when the outcome log is read back."""
    job, record = delivery.job, delivery.record
    status = status_of(
        finish.status,
        job,
        lane=job.lane,
        cause=record.ref,
        at=context.clock.now(),
        provider=tries[-1].provider if tries else None,
        provider_message_id=finish.message_id,
        provider_code=finish.code,
        attempt=tries[-1].attempt if tries else delivery.attempt - 1,
        tries=[_told(attempt) for attempt in tries[-_MOST_TRIES:]],
        reason=finish.reason,
        detail=finish.detail,
        retryable=finish.retryable,
        segments=finish.segments,
        gone_since=finish.gone_since,
        due_at=due_at,
    )
    if delivery.trace is not None:
        status.traceparent = delivery.trace.send(context.status)
    return ProducerRecord(context.status, record.key, encode(status), partition=record.partition)


def _told(attempt: Try) -> ProviderTry:
    answer = attempt.answer
    return ProviderTry(
        provider=attempt.provider,
        code=answer.code,
        answer=ANSWER_NAMES[type(answer)],
        ms=round(attempt.seconds * 1000),
    )
