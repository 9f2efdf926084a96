"""Each rule of a decision: what it sees, what follows, and what the record says of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tocsin.contracts.directory import CategoryRecord, Step, TemplateRecord, TenantRecord, WorkflowRecord
from tocsin.contracts.intents import DeliveryRef, Intent, IntentPrivate
from tocsin.contracts.jobs import SenderIdentity
from tocsin.contracts.limits import DECISION_BYTES
from tocsin.contracts.recipients import Device, InlineRecipient
from tocsin.contracts.vocabulary import Channel, Lane, Reason, Rule, StatusName
from tocsin.router.policy import (
    DecisionInput,
    DecisionLog,
    DecisionOutcome,
    Deliver,
    Preference,
    Skip,
    Stop,
    StoredRecipient,
    decide,
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
ON_ALL = Step(name="1", channels=tuple(Channel))
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
        "templates": {(channel, "default"): {"en": template(channel)} for channel in Channel},
    }
    return DecisionInput(**(fields | changes))


def rules(log: DecisionLog) -> list[tuple[str, str]]:
    return [(looked_at.rule, looked_at.outcome) for looked_at in log.decision().rules]


def deliveries(outcomes: list[DecisionOutcome]) -> list[tuple[Any, ...]]:
    """Of each delivery its channel, its address key, and `deliver` or what skipped it."""
    told: list[tuple[Any, ...]] = []
    for outcome in outcomes:
        assert not isinstance(outcome, Stop)
        channel = outcome.ref.channel
        if isinstance(outcome, Deliver):
            told += [(channel, key, "deliver") for key, _ in outcome.addresses]
        else:
            told.append((channel, outcome.ref.address_key, (outcome.rule, outcome.reason)))
    return told


def addresses(outcomes: list[DecisionOutcome]) -> list[str]:
    return [
        address for outcome in outcomes if isinstance(outcome, Deliver) for _, address in outcome.addresses
    ]


def only(outcomes: list[DecisionOutcome]) -> DecisionOutcome:
    (outcome,) = outcomes
    return outcome


def test_everything_in_order_delivers_to_each_address():
    outcomes = decide(question())
    assert deliveries(outcomes) == [
        (Channel.EMAIL, "email", "deliver"),
        (Channel.SMS, "phone", "deliver"),
        (Channel.PUSH, "d1", "deliver"),
        (Channel.PUSH, "d2", "deliver"),
    ]
    assert addresses(outcomes) == ["ann@example.test", "+4915112345678", "t1", "t2"]
    for outcome in outcomes:
        assert rules(outcome.log) == [
            ("expiry", "alive"),
            ("duplicate", "claimed"),
            ("recipient", "found"),
            ("category", "on"),
            ("preference", "none"),
            ("address", "present"),
            ("template", "found"),
        ]


@pytest.mark.parametrize(
    ("changes", "status", "rule", "reason"),
    [
        ({"now": EVENT_TIME + timedelta(hours=24)}, StatusName.EXPIRED, Rule.EXPIRY, None),
        ({"intent": intent(expires_at=NOW)}, StatusName.EXPIRED, Rule.EXPIRY, None),
        ({"stored": StoredRecipient()}, StatusName.SKIPPED, Rule.RECIPIENT, Reason.RECIPIENT_UNKNOWN),
        (
            {"stored": StoredRecipient(), "intent": intent(inline=InlineRecipient(id="ann", locale="de"))},
            StatusName.SKIPPED,
            Rule.RECIPIENT,
            Reason.RECIPIENT_UNKNOWN,
        ),
        ({"workflow": None, "category": None}, StatusName.SKIPPED, Rule.CATEGORY, Reason.WORKFLOW_UNKNOWN),
        ({"tenant": None}, StatusName.SKIPPED, Rule.CATEGORY, Reason.TENANT_UNKNOWN),
    ],
)
def test_a_notification_that_ends_as_a_whole(changes, status, rule, reason):
    stop = only(decide(question(**changes)))
    assert isinstance(stop, Stop)
    assert (stop.status, stop.rule, stop.reason) == (status, rule, reason)
    assert rules(stop.log)[-1][0] == rule


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"category": None}, (Rule.CATEGORY, Reason.CATEGORY_UNKNOWN)),
        (
            {
                "stored": msgspec.structs.replace(
                    STORED, preferences=(Preference("sms", "orders", "*", False, "api", CHANGED_AT),)
                )
            },
            (Rule.PREFERENCE, Reason.PREFERENCE_OFF),
        ),
        (
            {"category": msgspec.structs.replace(CATEGORY, default="off")},
            (Rule.CATEGORY, Reason.CATEGORY_OFF),
        ),
        (
            {"stored": msgspec.structs.replace(STORED, phone=None)},
            (Rule.ADDRESS, Reason.ADDRESS_MISSING),
        ),
        ({"templates": {}}, (Rule.TEMPLATE, Reason.TEMPLATE_MISSING)),
        ({"templates": {(Channel.SMS, "default"): {}}}, (Rule.TEMPLATE, Reason.TEMPLATE_MISSING)),
    ],
)
def test_a_channel_that_gets_nothing(changes, expected):
    workflow = msgspec.structs.replace(WORKFLOW, steps=[ON_SMS])
    outcomes = decide(question(**({"workflow": workflow} | changes)))
    assert deliveries(outcomes) == [(Channel.SMS, "phone", expected)]
    assert rules(only(outcomes).log)[-1][0] in (expected[0], Rule.PREFERENCE)


def test_what_a_preference_decided_is_told_with_who_set_it_and_when():
    off = Preference("sms", "*", "*", False, "one_click", CHANGED_AT)
    stored = msgspec.structs.replace(STORED, preferences=(off,))
    workflow = msgspec.structs.replace(WORKFLOW, steps=[ON_SMS])
    skipped = only(decide(question(stored=stored, workflow=workflow)))
    (seen,) = [one.input for one in skipped.log.decision().rules if one.rule is Rule.PREFERENCE]
    assert seen == {"decided_by": "sms/*/*", "source": "one_click", "changed_at": CHANGED_AT}


def test_one_channel_that_fails_takes_nothing_from_the_others():
    stored = msgspec.structs.replace(
        STORED, email=None, devices=(), preferences=(Preference("sms", "*", "*", True, "api", CHANGED_AT),)
    )
    assert deliveries(decide(question(stored=stored))) == [
        (Channel.EMAIL, "email", (Rule.ADDRESS, Reason.ADDRESS_MISSING)),
        (Channel.SMS, "phone", "deliver"),
        (Channel.PUSH, "", (Rule.ADDRESS, Reason.ADDRESS_MISSING)),
    ]


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        (DeliveryRef(channel=Channel.PUSH, step="1", address_key="d2"), "deliver"),
        (
            DeliveryRef(channel=Channel.PUSH, step="1", address_key="gone"),
            (Rule.ADDRESS, Reason.ADDRESS_MISSING),
        ),
        (DeliveryRef(channel=Channel.SMS, step="1", address_key="phone"), "deliver"),
    ],
)
def test_one_delivery_decided_again(ref, expected):
    outcomes = decide(question(intent=intent(delivery=ref)))
    assert deliveries(outcomes) == [(ref.channel, ref.address_key, expected)]


@pytest.mark.parametrize(
    ("steps", "ref", "outcome"),
    [
        ([ON_ALL], DeliveryRef(channel=Channel.SMS, step="gone", address_key="phone"), "step_gone"),
        ([ON_SMS], DeliveryRef(channel=Channel.PUSH, step="1", address_key="d1"), "step_gone"),
        ([ON_SMS], DeliveryRef(channel=Channel.SMS, step="1", address_key="phone"), "found"),
        (
            [ON_SMS, Step(name="again", channels=(Channel.PUSH,))],
            DeliveryRef(channel=Channel.PUSH, step="again", address_key="d1"),
            "found",
        ),
    ],
)
def test_a_delivery_decided_again_finds_its_step_by_name(steps, ref, outcome):
    workflow = msgspec.structs.replace(WORKFLOW, steps=steps)
    decided = only(decide(question(workflow=workflow, intent=intent(delivery=ref))))
    assert ("step", outcome) in rules(decided.log)
    if isinstance(decided, Deliver):
        assert (decided.ref, outcome) == (ref, "found")
    else:
        assert isinstance(decided, Skip)
        assert (decided.ref, decided.rule, decided.reason) == (ref, Rule.STEP, Reason.STEP_GONE)


def test_steps_are_walked_in_order_and_each_has_its_template():
    steps = [Step(name="b", channels=(Channel.PUSH, Channel.SMS), template="short"), ON_SMS]
    short = msgspec.structs.replace(template(Channel.SMS), name="short")
    outcomes = decide(
        question(
            workflow=msgspec.structs.replace(WORKFLOW, steps=steps),
            templates={
                (Channel.SMS, "default"): {"en": template(Channel.SMS)},
                (Channel.SMS, "short"): {"en": short},
            },
        )
    )
    assert [
        (outcome.ref.step, outcome.ref.channel) for outcome in outcomes if not isinstance(outcome, Stop)
    ] == [
        ("b", Channel.PUSH),
        ("b", Channel.SMS),
        ("1", Channel.SMS),
    ]
    assert [
        outcome.template.name if outcome.template else None
        for outcome in outcomes
        if not isinstance(outcome, Stop)
    ] == [None, "short", "default"]


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
def test_the_language_of_the_template(locale, default, published, found):
    outcome = only(
        decide(
            question(
                stored=msgspec.structs.replace(STORED, locale=locale),
                tenant=msgspec.structs.replace(TENANT, default_locale=default),
                workflow=msgspec.structs.replace(WORKFLOW, steps=[ON_SMS]),
                templates={(Channel.SMS, "default"): {tag: template(Channel.SMS, tag) for tag in published}},
            )
        )
    )
    assert (outcome.template.locale if isinstance(outcome, Deliver) else None) == found


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
def test_when_a_message_dies(asked, ttl, lane, seconds):
    expires = None if asked is None else EVENT_TIME + timedelta(seconds=asked)
    outcomes = decide(
        question(
            intent=intent(expires_at=expires, lane=lane),
            category=msgspec.structs.replace(CATEGORY, ttl_seconds=ttl),
        )
    )
    assert [outcome.expires_at for outcome in outcomes if isinstance(outcome, Deliver)] == [
        EVENT_TIME + timedelta(seconds=seconds)
    ] * 3


def test_what_is_given_inline_overrides_the_directory():
    inline = InlineRecipient(
        id="ann", email="other@example.test", devices=[Device(id="x", token="tx")], attributes={"a": 2}
    )
    outcomes = decide(
        question(
            intent=intent(inline=inline),
            stored=msgspec.structs.replace(STORED, attributes={"a": 1, "b": 1}),
        )
    )
    assert addresses(outcomes) == ["other@example.test", "+4915112345678", "tx"]
    for outcome in outcomes:
        assert isinstance(outcome, Deliver)
        assert outcome.recipient.variables()["attributes"] == {"a": 2, "b": 1}


def test_an_inline_recipient_need_not_be_known_but_preferences_hold():
    stored = StoredRecipient(
        version=3, preferences=(Preference("email", "*", "*", False, "api", CHANGED_AT),)
    )
    inline = InlineRecipient(id="bob", email="bob@example.test", phone="+491")
    outcomes = decide(question(stored=stored, intent=intent(recipient="bob", inline=inline)))
    assert deliveries(outcomes)[:2] == [
        (Channel.EMAIL, "email", (Rule.PREFERENCE, Reason.PREFERENCE_OFF)),
        (Channel.SMS, "phone", "deliver"),
    ]


def test_the_record_never_holds_an_address_and_always_fits():
    log = DecisionLog()
    for rule in Rule:
        log = log.and_then(rule, "looked at", {"locale": "ü" * 900})
    decision = log.decision()
    assert decision.truncated
    assert len(msgspec.json.encode(decision)) <= DECISION_BYTES
    assert [looked_at.rule for looked_at in decision.rules] == [rule.value for rule in Rule]
    for outcome in decide(question()):
        text = msgspec.json.encode(outcome.log.decision())
        assert len(text) <= DECISION_BYTES
        assert not any(secret in text for secret in (b"ann@", b"+49151", b'"t1"'))
