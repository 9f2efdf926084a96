"""From a job and its end to the records that tell of it."""

from datetime import datetime

import msgspec

from tocsin.channel.retry_policy import Finish
from tocsin.contracts.ids import status_id
from tocsin.contracts.intents import DeliveryRef, Intent
from tocsin.contracts.jobs import Job
from tocsin.contracts.statuses import Status


def outcome_of(
    job: Job, end: Finish, *, cause: str, at: datetime, provider: str | None, attempt: int
) -> Status:
    """The status with which `job`, read from the record `cause`, ended."""
    return Status(
        status_id=status_id(subject=job.delivery_id, status=end.status, cause=cause),
        status=end.status,
        final=end.status.final,
        at=at,
        tenant=job.tenant,
        event_source=job.intent.event_source,
        event_id=job.intent.event_id,
        notification_id=job.notification_id,
        delivery_id=job.delivery_id,
        recipient=job.recipient,
        workflow=job.workflow,
        category=job.category,
        channel=job.channel,
        step=job.step,
        address_key=job.address_key,
        lane=job.lane,
        provider=provider,
        provider_message_id=end.message_id,
        provider_code=end.code,
        attempt=attempt,
        reason=end.reason,
        detail=end.detail,
        retryable=end.retryable,
        segments=end.segments,
        test=job.test,
        locale=job.locale,
        template_version=job.template_version,
        origin=job.origin,
        cause=cause,
        traceparent=job.traceparent,
    )


def reevaluation_of(job: Job, *, cause: str) -> Intent:
    """The intent that has this one delivery decided again, under the recipient's version of today."""
    reference = DeliveryRef(channel=job.channel, step=job.step, address_key=job.address_key)
    return msgspec.structs.replace(job.intent, delivery=reference, cause=cause, traceparent=job.traceparent)
