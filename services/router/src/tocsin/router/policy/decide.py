"""One decision: a notification for one recipient against the rules, in the order of `Rule`.

`decide` is pure: it looks at its argument and at nothing else. It has no content, either: it says which template to render and
renders none. So it also answers "what if" over recorded intents. The last two rules of a channel, `render` and `size`, are
known only to those who render and write; they add them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from tocsin.contracts.address_kinds import Destination
from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.codec import encode
from tocsin.contracts.directory import CategoryRecord, TemplateRecord, TenantRecord, WorkflowRecord
from tocsin.contracts.intents import DeliveryRef, Intent
from tocsin.contracts.limits import DECISION_TARGETS_BYTES
from tocsin.contracts.statuses import RuleOutcome
from tocsin.contracts.vocabulary import Again, ClaimOutcome, Outcome, Reason, Rule
from tocsin.router.policy.decision_log import looked_at
from tocsin.router.policy.destinations import Held, reachable
from tocsin.router.policy.faults import status_for
from tocsin.router.policy.locales import locale_candidates
from tocsin.router.policy.preferences import PreferenceOutcome, effective_preference
from tocsin.router.policy.recipients import MessageRecipient, StoredRecipient, recipient_of
from tocsin.router.policy.suppressions import NOT_SUPPRESSED, SuppressedAddresses

_TARGETS_THAT_FIT: Final = 25
"""So many targets always fit into a decision, whatever the names of their devices."""
_TARGET_BYTES: Final = 160
"""What a target takes beside its address key, at most."""


class DecisionInput(msgspec.Struct, kw_only=True, frozen=True):
    """Everything a decision may look at. `tenant`, `workflow` and `category` are None if the directory no longer has them."""

    intent: Intent
    claim: ClaimOutcome
    """What the duplicate rule saw."""
    now: datetime
    cancelled_at: datetime | None = None
    """When its producer took it back; None: it has not."""
    stored: StoredRecipient
    """What the directory stores of the recipient."""
    stored_actor: StoredRecipient | None
    """What it stores of the intent's actor, if the intent has one."""
    tenant: TenantRecord | None
    workflow: WorkflowRecord | None
    category: CategoryRecord | None
    templates: Mapping[tuple[str, str], Mapping[str, TemplateRecord]]
    """The workflow's published templates, by channel and name, then by locale."""
    decoded_data: Any = msgspec.UNSET
    """The intent's data, if it was decoded before; `msgspec.UNSET` if not."""
    again: Again | None = None
    """Why it is decided once more."""
    throttled: bool = False
    """Whether the workflow's own limit keeps the notification out."""
    next_day: datetime | None = None
    """When it is decided again, where the tenant has sent as much today as it may."""
    suppressed: SuppressedAddresses = NOT_SUPPRESSED
    """What is stored of its addresses; of other messages' addresses, too."""
    endpoints: Sequence[Destination] = ()
    """Where the tenant itself takes messages about events of this type."""


class Withhold(NamedTuple):
    """One channel, or one delivery that is decided again, on which nothing goes out."""

    ref: DeliveryRef
    rule: Rule
    reason: Reason
    rules: list[RuleOutcome]
    detail: str | None = None
    template: TemplateRecord | None = None


class Deliver(msgspec.Struct, frozen=True):
    """One channel on which the notification goes out: the same words to each address, if they render and their job fits."""

    ref: DeliveryRef
    destinations: list[Destination]
    """At least one."""
    recipient: MessageRecipient
    template: TemplateRecord
    category: CategoryRecord
    expires_at: datetime
    rules: list[RuleOutcome]


ChannelOutcome = Deliver | Withhold


class Verdict(msgspec.Struct, frozen=True):
    """What was decided about a notification: how it ended as a whole, or what becomes of each of its channels."""

    outcome: Outcome
    rules: list[RuleOutcome]
    """Those looked at for the notification as a whole; each channel has its own beside."""
    channels: Sequence[ChannelOutcome] = ()
    """Those of each step, in the workflow's order; none unless the outcome is `decided`."""
    rule: Rule | None = None
    reason: Reason | None = None
    due_at: datetime | None = None
    """When it is decided again, where the outcome is `scheduled`."""


def decide(question: DecisionInput) -> Verdict:
    """What becomes of the notification; only of one delivery of it, where the intent names one."""
    intent, stored, category = question.intent, question.stored, question.category
    expires_at = _end_of_life(question)
    rules: list[RuleOutcome] = []
    if (verdict := _by_time(question, expires_at, rules)) is not None:
        return verdict

    recipient = recipient_of(intent.recipient, stored, intent.private.inline)
    seen = {"known": stored.known, "inline": intent.private.inline is not None, "version": stored.version}
    if recipient is None:
        return _ended(rules, Rule.RECIPIENT, Reason.RECIPIENT_UNKNOWN, seen)
    rules.append(looked_at(Rule.RECIPIENT, "found", seen))

    tenant, workflow = question.tenant, question.workflow
    if tenant is None or workflow is None:
        # The workflow is what names the category: without it there is none to look at.
        gone = Reason.TENANT_UNKNOWN if tenant is None else Reason.WORKFLOW_UNKNOWN
        return _ended(rules, Rule.CATEGORY, gone, {"workflow": intent.workflow})
    if category is None:
        return _ended(rules, Rule.CATEGORY, Reason.CATEGORY_UNKNOWN, {"category": workflow.category})
    rules.append(looked_at(Rule.CATEGORY, category.default, {"category": category.key}))
    if (verdict := _throttled(question, workflow, rules) or _over_quota(question, rules)) is not None:
        return verdict
    return _by_channel(
        question, recipient, expires_at, rules, tenant=tenant, workflow=workflow, category=category
    )


