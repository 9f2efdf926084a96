"""Each rule of a decision: what it sees, what follows, and what the record says of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tocsin.contracts.directory import Category, Template, Tenant, Workflow
from tocsin.contracts.intents import DeliveryRef, Intent
from tocsin.contracts.jobs import Content, EmailContent, PushContent, Sender, SmsContent
from tocsin.contracts.limits import DECISION_BYTES
from tocsin.contracts.recipients import Device, InlineRecipient
from tocsin.contracts.vocabulary import Channel, Lane, Reason, Rule, StatusName
from tocsin.router.policy import Case, Facts, Person, Preference, Send, Skip, Trail, Verdict, decide
from tocsin.router.templates import RenderFault

EVENT_TIME = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW = EVENT_TIME + timedelta(seconds=1)
PARTS = {
    Channel.EMAIL: {
        "subject": "Hi {{ data.name }}",
        "text": "Text {{ data.name }}",
        "html": "<p>{{ data.name }}</p>",
    },
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


def content_of(channel: Channel) -> Content:
    contents: dict[Channel, Content] = {
        Channel.EMAIL: EmailContent(subject="s", text="t"),
        Channel.SMS: SmsContent(body="b"),
        Channel.PUSH: PushContent(title="t", body="b"),
    }
    return contents[channel]


async def broken(template: Template, category: Category, person: Person) -> Content | RenderFault:
    return RenderFault("body", "Line 1: undefined variable at `data.x`.")


async def rendered(template: Template, category: Category, person: Person) -> Content | RenderFault:
    return content_of(template.channel)


def case(**changes: Any) -> Case:
    fields: dict[str, Any] = {
        "intent": intent(),
        "now": NOW,
        "facts": FACTS,
        "tenant": TENANT,
        "workflow": WORKFLOW,
        "category": CATEGORY,
        "templates": lambda channel: {"en": template(channel)},
        "render": rendered,
        "claim": "claimed",
    }
    return Case(**(fields | changes))


def rules(trail: Trail) -> list[tuple[str, str]]:
    return [(one.rule, one.outcome) for one in trail.decision().rules]


def ends(verdict: Verdict) -> list[tuple[Any, ...]]:
    return [
        (one.ref.channel, one.ref.address_key, "send" if isinstance(one, Send) else (one.rule, one.reason))
        for one in verdict.deliveries
    ]


def addresses(verdict: Verdict) -> list[str]:
    return [one.address for one in verdict.deliveries if isinstance(one, Send)]


async def test_everything_in_order_sends_to_each_address():
    verdict = await decide(case())
    assert verdict.ended is None
    assert ends(verdict) == [
        (Channel.EMAIL, "email", "send"),
        (Channel.SMS, "phone", "send"),
        (Channel.PUSH, "d1", "send"),
        (Channel.PUSH, "d2", "send"),
    ]
    assert addresses(verdict) == ["ann@example.test", "+4915112345678", "t1", "t2"]
    assert rules(verdict.deliveries[0].trail) == [
        ("expiry", "alive"),
        ("duplicate", "claimed"),
        ("recipient", "found"),
        ("category", "on"),
        ("preference", "none"),
        ("address", "present"),
        ("template", "found"),
        ("render", "rendered"),
    ]


@pytest.mark.parametrize(
    ("changes", "status", "rule", "reason"),
    [
        ({"now": EVENT_TIME + timedelta(hours=24)}, StatusName.EXPIRED, Rule.EXPIRY, None),
        ({"intent": intent(expires_at=NOW)}, StatusName.EXPIRED, Rule.EXPIRY, None),
        ({"facts": Facts()}, StatusName.SKIPPED, Rule.RECIPIENT, Reason.RECIPIENT_UNKNOWN),
        (
            {"facts": Facts(), "intent": intent(inline=InlineRecipient(id="ann", locale="de"))},
            StatusName.SKIPPED,
            Rule.RECIPIENT,
            Reason.RECIPIENT_UNKNOWN,
        ),
        ({"workflow": None, "category": None}, StatusName.SKIPPED, Rule.CATEGORY, Reason.WORKFLOW_UNKNOWN),
        ({"tenant": None}, StatusName.SKIPPED, Rule.CATEGORY, Reason.TENANT_UNKNOWN),
    ],
)
async def test_a_notification_that_ends_as_a_whole(changes, status, rule, reason):
    verdict = await decide(case(**changes))
    assert verdict.ended is not None
    assert (verdict.ended.status, verdict.ended.rule, verdict.ended.reason) == (status, rule, reason)
    assert verdict.deliveries == []
    assert rules(verdict.ended.trail)[-1][0] == rule


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"category": None}, (Rule.CATEGORY, Reason.CATEGORY_UNKNOWN)),
        (
            {"facts": msgspec.structs.replace(FACTS, preferences=(Preference("sms", "orders", "*", False),))},
            (Rule.PREFERENCE, Reason.PREFERENCE_OFF),
        ),
        (
            {"category": msgspec.structs.replace(CATEGORY, default="off")},
            (Rule.CATEGORY, Reason.CATEGORY_OFF),
        ),
        (
            {"facts": msgspec.structs.replace(FACTS, phone=None)},
            (Rule.ADDRESS, Reason.ADDRESS_MISSING),
        ),
        ({"templates": lambda _: {}}, (Rule.TEMPLATE, Reason.TEMPLATE_MISSING)),
        ({"render": broken}, (Rule.RENDER, Reason.TEMPLATE_FAILED)),
    ],
)
async def test_a_channel_that_gets_nothing(changes, expected):
    workflow = msgspec.structs.replace(WORKFLOW, channels=[Channel.SMS])
    verdict = await decide(case(**({"workflow": workflow} | changes)))
    assert ends(verdict) == [(Channel.SMS, "phone", expected)]
    assert rules(verdict.deliveries[0].trail)[-1][0] in (expected[0], Rule.PREFERENCE)


async def test_one_channel_that_fails_takes_nothing_from_the_others():
    facts = msgspec.structs.replace(
        FACTS, email=None, devices=(), preferences=(Preference("sms", "*", "*", True),)
    )
    assert ends(await decide(case(facts=facts))) == [
        (Channel.EMAIL, "email", (Rule.ADDRESS, Reason.ADDRESS_MISSING)),
        (Channel.SMS, "phone", "send"),
        (Channel.PUSH, "", (Rule.ADDRESS, Reason.ADDRESS_MISSING)),
    ]


async def test_a_render_fault_names_the_variable():
    verdict = await decide(case(render=broken))
    assert all(isinstance(one, Skip) and "data.x" in str(one.detail) for one in verdict.deliveries)


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        (DeliveryRef(channel=Channel.PUSH, step="1", address_key="d2"), "send"),
        (
            DeliveryRef(channel=Channel.PUSH, step="1", address_key="gone"),
            (Rule.ADDRESS, Reason.ADDRESS_MISSING),
        ),
        (DeliveryRef(channel=Channel.SMS, step="1", address_key="phone"), "send"),
    ],
)
async def test_one_delivery_decided_again(ref, expected):
    verdict = await decide(case(intent=intent(delivery=ref)))
    assert ends(verdict) == [(ref.channel, ref.address_key, expected)]


@pytest.mark.parametrize(
    ("locale", "default", "published", "found"),
    [
        ("de-AT", "en", ["de-AT", "de", "en"], "de-AT"),
        ("de_AT", "en", ["de-AT", "de", "en"], "de-AT"),
        ("de-AT", "en", ["de", "en"], "de"),
        ("de-AT", "en", ["en", "fr"], "en"),
        (None, "fr", ["en", "fr"], "fr"),
        ("it", "es", ["en", "fr"], None),
    ],
)
async def test_the_language_of_the_template(locale, default, published, found):
    verdict = await decide(
        case(
            facts=msgspec.structs.replace(FACTS, locale=locale),
            tenant=msgspec.structs.replace(TENANT, default_locale=default),
            workflow=msgspec.structs.replace(WORKFLOW, channels=[Channel.SMS]),
            templates=lambda channel: {one: template(channel, one) for one in published},
        )
    )
    one = verdict.deliveries[0]
    assert (one.template.locale if isinstance(one, Send) else None) == found


@pytest.mark.parametrize(
    ("asked", "ttl", "lane", "seconds"),
    [
        (None, None, Lane.CRITICAL, 600),
        (None, None, Lane.TRANSACTIONAL, 86_400),
        (None, None, Lane.BULK, 259_200),
        (None, 60, Lane.BULK, 60),
        (30, 60, Lane.BULK, 30),
        (90, 60, Lane.BULK, 90),
    ],
)
async def test_when_a_message_dies(asked, ttl, lane, seconds):
    expires = None if asked is None else EVENT_TIME + timedelta(seconds=asked)
    verdict = await decide(
        case(
            intent=intent(expires_at=expires, lane=lane),
            category=msgspec.structs.replace(CATEGORY, ttl_seconds=ttl),
        )
    )
    assert verdict.expires_at == EVENT_TIME + timedelta(seconds=seconds)


async def test_what_is_given_inline_overrides_the_directory():
    inline = InlineRecipient(
        id="ann", email="other@example.test", devices=[Device(id="x", token="tx")], attributes={"a": 2}
    )
    seen: list[Person] = []

    async def render(template: Template, category: Category, person: Person) -> Content:
        seen.append(person)
        return content_of(template.channel)

    verdict = await decide(
        case(
            intent=intent(inline=inline),
            facts=msgspec.structs.replace(FACTS, attributes={"a": 1, "b": 1}),
            render=render,
        )
    )
    assert addresses(verdict) == ["other@example.test", "+4915112345678", "tx"]
    assert seen[0].variables()["attributes"] == {"a": 2, "b": 1}


async def test_an_inline_recipient_need_not_be_known_but_preferences_hold():
    stored = Facts(version=3, preferences=(Preference("email", "*", "*", False),))
    inline = InlineRecipient(id="bob", email="bob@example.test", phone="+491")
    verdict = await decide(case(facts=stored, intent=intent(recipient="bob", inline=inline)))
    assert ends(verdict)[:2] == [
        (Channel.EMAIL, "email", (Rule.PREFERENCE, Reason.PREFERENCE_OFF)),
        (Channel.SMS, "phone", "send"),
    ]


async def test_the_record_never_holds_an_address_and_always_fits():
    trail = Trail()
    for rule in Rule:
        trail = trail.and_then(rule, "looked at", {"locale": "ü" * 900})
    decision = trail.decision()
    assert decision.truncated
    assert len(msgspec.json.encode(decision)) <= DECISION_BYTES
    assert [one.rule for one in decision.rules] == [rule.value for rule in Rule]
    for one in (await decide(case())).deliveries:
        text = msgspec.json.encode(one.trail.decision())
        assert len(text) <= DECISION_BYTES
        assert not any(secret in text for secret in (b"ann@", b"+49151", b'"t1"'))
