"""One decision: a notification for one person against every rule, in the order of `Rule`.

`decide` looks at nothing but its arguments: facts were looked up before, templates are rendered through the
function it is given, which others may run in between. Sizes are the only rule left to the caller, who knows the bytes.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from tocsin.contracts.directory import Category, Template, Tenant, Workflow
from tocsin.contracts.intents import DeliveryRef, Intent
from tocsin.contracts.jobs import Content
from tocsin.contracts.vocabulary import Channel, Reason, Rule, StatusName
from tocsin.router.policy.expiry import expires_at
from tocsin.router.policy.locales import locale_candidates, wanted_locale
from tocsin.router.policy.people import ADDRESS_KEY, Facts, Person, person_of
from tocsin.router.policy.preferences import effective_preference
from tocsin.router.policy.trail import Trail
from tocsin.router.templates import RenderFault

STEP = "1"
"""A workflow has one step so far; the id of a delivery has room for more."""


class Ended(NamedTuple):
    """The notification as a whole ends here."""

    status: StatusName
    rule: Rule
    reason: Reason | None
    trail: Trail


class Send(NamedTuple):
    """One delivery that goes out, if its job fits."""

    ref: DeliveryRef
    address: str
    content: Content
    template: Template
    category: Category
    trail: Trail


class Skip(NamedTuple):
    """One channel or device that gets nothing."""

    ref: DeliveryRef
    rule: Rule
    reason: Reason
    detail: str | None
    trail: Trail
    template: Template | None = None


class Verdict(NamedTuple):
    """What is decided for one notification: its end, or one `Send` or `Skip` for each delivery."""

    ended: Ended | None
    deliveries: list[Send | Skip]
    expires_at: datetime
    person: Person | None


Render = Callable[[Template, Category, Person], Awaitable[Content | RenderFault]]
"""Content for one person from a template, with the variables that go with the category (the unsubscribe link)."""


class Case(msgspec.Struct, kw_only=True):
    """Everything a decision may look at. `workflow`, `category`, `tenant` are None where the directory has them no more."""

    intent: Intent
    now: datetime
    facts: Facts
    tenant: Tenant | None
    workflow: Workflow | None
    category: Category | None
    templates: Callable[[Channel], Mapping[str, Template]]
    """The workflow's published templates of a channel, by locale."""
    render: Render
    claim: str
    """What the duplicate rule saw: `claimed`, or `checked before` (an intent)."""


async def decide(case: Case) -> Verdict:
    """The verdict, and with each part of it the rules that were looked at."""
    intent, category = case.intent, case.category
    dies = expires_at(
        asked=intent.expires_at,
        event_time=intent.event_time,
        category_ttl=category.ttl_seconds if category else None,
        lane=intent.lane,
    )
    trail = Trail()
    if case.now >= dies:
        trail = trail.and_then(Rule.EXPIRY, "expired", {"expires_at": dies})
        return _ended(StatusName.EXPIRED, Rule.EXPIRY, None, trail, dies)
    trail = trail.and_then(Rule.EXPIRY, "alive", {"expires_at": dies}).and_then(Rule.DUPLICATE, case.claim)
    person = person_of(intent.recipient, case.facts, intent.inline)
    seen = {"known": case.facts.known, "inline": intent.inline is not None, "version": case.facts.version}
    if person is None:
        trail = trail.and_then(Rule.RECIPIENT, Reason.RECIPIENT_UNKNOWN, seen)
        return _ended(StatusName.SKIPPED, Rule.RECIPIENT, Reason.RECIPIENT_UNKNOWN, trail, dies)
    trail = trail.and_then(Rule.RECIPIENT, "found", seen)
    gone = _gone(case)
    if gone is not None:
        trail = trail.and_then(Rule.CATEGORY, gone, {"workflow": intent.workflow})
        return _ended(StatusName.SKIPPED, Rule.CATEGORY, gone, trail, dies)
    return Verdict(None, await _deliveries(case, person, trail), dies, person)


def _ended(status: StatusName, rule: Rule, reason: Reason | None, trail: Trail, dies: datetime) -> Verdict:
    return Verdict(Ended(status, rule, reason, trail), [], dies, None)


