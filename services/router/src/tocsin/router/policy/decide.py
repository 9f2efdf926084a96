"""One decision: a notification for one recipient against the rules, in the order of `Rule`.

`decide` is pure: it looks at its argument and at nothing else. It has no content, either: it says which template to render and
renders none. So it also answers "what if" over recorded intents. The last two rules, `render` and `size`, are known only
to those who render and write; they add them to the decision log.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.directory import CategoryRecord, Step, TemplateRecord, TenantRecord, WorkflowRecord
from tocsin.contracts.intents import DeliveryRef, Intent
from tocsin.contracts.vocabulary import Channel, ClaimOutcome, Lane, Reason, Rule, StatusName
from tocsin.router.policy.decision_log import DecisionLog
from tocsin.router.policy.locales import locale_candidates, wanted_locale
from tocsin.router.policy.preferences import effective_preference
from tocsin.router.policy.recipients import MessageRecipient, StoredRecipient, recipient_of


class DecisionInput(msgspec.Struct, kw_only=True, frozen=True):
    """Everything a decision may look at. `tenant`, `workflow` and `category` are None if the directory no longer has them."""

    intent: Intent
    claim: ClaimOutcome
    """What the duplicate rule saw."""
    now: datetime
    stored: StoredRecipient
    """What the directory stores of the recipient."""
    stored_actor: StoredRecipient | None
    """What it stores of the intent's actor, if the intent has one."""
    tenant: TenantRecord | None
    workflow: WorkflowRecord | None
    category: CategoryRecord | None
    templates: Mapping[tuple[Channel, str], Mapping[str, TemplateRecord]]
    """The workflow's published templates, by channel and name, then by locale."""
    decoded_data: Any = msgspec.UNSET
    """The intent's data, if it was decoded before; `msgspec.UNSET` if not."""


class Stop(NamedTuple):
    """The notification as a whole ends here."""

    status: StatusName
    rule: Rule
    reason: Reason | None
    log: DecisionLog


class Skip(NamedTuple):
    """One channel, or one delivery that is rechecked, on which nothing goes out."""

    ref: DeliveryRef
    rule: Rule
    reason: Reason
    log: DecisionLog
    detail: str | None = None
    template: TemplateRecord | None = None


class Deliver(NamedTuple):
    """One channel on which the notification goes out: the same words to each address, if they render and their job fits."""

    ref: DeliveryRef
    addresses: list[tuple[str, str]]
    """(address key, address), at least one."""
    recipient: MessageRecipient
    template: TemplateRecord
    category: CategoryRecord
    expires_at: datetime
    log: DecisionLog


DecisionOutcome = Deliver | Skip | Stop


def decide(question: DecisionInput) -> list[DecisionOutcome]:
    """One `Stop` and nothing else; or a `Deliver` or `Skip` for each channel of each of the workflow's steps, in their order, and
    only for one channel of one step where the intent is a recheck of one delivery."""
    intent, stored, category = question.intent, question.stored, question.category
    expires_at = _expires_at(
        asked=intent.expires_at,
        event_time=intent.event_time,
        category_ttl=category.ttl_seconds if category else None,
        lane=intent.lane,
    )
    log = DecisionLog()
    if question.now >= expires_at:
        log = log.and_then(Rule.EXPIRY, "expired", {"expires_at": expires_at})
        return [Stop(StatusName.EXPIRED, Rule.EXPIRY, None, log)]
    log = log.and_then(Rule.EXPIRY, "alive", {"expires_at": expires_at})
    log = log.and_then(Rule.DUPLICATE, question.claim)

    recipient = recipient_of(intent.recipient, stored, intent.private.inline)
    seen = {"known": stored.known, "inline": intent.private.inline is not None, "version": stored.version}
    if recipient is None:
        log = log.and_then(Rule.RECIPIENT, Reason.RECIPIENT_UNKNOWN, seen)
        return [Stop(StatusName.SKIPPED, Rule.RECIPIENT, Reason.RECIPIENT_UNKNOWN, log)]
    log = log.and_then(Rule.RECIPIENT, "found", seen)

    tenant, workflow = question.tenant, question.workflow
    if tenant is None or workflow is None:
        # The workflow is what names the category: without it there is none to look at.
        gone = Reason.TENANT_UNKNOWN if tenant is None else Reason.WORKFLOW_UNKNOWN
        log = log.and_then(Rule.CATEGORY, gone, {"workflow": intent.workflow})
        return [Stop(StatusName.SKIPPED, Rule.CATEGORY, gone, log)]

    if intent.delivery is not None:
        return [
            _decide_again(
                question, intent.delivery, recipient, expires_at, log, tenant=tenant, workflow=workflow
            )
        ]
    return [
        _decide_channel(
            question,
            ref,
            recipient,
            expires_at,
            log,
            template_name=step.template,
            tenant=tenant,
            workflow=workflow,
        )
        for step in workflow.steps
        for ref in _whole_channels(step)
    ]


