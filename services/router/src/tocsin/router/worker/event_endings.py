"""What is said of an event as a whole, and of one that came before."""

from typing import Any

from tocsin.contracts.vocabulary import Rule, StatusName
from tocsin.kafka import Outgoing, Record
from tocsin.router.policy import Trail
from tocsin.router.worker.fan_out import Room, intent_for
from tocsin.router.worker.handled import Duplicate
from tocsin.router.worker.reading import Plan
from tocsin.router.worker.statuses import StatusWriter


def duplicates(record: Record, duplicate: Duplicate, writer: StatusWriter, room: Room) -> list[Outgoing]:
    """One `duplicate` for each notification it would have made; where there is no room for them all, one for the event."""
    plan = duplicate.plan
    trail = Trail().and_then(Rule.DUPLICATE, "duplicate", {"belongs_to": duplicate.owner})
    fields: dict[str, Any] = {"rule": Rule.DUPLICATE, "decision": trail.decision()}
    told = sum(len(target.recipients) for target in plan.targets)
    if told > 1 and not room.takes(told):
        return [of_event(StatusName.DUPLICATE, record, plan, writer, **fields)]
    out = [
        writer.of_notification(
            StatusName.DUPLICATE,
            intent_for(plan, target, recipient, origin=record.ref, cause=record.ref),
            category=target.published.workflow.category,
            **fields,
        )
        for target in plan.targets
        for recipient in target.recipients
    ]
    if told > 1:
        room.take(sum(len(one.value or b"") for one in out), records=told)
    return out


def of_event(
    status: StatusName,
    record: Record,
    plan: Plan,
    writer: StatusWriter,
    *,
    at_event: bool = False,
    **fields: Any,
) -> Outgoing:
    """A status of the plan's event as a whole; `at_event`: it happened when the broker stored the event."""
    event = plan.event
    return writer.of_event(
        status,
        tenant=event.tenant,
        event_id=event.id,
        origin=record.ref,
        event=event,
        at=plan.event_time if at_event else None,
        **fields,
    )