def _throttled(question: DecisionInput, workflow: WorkflowRecord, rules: list[RuleOutcome]) -> Verdict | None:
    """Whether the workflow's own limit ends it."""
    if workflow.throttle is None or not counts_for_a_limit(question.intent, question.again):
        return None
    seen = {"limit": workflow.throttle.limit, "seconds": workflow.throttle.seconds}
    if question.throttled:
        return _ended(rules, Rule.THROTTLE, Reason.THROTTLE, seen)
    rules.append(looked_at(Rule.THROTTLE, "let in", seen))
    return None


def _over_quota(question: DecisionInput, rules: list[RuleOutcome]) -> Verdict | None:
    if question.next_day is None:
        return None
    rules.append(looked_at(Rule.QUOTA, Reason.QUOTA, {"due_at": question.next_day}))
    return Verdict(Outcome.SCHEDULED, rules, rule=Rule.QUOTA, reason=Reason.QUOTA, due_at=question.next_day)


def _by_channel(
    question: DecisionInput,
    recipient: MessageRecipient,
    expires_at: datetime,
    rules: list[RuleOutcome],
    *,
    tenant: TenantRecord,
    workflow: WorkflowRecord,
    category: CategoryRecord,
) -> Verdict:
    """What becomes of each channel of each step."""
    channels: list[ChannelOutcome] = [
        _decide_channel(
            question, ref, recipient, expires_at, template_name=name, tenant=tenant, category=category
        )
        if name is not None
        else _step_gone(ref)
        for ref, name in _channels_to_decide(workflow, question.intent.delivery)
    ]
    if not _targets_fit(channels):
        return _ended(rules, Rule.SIZE, Reason.TOO_LARGE, {"targets": "more than 64 KiB"})
    return Verdict(Outcome.DECIDED, rules, channels)


def counts_for_a_limit(intent: Intent, again: Again | None) -> bool:
    """Whether it is decided for the first time since it is due: what is decided again was let in before."""
    return again in (None, Again.TURN) and intent.delivery is None


def ends_by_time(question: DecisionInput) -> bool:
    """Whether it ends or waits whatever else may be said of it: it is past its expiry, cancelled, or not due yet."""
    return _by_time(question, _end_of_life(question), []) is not None


def _end_of_life(question: DecisionInput) -> datetime:
    """When the message dies: as the producer asked, else after the category's time to live, else after the lane's, from the time at which
    it was due."""
    intent, category = question.intent, question.category
    if intent.expires_at is not None:
        return intent.expires_at
    seconds = category.ttl_seconds if category else None
    if seconds is None:
        seconds = intent.lane.default_ttl_seconds
    return (intent.due_at or intent.event_time) + timedelta(seconds=seconds)


def _by_time(question: DecisionInput, expires_at: datetime, rules: list[RuleOutcome]) -> Verdict | None:
    """What ends or waits whatever else may be said of it; the rules looked at are added."""
    intent = question.intent
    if question.now >= expires_at:
        rules.append(looked_at(Rule.EXPIRY, "expired", {"expires_at": expires_at}))
        return Verdict(Outcome.EXPIRED, rules, rule=Rule.EXPIRY)
    rules.append(looked_at(Rule.EXPIRY, "alive", {"expires_at": expires_at}))
    rules.append(looked_at(Rule.DUPLICATE, question.claim))
    if question.cancelled_at is not None:
        rules.append(looked_at(Rule.CANCELLATION, "cancelled", {"requested_at": question.cancelled_at}))
        return Verdict(Outcome.CANCELLED, rules, rule=Rule.CANCELLATION)
    if intent.due_at is None or intent.due_at <= question.now:
        return None
    # Everything else is decided when it is due, by the directory as it stands then.
    rules.append(looked_at(Rule.SEND_TIME, "waits", {"due_at": intent.due_at}))
    return Verdict(Outcome.SCHEDULED, rules, rule=Rule.SEND_TIME, due_at=intent.due_at)


def _ended(rules: list[RuleOutcome], rule: Rule, reason: Reason, seen: dict[str, Any]) -> Verdict:
    """The notification as a whole ends by this rule."""
    rules.append(looked_at(rule, reason, seen))
    return Verdict(Outcome(status_for(reason)), rules, rule=rule, reason=reason)


