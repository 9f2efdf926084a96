"""The last step of an intent: the jobs that follow from what was decided and rendered, and the record of the decision.

The size of a job is the last rule of a channel. Only here are the bytes known.
"""

from collections.abc import Generator, Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from tocsin.contracts.address_kinds import Destination
from tocsin.contracts.channels import CHANNELS, ChannelSpec
from tocsin.contracts.codec import encode
from tocsin.contracts.directory import CategoryRecord, TenantRecord
from tocsin.contracts.ids import delivery_id, recipient_key, run_timer_id
from tocsin.contracts.intents import DeliveryRef, Intent, Run
from tocsin.contracts.jobs import Job, JobPrivate, Tracking
from tocsin.contracts.provider_order import weighted_order
from tocsin.contracts.recipients import InlineRecipient
from tocsin.contracts.statuses import ChannelDecision, Target
from tocsin.contracts.timers import SetTimer, TimerPrivate
from tocsin.contracts.vocabulary import Outcome, Reason, Rule, StatusName
from tocsin.kafka import ProducerRecord
from tocsin.router.policy import DecisionInput, Verdict, Withhold, looked_at, status_for
from tocsin.router.worker.batch import BatchContext
from tocsin.router.worker.render import Rendered

_MARGIN: Final = 1024
"""Bytes by which every job stays below the limit of its topic."""
_ROUTED: Final = (StatusName.ROUTED, None, None)
_TOO_LARGE: Final = (StatusName.FAILED, Rule.SIZE, Reason.TOO_LARGE)


def write(
    question: DecisionInput,
    verdict: Verdict,
    channels: Sequence[Rendered | Withhold],
    context: BatchContext,
    *,
    cause: str,
) -> Iterator[ProducerRecord]:
    """The records that follow from the record `cause`: the jobs, then the decision, which tells of each of them.

    `channels` are the verdict's, rendered.
    """
    intent = question.intent
    decided: list[ChannelDecision] = []
    for channel in channels:
        if isinstance(channel, Withhold):
            decided.append(_withheld(intent, channel, context))
        else:
            decided.append((yield from _write_jobs(question, channel, context, cause=cause)))
    if verdict.outcome is not Outcome.DECIDED:
        context.count(verdict.outcome, verdict.rule)
        decided += _ended(intent, verdict)
    if verdict.due_at is not None:
        yield _timer(intent, verdict.due_at, context, cause=cause)
    yield context.decision_record(
        intent,
        verdict.outcome,
        cause=cause,
        rules=verdict.rules,
        category=question.category.key if question.category else None,
        rule=verdict.rule,
        reason=verdict.reason,
        again=question.again,
        due_at=verdict.due_at,
        channels=decided,
    )


def _timer(intent: Intent, due: datetime, context: BatchContext, *, cause: str) -> ProducerRecord:
    """What brings the intent back when it is due. A run that is decided again sets the same timer."""
    turn = intent.run.turn if intent.run is not None else 0
    traceparent = context.spans.below(context.topics.timers, intent.traceparent)
    later = replace(intent, run=Run(turn=turn + 1), cause=cause, traceparent=traceparent)
    timer = SetTimer(
        id=run_timer_id(notification=intent.notification_id, turn=turn),
        tenant=intent.tenant,
        recipient=intent.recipient,
        notification_id=intent.notification_id,
        due=due,
        topic=context.topics.intents[context.lane],
        private=TimerPrivate(record=msgspec.Raw(encode(later))),
        cause=cause,
        traceparent=traceparent,
    )
    return ProducerRecord(
        context.topics.timers, recipient_key(intent.tenant, intent.recipient), encode(timer)
    )


def _tracking(spec: ChannelSpec, category: CategoryRecord) -> Tracking:
    """Never of what nobody can switch off."""
    return category.tracking if spec.can_track and category.default != "required" else "off"


def _providers(tenant: TenantRecord, channel: str, delivery: str) -> list[str]:
    """The provider instances to try, in this order; none: the dispatcher's own choice."""
    weights = tenant.provider_weights.get(channel)
    return weighted_order(weights, delivery) if weights else tenant.providers.get(channel, [])


def _withheld(intent: Intent, withhold: Withhold, context: BatchContext) -> ChannelDecision:
    """A channel on which nothing goes out has one target, whatever the number of its addresses."""
    ref, rule, reason, rules, detail, template = withhold
    outcome = status_for(reason)
    context.count(outcome, rule)
    return ChannelDecision(
        step=ref.step,
        channel=ref.channel,
        rules=rules,
        locale=template.locale if template else None,
        template=template.name if template else None,
        template_version=template.revision if template else None,
        detail=detail,
        targets=[_target(intent, ref, outcome, rule, reason)],
    )