def _gone(case: Case) -> Reason | None:
    """What the decision needs and the directory has no more; the workflow is what names the category."""
    if case.tenant is None:
        return Reason.TENANT_UNKNOWN
    return Reason.WORKFLOW_UNKNOWN if case.workflow is None else None


async def _deliveries(case: Case, person: Person, trail: Trail) -> list[Send | Skip]:
    only = case.intent.delivery
    if only is not None:
        return await _channel(case, person, only.channel, trail)
    channels = case.workflow.channels if case.workflow else []
    return [one for channel in channels for one in await _channel(case, person, channel, trail)]


async def _channel(case: Case, person: Person, channel: Channel, trail: Trail) -> list[Send | Skip]:
    """Everything for one channel, or for the one delivery that is decided again."""
    only = case.intent.delivery
    whole = only or DeliveryRef(channel=channel, step=STEP, address_key=ADDRESS_KEY.get(channel, ""))
    category = case.category
    if category is None:
        key = case.workflow.category if case.workflow else ""
        trail = trail.and_then(Rule.CATEGORY, Reason.CATEGORY_UNKNOWN, {"category": key})
        return [Skip(whole, Rule.CATEGORY, Reason.CATEGORY_UNKNOWN, None, trail)]
    holds = effective_preference(
        case.facts.preferences,
        channel=channel,
        category=category.key,
        category_default=category.default,
        workflow=case.intent.workflow,
    )
    trail = trail.and_then(Rule.CATEGORY, category.default, {"category": category.key})
    if holds.rule is Rule.PREFERENCE:
        trail = trail.and_then(
            Rule.PREFERENCE, "on" if holds.enabled else "off", {"decided_by": holds.decided_by}
        )
    else:
        trail = trail.and_then(Rule.PREFERENCE, "not asked" if category.default == "required" else "none")
    if holds.reason is not None:
        return [Skip(whole, holds.rule, holds.reason, None, trail)]
    return await _addresses(case, person, category, trail, whole)


async def _addresses(
    case: Case, person: Person, category: Category, trail: Trail, whole: DeliveryRef
) -> list[Send | Skip]:
    only = case.intent.delivery
    found = person.addresses(whole.channel)
    if only is not None:
        found = [pair for pair in found if pair[0] == only.address_key]
    if not found:
        trail = trail.and_then(Rule.ADDRESS, Reason.ADDRESS_MISSING, {"found": 0})
        return [Skip(whole, Rule.ADDRESS, Reason.ADDRESS_MISSING, None, trail)]
    trail = trail.and_then(Rule.ADDRESS, "present", {"found": len(found)})
    template, trail = _template(case, person, whole.channel, trail)
    if template is None:
        return [Skip(whole, Rule.TEMPLATE, Reason.TEMPLATE_MISSING, None, trail)]
    content = await case.render(template, category, person)
    if isinstance(content, RenderFault):
        trail = trail.and_then(Rule.RENDER, Reason.TEMPLATE_FAILED, {"part": content.part})
        detail = f"{content.part}: {content.detail}"[:300]
        return [Skip(whole, Rule.RENDER, Reason.TEMPLATE_FAILED, detail, trail, template)]
    trail = trail.and_then(Rule.RENDER, "rendered")
    return [
        Send(_ref(whole, key, only), address, content, template, category, trail) for key, address in found
    ]


def _ref(whole: DeliveryRef, key: str, only: DeliveryRef | None) -> DeliveryRef:
    if only is not None or whole.address_key == key:
        return whole
    return DeliveryRef(channel=whole.channel, step=whole.step, address_key=key)


def _template(case: Case, person: Person, channel: Channel, trail: Trail) -> tuple[Template | None, Trail]:
    by_locale: Mapping[str, Any] = case.templates(channel)
    tried = locale_candidates(person.locale, case.tenant.default_locale if case.tenant else "")
    for locale in tried:
        template = by_locale.get(locale)
        if template is not None:
            seen = {"locale": locale, "revision": template.revision, "wanted": wanted_locale(person.locale)}
            return template, trail.and_then(Rule.TEMPLATE, "found", seen)
    return None, trail.and_then(Rule.TEMPLATE, Reason.TEMPLATE_MISSING, {"tried": " ".join(tried)[:100]})
