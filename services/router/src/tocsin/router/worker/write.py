"""The last step of an intent: the jobs and statuses that follow from what was decided and rendered.

The size of a job is the last rule of a decision. Only here are the bytes known.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec.structs import replace

from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.codec import encode
from tocsin.contracts.ids import delivery_id, recipient_key
from tocsin.contracts.intents import DeliveryRef, Intent
from tocsin.contracts.jobs import Job, JobPrivate
from tocsin.contracts.vocabulary import Reason, Rule, StatusName
from tocsin.kafka import ProducerRecord
from tocsin.router.policy import DecisionInput, Skip, Stop
from tocsin.router.worker.batch import BatchContext
from tocsin.router.worker.render import Rendered

_MARGIN: Final = 1024
"""Bytes by which every job stays below the limit of its topic."""


def write(
    question: DecisionInput, results: Sequence[Rendered | Skip | Stop], context: BatchContext, *, cause: str
) -> Iterator[ProducerRecord]:
    """The records that follow from the record `cause`, in their order: `accepted`, unless the intent is a recheck; then
    for each delivery its job and what became of it."""
    intent = question.intent
    category = question.category.key if question.category else None
    if intent.delivery is None:
        yield context.status_record(
            StatusName.ACCEPTED, intent, cause=cause, at=intent.event_time, category=category
        )
    for result in results:
        match result:
            case Stop(status, rule, reason, log):
                _count(context, status, rule)
                yield context.status_record(
                    status, intent, cause=cause, category=category, rule=rule, reason=reason, decision=log.decision(),
                    **(_delivery_fields(intent, intent.delivery) if intent.delivery else {}),
                )  # fmt: skip
            case Skip(ref, rule, reason, log, detail, template):
                _count(context, StatusName.SKIPPED, rule)
                yield context.status_record(
                    StatusName.SKIPPED, intent, cause=cause, category=category, rule=rule, reason=reason, detail=detail,
                    locale=template.locale if template else None, template=template.name if template else None,
                    template_version=template.revision if template else None,
                    decision=log.decision(), **_delivery_fields(intent, ref),
                )  # fmt: skip
            case Rendered():
                for address_key, address in result.deliver.addresses:
                    job = _job(question, result, address_key, address, context, cause=cause)
                    yield from _write_job(job, result, context, cause=cause)


def _write_job(
    job: Job, rendered: Rendered, context: BatchContext, *, cause: str
) -> Iterator[ProducerRecord]:
    """The job and `routed`; only `failed` if the job is too large for its topic."""
    outgoing = ProducerRecord(
        context.topics.jobs[job.channel], recipient_key(job.tenant, job.recipient), encode(job)
    )
    size, largest = outgoing.size, context.topics.job_bytes[job.channel] - _MARGIN
    if size > largest:
        _count(context, StatusName.FAILED, Rule.SIZE)
        log = rendered.log.and_then(Rule.SIZE, Reason.TOO_LARGE, {"bytes": size, "largest": largest})
        yield context.status_record(
            StatusName.FAILED, job, cause=cause, rule=Rule.SIZE, reason=Reason.TOO_LARGE,
            detail=f"The job would take {size} bytes; {largest} fit.", retryable=False, decision=log.decision(),
        )  # fmt: skip
        return
    _count(context, StatusName.ROUTED, None)
    log = rendered.log.and_then(Rule.SIZE, "fits", {"bytes": size})
    yield outgoing
    yield context.status_record(StatusName.ROUTED, job, cause=cause, decision=log.decision())


def _job(
    question: DecisionInput,
    rendered: Rendered,
    address_key: str,
    address: str,
    context: BatchContext,
    *,
    cause: str,
) -> Job:
    """The delivery to one address."""
    intent, tenant, deliver = question.intent, question.tenant, rendered.deliver
    channel, step = deliver.ref.channel, deliver.ref.step
    spec = CHANNELS[channel]
    # Of devices given inline a job carries only the one it is for: all of them in each job would be their number squared.
    private = intent.private
    inline = spec.address.narrowed(private.inline, address_key)
    return Job(
        delivery_id=delivery_id(
            notification=intent.notification_id, channel=channel, step=step, address_key=address_key
        ),
        notification_id=intent.notification_id,
        tenant=intent.tenant,
        recipient=intent.recipient,
        recipient_version=question.stored.version,
        workflow=intent.workflow,
        category=deliver.category.key,
        channel=channel,
        lane=context.lane,
        step=step,
        address_key=address_key,
        private=JobPrivate(
            address=address,
            content=rendered.content,
            unsubscribe_url=rendered.unsubscribe_url if spec.has_unsubscribe_url else None,
        ),
        sender=tenant.senders.get(channel) if tenant else None,
        providers=tenant.providers.get(channel, []) if tenant else [],
        locale=deliver.template.locale,
        template=deliver.template.name,
        template_version=deliver.template.revision,
        test=intent.test,
        event_time=intent.event_time,
        expires_at=deliver.expires_at,
        intent=intent
        if inline is private.inline
        else replace(intent, private=replace(private, inline=inline)),
        origin=intent.origin,
        cause=cause,
        traceparent=intent.traceparent,
    )


def _delivery_fields(intent: Intent, ref: DeliveryRef) -> dict[str, Any]:
    """The fields of a status that name one delivery."""
    return {
        "delivery_id": delivery_id(
            notification=intent.notification_id,
            channel=ref.channel,
            step=ref.step,
            address_key=ref.address_key,
        ),
        "channel": ref.channel,
        "step": ref.step,
        "address_key": ref.address_key or None,
    }


def _count(context: BatchContext, status: StatusName, rule: Rule | None) -> None:
    context.counts.decisions[status, rule or ""] += 1