class _StepChannel(NamedTuple):
    """One channel of one step."""

    ref: DeliveryRef
    template: str | None
    """The name of its templates; None where the workflow as published has no such step any more, or not on this channel."""


def _channels_to_decide(workflow: WorkflowRecord, delivery: DeliveryRef | None) -> list[_StepChannel]:
    """Those of each step, in their order; only the one of `delivery`, if it is decided again."""
    if delivery is None:
        return [
            each
            for step in workflow.steps
            for each in _whole_channels(step.name, step.channels, step.template)
        ]
    for step in workflow.steps:
        if step.name == delivery.step and delivery.channel in step.channels:
            return [_StepChannel(delivery, step.template)]
    return [_StepChannel(delivery, None)]


@lru_cache(maxsize=4096)
def _whole_channels(step: str, channels: tuple[str, ...], template: str) -> tuple[_StepChannel, ...]:
    """How the channels of a step are named before their addresses are known. A channel with several addresses has no address
    key yet."""
    specs = [(channel, CHANNELS.get(channel)) for channel in channels]
    return tuple(
        _StepChannel(
            DeliveryRef(
                channel=channel,
                step=step,
                address_key=spec.address.key_without_address if spec else "",
            ),
            template,
        )
        for channel, spec in specs
    )


def _step_gone(ref: DeliveryRef) -> Withhold:
    rules = [looked_at(Rule.STEP, Reason.STEP_GONE, {"step": ref.step})]
    return Withhold(ref, Rule.STEP, Reason.STEP_GONE, rules)


def _decide_channel(
    question: DecisionInput,
    ref: DeliveryRef,
    recipient: MessageRecipient,
    expires_at: datetime,
    *,
    template_name: str,
    tenant: TenantRecord,
    category: CategoryRecord,
) -> ChannelOutcome:
    rules: list[RuleOutcome] = []

    def withhold(rule: Rule, reason: Reason, seen: dict[str, Any] | None = None) -> Withhold:
        rules.append(looked_at(rule, reason, seen))
        return Withhold(ref, rule, reason, rules)

    spec = CHANNELS.get(ref.channel)
    if spec is None:  # a newer release may have published it
        return withhold(Rule.CHANNEL, Reason.CHANNEL_UNKNOWN)
    preference = effective_preference(
        question.stored.preferences,
        channel=ref.channel,
        category=category.key,
        category_default=category.default,
        workflow=question.intent.workflow,
    )
    if preference.reason is not None:
        return withhold(preference.rule, preference.reason, preference.seen)
    rules.append(_preference_rule(preference, category))

    destinations = (
        list(question.endpoints) if spec.address.held_by_tenant else spec.address.destinations(recipient)
    )
    if question.intent.delivery is not None and ref.address_key:
        destinations = [each for each in destinations if each.address_key == ref.address_key]
    reached = reachable(
        destinations,
        question.suppressed,
        rules,
        tenant=question.intent.tenant,
        spec=spec,
        category=category,
        now=question.now,
    )
    if isinstance(reached, Held):
        return withhold(*reached)

    if spec.has_sender:
        own = ref.channel in tenant.senders
        if not own and spec.needs_sender:
            return withhold(Rule.SENDER, Reason.SENDER_MISSING)
        rules.append(looked_at(Rule.SENDER, "tenant's" if own else "provider's"))

    by_locale = question.templates.get((ref.channel, template_name), {})
    locales = locale_candidates(recipient.locale, tenant.default_locale)
    locale = next((locale for locale in locales if locale in by_locale), None)
    if locale is None:
        return withhold(
            Rule.TEMPLATE, Reason.TEMPLATE_MISSING, {"name": template_name, "tried": " ".join(locales)[:100]}
        )
    template = by_locale[locale]
    seen = {"locale": locale, "revision": template.revision, "wanted": recipient.locale or ""}
    rules.append(looked_at(Rule.TEMPLATE, "found", seen))
    return Deliver(ref, reached, recipient, template, category, expires_at, rules)


def _preference_rule(preference: PreferenceOutcome, category: CategoryRecord) -> RuleOutcome:
    """What the preferences said of a message that may go out."""
    if preference.rule is Rule.PREFERENCE:
        return looked_at(Rule.PREFERENCE, "on", preference.seen)
    return looked_at(Rule.PREFERENCE, "not asked" if category.default == "required" else "none")


def _targets_fit(channels: Iterable[ChannelOutcome]) -> bool:
    """Whether the targets fit into the decision, which is the only place that tells of them all."""
    keys: list[str] = []
    for channel in channels:
        if isinstance(channel, Deliver):
            keys += [destination.address_key for destination in channel.destinations]
        else:
            keys.append(channel.ref.address_key)
    if len(keys) <= _TARGETS_THAT_FIT:
        return True
    return len(keys) * _TARGET_BYTES + len(encode(keys)) <= DECISION_TARGETS_BYTES
