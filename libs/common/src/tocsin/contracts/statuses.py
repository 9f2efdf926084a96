"""Everything that happened, as public records: what the ledger projects and anyone may read.

A `Decision` is what the router decided about one notification; a `Status` is what happened to an event, or to a delivery
after it was decided. Words in them are open: a reader keeps those it does not know.
"""

from datetime import datetime
from typing import Any

import msgspec

from tocsin.contracts.ids import status_id
from tocsin.contracts.intents import Intent
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import (
    AgainWord,
    ChannelWord,
    Lane,
    Outcome,
    OutcomeWord,
    ReasonWord,
    RuleWord,
    StatusName,
    StatusWord,
    TargetWord,
    TryAnswerWord,
)


class RuleOutcome(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """One rule a decision looked at: what it saw and what followed. Never an address, never a body."""

    rule: RuleWord
    outcome: str
    input: Any = None


class Target(msgspec.Struct, array_like=True, frozen=True):
    """One delivery of a decision. On the wire an array, so that a push to many devices stays small."""

    delivery_id: str
    address_key: str | None
    """`email`, `phone` or the device's id; null where a whole channel has no address, or none was looked for."""
    address_hash: str | None
    outcome: TargetWord
    """`routed`, `skipped` or `failed`; in the recheck of one delivery also `expired` and `cancelled`."""
    rule: RuleWord | None
    """The rule that decided; null for what was routed."""
    reason: ReasonWord | None


class ChannelDecision(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One channel of one step: the rules looked at for it, and what became of each of its targets."""

    step: str
    channel: ChannelWord
    rules: list[RuleOutcome]
    locale: str | None = None
    template: str | None = None
    """The name of the template that it was or would have been written with."""
    template_version: int | None = None
    detail: str | None = None
    """One sentence for a person; no address, no body."""
    targets: list[Target]


class Decision(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="decision"):
    """What the router decided about one notification in one pass. Keyed `tenant/recipient`.

    The rules take at most 4 KiB, those of the channels among them; `truncated` says that some were cut to fit. Targets are
    never cut; they take at most 64 KiB.
    """

    version: int = 1
    status_id: str
    outcome: OutcomeWord
    rule: RuleWord | None = None
    """The rule that ended the notification as a whole."""
    reason: ReasonWord | None = None
    again: AgainWord | None = None
    """Absent in the first decision about a notification: with it the notification was accepted, unless it is a duplicate."""
    turn: int | None = None
    """How often it had waited before; absent where it had not."""
    due_at: datetime | None = None
    """Of what is `scheduled`: when it is decided again."""
    redrive: str | None = None
    """The id of the re-drive that had it decided."""
    at: datetime
    """When it was decided, UTC."""
    event_time: datetime
    """When the broker stored the event (log append), UTC."""
    tenant: str
    event_source: str
    event_id: str
    notification_id: str
    recipient: str
    workflow: str
    category: str | None = None
    actor: str | None = None
    """The id of who caused it."""
    link: str | None = None
    """Where a reader goes from the message. It is shown in timelines: producers write no secret into it."""
    lane: Lane
    test: bool = False
    cancel_key: str | None = None
    """Under which its producer may cancel it."""
    rules: list[RuleOutcome]
    """The rules looked at for the notification as a whole, in order."""
    truncated: bool = False
    channels: list[ChannelDecision] = []
    origin: str
    """The record of the event: `topic/partition/offset`."""
    cause: str
    """The record that this one follows from: `topic/partition/offset`."""
    traceparent: str | None = None


class ProviderTry(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """One call to a provider instance."""

    provider: str
    code: str | None = None
    """The provider's own, as in `provider_code`."""
    answer: TryAnswerWord
    ms: int
    """How long the call took."""


class Receipt(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """What a provider told of a message after it had taken it, without a word of the provider's own: those hold addresses."""

    id: str
    """The provider's id of its event, else a hash of the event: the same when it is told again."""
    at: datetime | None = None
    """When it happened by the provider's clock, UTC; absent where the provider does not say."""
    automated: bool = False
    """A machine has opened or clicked, such as a scanner or an image proxy: no person."""
    action: str | None = None
    """Of `clicked`: the name of the button that was pressed; absent where a link of the text was followed, or nobody says."""


class Status(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="status"):
    """One thing that happened to an event or a delivery. Keyed `tenant/recipient`, or `tenant/event`."""

    version: int = 1
    status_id: str
    status: StatusWord
    final: bool
    at: datetime
    """When it happened, UTC. For `event_accepted` and `cancel_requested`: when the broker stored the event."""
    tenant: str
    event_source: str | None = None
    event_id: str | None = None
    notification_id: str | None = None
    delivery_id: str | None = None
    recipient: str | None = None
    workflow: str | None = None
    category: str | None = None
    channel: ChannelWord | None = None
    step: str | None = None
    address_key: str | None = None
    address_hash: str | None = None
    """Which address it went to, without the address: `<key id>.<16 characters of base64url>`, the same for the same address."""
    lane: Lane
    provider: str | None = None
    provider_message_id: str | None = None
    provider_code: str | None = None
    attempt: int | None = None
    tries: list[ProviderTry] = []
    """The calls made for one record of `jobs`, in order; of more than 8, the last 8."""
    rule: RuleWord | None = None
    reason: ReasonWord | None = None
    detail: str | None = None
    """One sentence for a person; no address, no body."""
    retryable: bool | None = None
    due_at: datetime | None = None
    """Of what is `deferred` until the next attempt: when that is due."""
    segments: int | None = None
    """SMS only: how many GSM-7 or UCS-2 segments the body takes."""
    gone_since: datetime | None = None
    """Of `device_gone`: since when the provider knows that, where it says so. A device that was registered later stays."""
    receipt: Receipt | None = None
    """Where a provider told it; `cause` is the receipt's id then."""
    test: bool = False
    cancel_key: str | None = None
    """Of `cancel_requested`: the key whose events it reaches, where it names no notification."""
    locale: str | None = None
    template: str | None = None
    """The name of the template that it was or would have been written with."""
    template_version: int | None = None
    origin: str
    """The record of the event: `topic/partition/offset`. Empty in a receipt of a message with very long ids."""
    cause: str
    """The record that this one follows from: `topic/partition/offset`; or the id of the receipt."""
    traceparent: str | None = None

    @property
    def subject(self) -> str:
        """The id this status is about: the delivery, else the notification, else the event."""
        return self.delivery_id or self.notification_id or self.event_id or ""


StatusRecord = Decision | Status
"""Every record of `status.<lane>`."""


class EventRef(msgspec.Struct, kw_only=True, frozen=True):
    """Names an event as a whole, as far as it is known: a record that is no valid event may name one in its headers."""

    tenant: str
    event_id: str
    event_source: str | None = None
    test: bool = False
    origin: str
    traceparent: str | None = None


def decision_of(
    intent: Intent,
    outcome: Outcome,
    *,
    lane: Lane,
    cause: str,
    at: datetime,
    rules: list[RuleOutcome],
    **fields: Any,
) -> Decision:
    """The decision about an intent. The only place that builds one.

    The id is computed, and what the intent knows is filled in. `cause` is the record that was decided, `lane` that of the topic
    it is written to; `fields` are further fields of `Decision`.
    """
    actor = intent.private.actor
    return Decision(
        status_id=status_id(subject=intent.notification_id, status="decision", cause=cause),
        outcome=outcome,
        at=at,
        event_time=intent.event_time,
        tenant=intent.tenant,
        event_source=intent.event_source,
        event_id=intent.event_id,
        notification_id=intent.notification_id,
        recipient=intent.recipient,
        workflow=intent.workflow,
        turn=intent.run.turn if intent.run else None,
        actor=actor if actor is None or isinstance(actor, str) else actor.id,
        link=intent.private.link,
        redrive=intent.redrive,
        lane=lane,
        test=intent.test,
        cancel_key=intent.cancel_key,
        rules=rules,
        origin=intent.origin,
        cause=cause,
        traceparent=intent.traceparent,
        **fields,
    )


def target_status_id(target: Target, *, cause: str) -> str:
    """The id of what a decision says of one target; `cause` is the decision's."""
    return status_id(subject=target.delivery_id, status=target.outcome, cause=cause)


def status_of(
    status: StatusName, about: EventRef | Job, *, lane: Lane, cause: str, at: datetime, **fields: Any
) -> Status:
    """A status of an event, or of a delivery (its `Job`), or of the notification that `fields` name. With `status_of_receipt`
    the only place that builds one.

    The id is computed, `final` follows from the name, and what `about` knows is filled in. `cause` is the record or receipt
    that brought the status about, `lane` that of the topic it is written to; `fields` are further fields of `Status`.
    """
    if isinstance(about, Job):
        return _of_delivery(status, about, lane, cause, at, fields)
    return Status(
        status_id=status_id(
            subject=fields.get("notification_id") or about.event_id, status=status, cause=cause
        ),
        status=status,
        final=status.final,
        at=at,
        tenant=about.tenant,
        event_source=about.event_source,
        event_id=about.event_id,
        lane=lane,
        test=about.test,
        origin=about.origin,
        cause=cause,
        traceparent=about.traceparent,
        **fields,
    )


def status_of_receipt(
    status: StatusName, receipt: Receipt, *, delivery_id: str, lane: Lane, at: datetime, **fields: Any
) -> Status:
    """A status that a provider told of a delivery; `at` is when it was taken in, `fields` are further fields of `Status`."""
    return Status(
        status_id=status_id(subject=delivery_id, status=status, cause=receipt.id),
        status=status,
        final=status.final,
        at=at,
        delivery_id=delivery_id,
        lane=lane,
        receipt=receipt,
        cause=receipt.id,
        **fields,
    )


def _of_delivery(  # noqa: PLR0917 - passed on by the one caller
    status: StatusName, job: Job, lane: Lane, cause: str, at: datetime, fields: dict[str, Any]
) -> Status:
    """Written out: gathering these fields in a dictionary first took twice as long, for each delivery."""
    intent = job.intent
    return Status(
        status_id=status_id(subject=job.delivery_id, status=status, cause=cause),
        status=status,
        final=status.final,
        at=at,
        tenant=job.tenant,
        event_source=intent.event_source,
        event_id=intent.event_id,
        notification_id=job.notification_id,
        delivery_id=job.delivery_id,
        recipient=job.recipient,
        workflow=job.workflow,
        category=job.category,
        channel=job.channel,
        step=job.step,
        address_key=job.address_key,
        address_hash=job.address_hash,
        lane=lane,
        test=job.test,
        locale=job.locale,
        template=job.template,
        template_version=job.template_version,
        origin=job.origin,
        cause=cause,
        traceparent=job.traceparent,
        **fields,
    )
