"""One recipient of one workflow that an event triggers, as an intent: decided at once, fanned out, or told as a duplicate."""

from tocsin.contracts.ids import notification_id
from tocsin.contracts.intents import Intent, IntentPrivate
from tocsin.router.worker.matching import WorkflowMatch
from tocsin.router.worker.parse import EventPlan
from tocsin.router.worker.recipients import RecipientRef, recipient_id


def intent_for(
    plan: EventPlan, match: WorkflowMatch, recipient: RecipientRef, *, origin: str, cause: str
) -> Intent:
    """The intent of one recipient."""
    event, workflow, who = plan.event, match.published.workflow.key, recipient_id(recipient)
    return Intent(
        tenant=event.tenant,
        notification_id=notification_id(
            tenant=event.tenant, source=event.source, event_id=event.id, recipient=who, workflow=workflow
        ),
        event_source=event.source,
        event_id=event.id,
        event_type=event.type,
        event_time=plan.event_time,
        workflow=workflow,
        recipient=who,
        private=IntentPrivate(
            inline=None if isinstance(recipient, str) else recipient,
            actor=match.actor,
            link=match.link,
            data=match.data,
            attachments=list(match.attachments),
        ),
        lane=match.lane,
        expires_at=match.expires_at,
        due_at=match.due_at,
        test=event.test,
        cancel_key=match.cancel_key,
        redrive=plan.redrive,
        origin=origin,
        cause=cause,
        traceparent=event.traceparent,
    )
