"""One decision: a notification for one recipient against the rules, in the order of `Rule`.

`decide` is pure: it looks at its argument and at nothing else. It has no content, either: it says which template to render and
renders none. So it also answers "what if" over recorded intents. The last two rules, `render` and `size`, are known only
to those who render and write; they add them to the decision log.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from tocsin.contracts.channels import CHANNELS, Destination
from tocsin.contracts.directory import CategoryRecord, TemplateRecord, TenantRecord, WorkflowRecord
from tocsin.contracts.intents import DeliveryRef, Intent
from tocsin.contracts.vocabulary import Channel, ClaimOutcome, Lane, Reason, Rule, StatusName
from tocsin.router.policy.decision_log import DecisionLog
from tocsin.router.policy.locales import locale_candidates, wanted_locale
from tocsin.router.policy.preferences import effective_preference
from tocsin.router.policy.recipients import MessageRecipient, StoredRecipient, recipient_of

STEP: Final = "1"
"""A workflow has one step so far; the id of a delivery has room for more."""

_WHOLE_CHANNEL: Final = {
    channel: DeliveryRef(channel=channel, step=STEP, address_key=spec.address.key_without_address)
    for channel, spec in CHANNELS.items()
}
"""How a channel is named before its addresses are known. A channel with several addresses has no address key yet."""


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
    templates: Mapping[Channel, Mapping[str, TemplateRecord]]
    """The workflow's published templates, by channel and locale."""
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
    destinations: list[Destination]
    """At least one."""
    recipient: MessageRecipient
    template: TemplateRecord
    category: CategoryRecord
    expires_at: datetime
    log: DecisionLog


DecisionOutcome = Deliver | Skip | Stop


def decide(question: DecisionInput) -> list[DecisionOutcome]:
    """One `Stop` and nothing else; or a `Deliver` or `Skip` for each of the workflow's channels, in their order, and only for
    one channel where the intent is a recheck of one delivery."""
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

    refs = (
        [intent.delivery]
        if intent.delivery is not None
        else [_WHOLE_CHANNEL[channel] for channel in workflow.channels]
    )
    return [
        _decide_channel(question, ref, recipient, expires_at, log, tenant=tenant, workflow=workflow)
        for ref in refs
    ]


def _decide_channel(
    question: DecisionInput,
    ref: DeliveryRef,
    recipient: MessageRecipient,
    expires_at: datetime,
    log: DecisionLog,
    *,
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
    if preference.rule is Rule.PREFERENCE:
        switched = "on" if preference.enabled else "off"
        log = log.and_then(Rule.PREFERENCE, switched, {"decided_by": preference.decided_by})
    else:
        log = log.and_then(Rule.PREFERENCE, "not asked" if category.default == "required" else "none")
    if preference.reason is not None:
        return Skip(ref, preference.rule, preference.reason, log)

    destinations = CHANNELS[ref.channel].address.destinations(recipient)
    if question.intent.delivery is not None:
        destinations = [each for each in destinations if each.address_key == ref.address_key]
    if not destinations:
        log = log.and_then(Rule.ADDRESS, Reason.ADDRESS_MISSING, {"found": 0})
        return Skip(ref, Rule.ADDRESS, Reason.ADDRESS_MISSING, log)
    log = log.and_then(Rule.ADDRESS, "present", {"found": len(destinations)})

    by_locale = question.templates.get(ref.channel, {})
    locales = locale_candidates(recipient.locale, tenant.default_locale)
    locale = next((locale for locale in locales if locale in by_locale), None)
    if locale is None:
        log = log.and_then(Rule.TEMPLATE, Reason.TEMPLATE_MISSING, {"tried": " ".join(locales)[:100]})
        return Skip(ref, Rule.TEMPLATE, Reason.TEMPLATE_MISSING, log)
    template = by_locale[locale]
    seen = {"locale": locale, "revision": template.revision, "wanted": wanted_locale(recipient.locale)}
    log = log.and_then(Rule.TEMPLATE, "found", seen)
    return Deliver(ref, destinations, recipient, template, category, expires_at, log)


def _expires_at(
    *, asked: datetime | None, event_time: datetime, category_ttl: int | None, lane: Lane
) -> datetime:
    """When the message dies: as the producer asked, else after the category's time to live, else after the lane's."""
    if asked is not None:
        return asked
    seconds = lane.default_ttl_seconds if category_ttl is None else category_ttl
    return event_time + timedelta(seconds=seconds)