@lru_cache(maxsize=4096)
def _whole_channels(step: Step) -> tuple[DeliveryRef, ...]:
    """How the channels of a step are named before their addresses are known. A channel with several addresses has no address
    key yet."""
    return tuple(
        DeliveryRef(
            channel=channel, step=step.name, address_key=CHANNELS[channel].address.key_without_address
        )
        for channel in step.channels
    )


def _decide_again(
    question: DecisionInput,
    ref: DeliveryRef,
    recipient: MessageRecipient,
    expires_at: datetime,
    log: DecisionLog,
    *,
    tenant: TenantRecord,
    workflow: WorkflowRecord,
) -> Deliver | Skip:
    """One delivery, by what its step says in the workflow as it is published now."""
    step = next((step for step in workflow.steps if step.name == ref.step), None)
    if step is None or ref.channel not in step.channels:
        log = log.and_then(Rule.STEP, Reason.STEP_GONE, {"step": ref.step, "revision": workflow.revision})
        return Skip(ref, Rule.STEP, Reason.STEP_GONE, log)
    log = log.and_then(Rule.STEP, "found", {"step": ref.step})
    return _decide_channel(
        question,
        ref,
        recipient,
        expires_at,
        log,
        template_name=step.template,
        tenant=tenant,
        workflow=workflow,
    )


def _decide_channel(
    question: DecisionInput,
    ref: DeliveryRef,
    recipient: MessageRecipient,
    expires_at: datetime,
    log: DecisionLog,
    *,
    template_name: str,
    tenant: TenantRecord,
    workflow: WorkflowRecord,
) -> Deliver | Skip:
    category = question.category
    if category is None:
        log = log.and_then(Rule.CATEGORY, Reason.CATEGORY_UNKNOWN, {"category": workflow.category})
        return Skip(ref, Rule.CATEGORY, Reason.CATEGORY_UNKNOWN, log)
    preference = effective_preference(
        question.stored.preferences,
        channel=ref.channel,
        category=category.key,
        category_default=category.default,
        workflow=question.intent.workflow,
    )
    log = log.and_then(Rule.CATEGORY, category.default, {"category": category.key})
    switch = preference.preference
    if switch is not None:
        seen = {"decided_by": switch.scope, "source": switch.source, "changed_at": switch.changed_at}
        log = log.and_then(Rule.PREFERENCE, "on" if switch.enabled else "off", seen)
    else:
        log = log.and_then(Rule.PREFERENCE, "not asked" if category.default == "required" else "none")
    if preference.reason is not None:
        return Skip(ref, preference.rule, preference.reason, log)

    addresses = CHANNELS[ref.channel].address.addresses(recipient)
    if question.intent.delivery is not None:
        addresses = [(key, address) for key, address in addresses if key == ref.address_key]
    if not addresses:
        log = log.and_then(Rule.ADDRESS, Reason.ADDRESS_MISSING, {"found": 0})
        return Skip(ref, Rule.ADDRESS, Reason.ADDRESS_MISSING, log)
    log = log.and_then(Rule.ADDRESS, "present", {"found": len(addresses)})

    by_locale = question.templates.get((ref.channel, template_name), {})
    locales = locale_candidates(recipient.locale, tenant.default_locale)
    locale = next((locale for locale in locales if locale in by_locale), None)
    if locale is None:
        log = log.and_then(
            Rule.TEMPLATE, Reason.TEMPLATE_MISSING, {"name": template_name, "tried": " ".join(locales)[:100]}
        )
        return Skip(ref, Rule.TEMPLATE, Reason.TEMPLATE_MISSING, log)
    template = by_locale[locale]
    seen = {
        "name": template_name,
        "locale": locale,
        "revision": template.revision,
        "wanted": wanted_locale(recipient.locale),
    }
    log = log.and_then(Rule.TEMPLATE, "found", seen)
    return Deliver(ref, addresses, recipient, template, category, expires_at, log)


def _expires_at(
    *, asked: datetime | None, event_time: datetime, category_ttl: int | None, lane: Lane
) -> datetime:
    """When the message dies: as the producer asked, else after the category's time to live, else after the lane's."""
    if asked is not None:
        return asked
    seconds = lane.default_ttl_seconds if category_ttl is None else category_ttl
    return event_time + timedelta(seconds=seconds)
