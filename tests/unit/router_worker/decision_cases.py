"""A decision to vary: everything is in order, and three channels get a message."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tocsin.contracts.directory import Category, Template, Tenant, Workflow
from tocsin.contracts.intents import Intent
from tocsin.contracts.jobs import EmailContent, PushContent, Sender, SmsContent
from tocsin.contracts.recipients import Device
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.router.policy import Case, Facts

EVENT_TIME = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW = EVENT_TIME + timedelta(seconds=1)
PARTS = {
    Channel.EMAIL: {"subject": "Hi {{ data.name }}", "text": "Text {{ data.name }}", "html": "<p>{{ data.name }}</p>"},
    Channel.SMS: {"body": "Sms {{ data.name }}"},
    Channel.PUSH: {"title": "Push", "body": "Push {{ data.name }}"},
}
FACTS = Facts(
    known=True,
    version=7,
    email="ann@example.test",
    phone="+4915112345678",
    locale="de-AT",
    devices=(Device(id="d1", token="t1"), Device(id="d2", token="t2")),
)
TENANT = Tenant(
    tenant="acme",
    name="Acme",
    senders={Channel.EMAIL: Sender(address="shop@example.test", name="Shop")},
    providers={Channel.SMS: ["twilio-a"]},
)
CATEGORY = Category(tenant="acme", key="orders")
WORKFLOW = Workflow(
    tenant="acme", key="shipped", revision=1, event_types=["com.shop.shipped"], category="orders",
    lane=Lane.TRANSACTIONAL, channels=list(Channel),
)  # fmt: skip


def template(channel: Channel, locale: str = "en", revision: int = 1, **parts: str) -> Template:
    return Template(
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
        "data": msgspec.Raw(b'{"name":"Ann"}'),
        "lane": Lane.TRANSACTIONAL,
        "origin": "events/0/1",
        "cause": "events/0/1",
    }
    return Intent(**(fields | changes))


def content_of(channel: Channel) -> Any:
    return {
        Channel.EMAIL: EmailContent(subject="s", text="t"),
        Channel.SMS: SmsContent(body="b"),
        Channel.PUSH: PushContent(title="t", body="b"),
    }[channel]


def case(**changes: Any) -> Case:
    fields: dict[str, Any] = {
        "intent": intent(),
        "now": NOW,
        "facts": FACTS,
        "tenant": TENANT,
        "workflow": WORKFLOW,
        "category": CATEGORY,
        "templates": lambda channel: {"en": template(channel)},
        "render": lambda template, category, person: content_of(template.channel),
        "claim": "claimed",
    }
    return Case(**(fields | changes))