def _ended(intent: Intent, verdict: Verdict) -> Iterator[ChannelDecision]:
    """Where the notification as a whole ends while one delivery of it is decided again, that delivery ends."""
    if intent.delivery is not None:
        ref = intent.delivery
        target = _target(intent, ref, StatusName(verdict.outcome), verdict.rule, verdict.reason)
        yield ChannelDecision(step=ref.step, channel=ref.channel, rules=[], targets=[target])


def _target(
    intent: Intent, ref: DeliveryRef, outcome: StatusName, rule: Rule | None, reason: Reason | None
) -> Target:
    """The one target of a channel on which nothing goes out."""
    delivery = delivery_id(
        notification=intent.notification_id, channel=ref.channel, step=ref.step, address_key=ref.address_key
    )
    return Target(delivery, ref.address_key or None, None, outcome, rule, reason)


def _write_jobs(
    question: DecisionInput, rendered: Rendered, context: BatchContext, *, cause: str
) -> Generator[ProducerRecord, None, ChannelDecision]:
    """A job for each address, unless it is too large for its topic."""
    deliver, intent = rendered.deliver, question.intent
    channel = CHANNELS[deliver.ref.channel].channel
    topic, fits = context.topics.jobs[channel], context.topics.job_bytes[channel] - _MARGIN
    key = recipient_key(intent.tenant, intent.recipient)
    targets: list[Target] = []
    largest = 0
    with rendered.noted:  # all of them before the first is handed on: others use the note then
        jobs = [_job(question, rendered, each, context, cause=cause) for each in deliver.destinations]
        encoded = [encode(job) for job in jobs]
    for job, value in zip(jobs, encoded, strict=True):
        outgoing = ProducerRecord(topic, key, value)
        size = outgoing.size
        largest = max(largest, size)
        outcome, rule, reason = _TOO_LARGE if size > fits else _ROUTED
        context.count(outcome, rule)
        targets.append(Target(job.delivery_id, job.address_key, job.address_hash, outcome, rule, reason))
        if size <= fits:
            yield outgoing
        else:
            context.spans.not_sent(job.traceparent)
    detail = None
    if largest > fits:
        detail = f"A job would take {largest} bytes; {fits} fit."
        deliver.rules.append(looked_at(Rule.SIZE, Reason.TOO_LARGE, {"bytes": largest, "largest": fits}))
    else:
        deliver.rules.append(looked_at(Rule.SIZE, "fits", {"bytes": largest}))
    return ChannelDecision(
        step=deliver.ref.step,
        channel=channel,
        rules=deliver.rules,
        locale=deliver.template.locale,
        template=deliver.template.name,
        template_version=deliver.template.revision,
        detail=detail,
        targets=targets,
    )


def _job(
    question: DecisionInput,
    rendered: Rendered,
    destination: Destination,
    context: BatchContext,
    *,
    cause: str,
) -> Job:
    """The delivery to one address."""
    address_key, address, target, app = destination
    intent, tenant, deliver = question.intent, question.tenant, rendered.deliver
    spec, step = CHANNELS[deliver.ref.channel], deliver.ref.step
    channel = spec.channel
    # Of devices given inline a job carries only the one it is for: all of them in each job would be their number squared.
    given = intent.private.inline
    inline = None if given is None else spec.address.narrowed(given, address_key)
    delivery = delivery_id(
        notification=intent.notification_id, channel=channel, step=step, address_key=address_key
    )
    return Job(
        delivery_id=delivery,
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
        target=target,
        app=app,
        address_hash=context.hashes.of(spec.address.comparable(address)),
        private=JobPrivate(
            address=address,
            content=rendered.content,
            unsubscribe_url=rendered.unsubscribe_url if spec.has_unsubscribe_url else None,
        ),
        sender=tenant.senders.get(channel) if tenant else None,
        providers=_providers(tenant, channel, delivery) if tenant else [],
        locale=deliver.template.locale,
        template=deliver.template.name,
        template_version=deliver.template.revision,
        test=intent.test,
        retry=intent.retry,
        event_time=intent.event_time,
        expires_at=deliver.expires_at,
        required=deliver.category.default == "required",
        delivery_class=deliver.category.delivery_class,
        resend_elsewhere=deliver.category.resend_elsewhere,
        tracking=_tracking(spec, deliver.category),
        intent=_narrowed(intent, inline, carries_files=spec.carries_files),
        origin=intent.origin,
        cause=cause,
        traceparent=context.spans.below(context.topics.jobs[channel], intent.traceparent),
    )


def _narrowed(intent: Intent, inline: InlineRecipient | None, *, carries_files: bool) -> Intent:
    """The intent as a job carries it: with what the job's address needs, and with URLs of files only where they are sent."""
    private = intent.private
    files = private.attachments if carries_files else []
    if inline is private.inline and len(files) == len(private.attachments):
        return intent
    return replace(intent, private=replace(private, inline=inline, attachments=files))
