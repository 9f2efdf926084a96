"""A question to `decide` whose answer is that everything goes out, and what may be changed in it."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tocsin.contracts.directory import CategoryRecord, Step, TemplateRecord, TenantRecord, WorkflowRecord
from tocsin.contracts.intents import Intent, IntentPrivate
from tocsin.contracts.jobs import SenderIdentity
from tocsin.contracts.recipients import Device
from tocsin.contracts.statuses import RuleOutcome
from tocsin.contracts.vocabulary import Channel, Lane, Outcome
from tocsin.router.policy import (
    ChannelOutcome,
    DecisionInput,
    Deliver,
    StoredRecipient,
    Verdict,
)

EVENT_TIME = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW = EVENT_TIME + timedelta(seconds=1)
CHANGED_AT = EVENT_TIME - timedelta(days=9)
PARTS = {
    Channel.EMAIL: {
        "subject": "Hi {{ data.name }}",
        "text": "Text {{ data.name }}",
        "html": "<p>{{ data.name }}</p>",
    },
    Channel.SMS: {"body": "Sms {{ data.name }}"},
    Channel.PUSH: {"title": "Push", "body": "Push {{ data.name }}"},
    Channel.WEBHOOK: {"body": "Webhook {{ data.name }}"},
}
STORED = StoredRecipient(
    known=True,
    version=7,
    email="ann@example.test",
    phone="+4915112345678",
    locale="de-AT",
    devices=(Device(id="d1", token="t1"), Device(id="d2", token="t2")),
)
TENANT = TenantRecord(
    tenant="acme",
    name="Acme",
    senders={Channel.EMAIL: SenderIdentity(address="shop@example.test", name="Shop")},
    providers={Channel.SMS: ["twilio-a"]},
)
CATEGORY = CategoryRecord(tenant="acme", key="orders")
ON_ALL = Step(name="1", channels=(Channel.EMAIL, Channel.SMS, Channel.PUSH))
ON_SMS = Step(name="1", channels=(Channel.SMS,))
WORKFLOW = WorkflowRecord(
    tenant="acme", key="shipped", revision=1, event_types=["com.shop.shipped"], category="orders",
    lane=Lane.TRANSACTIONAL, steps=[ON_ALL],
)  # fmt: skip


def template(channel: Channel, locale: str = "en", revision: int = 1, **parts: str) -> TemplateRecord:
    return TemplateRecord(
        tenant="acme", workflow="shipped", channel=channel, locale=locale, revision=revision,
        parts=parts or PARTS[channel],
    )  # fmt: skip


def intent(**changes: Any) -> Intent:
    fields: dict[str, Any] = {
        "tenant": "acme",
        "notification_id": "n-1",
        "event_source": "/shop",
        "event_id": "e-1",
        "event_type": "com.shop.shipped",
        "event_time": EVENT_TIME,
        "workflow": "shipped",
        "recipient": "ann",
        "lane": Lane.TRANSACTIONAL,
        "origin": "events/0/1",
        "cause": "events/0/1",
    }
    private = IntentPrivate(data=msgspec.Raw(b'{"name":"Ann"}'), inline=changes.pop("inline", None))
    return Intent(private=private, **(fields | changes))


def question(**changes: Any) -> DecisionInput:
    fields: dict[str, Any] = {
        "intent": intent(),
        "claim": "claimed",
        "now": NOW,
        "stored": STORED,
        "stored_actor": None,
        "tenant": TENANT,
        "workflow": WORKFLOW,
        "category": CATEGORY,
        "templates": {(channel, "default"): {"en": template(channel)} for channel in PARTS},
    }
    return DecisionInput(**(fields | changes))


def rules(looked_at: Iterable[RuleOutcome]) -> list[tuple[str, str]]:
    return [(rule.rule, rule.outcome) for rule in looked_at]


def deliveries(verdict: Verdict) -> list[tuple[Any, ...]]:
    """Of each delivery its channel, its address key, and `deliver` or what withheld it."""
    told: list[tuple[Any, ...]] = []
    assert verdict.outcome is Outcome.DECIDED
    for outcome in verdict.channels:
        channel = outcome.ref.channel
        if isinstance(outcome, Deliver):
            told += [(channel, each.address_key, "deliver") for each in outcome.destinations]
        else:
            told.append((channel, outcome.ref.address_key, (outcome.rule, outcome.reason)))
    return told


def addresses(verdict: Verdict) -> list[str]:
    return [
        each.address
        for outcome in verdict.channels
        if isinstance(outcome, Deliver)
        for each in outcome.destinations
    ]


def only(verdict: Verdict) -> ChannelOutcome:
    (outcome,) = verdict.channels
    return outcome
