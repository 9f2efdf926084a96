"""Each rule of a decision: what it sees, what follows, and what the record says of it."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tocsin.contracts.directory import CategoryRecord, Step, TemplateRecord, TenantRecord, WorkflowRecord
from tocsin.contracts.intents import DeliveryRef, Intent, IntentPrivate
from tocsin.contracts.jobs import SenderIdentity
from tocsin.contracts.limits import DECISION_RULES_BYTES
from tocsin.contracts.recipients import Device, InlineRecipient
from tocsin.contracts.statuses import ChannelDecision, Decision, RuleOutcome, Target, decision_of
from tocsin.contracts.vocabulary import Channel, Lane, Outcome, Reason, Rule
from tocsin.router.policy import (
    ChannelOutcome,
    DecisionInput,
    Deliver,
    Preference,
    StoredRecipient,
    Verdict,
    decide,
    encode_fitting,
    looked_at,
    status_for,
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


def test_everything_in_order_delivers_to_each_address():
    verdict = decide(question())
    assert deliveries(verdict) == [
        (Channel.EMAIL, "email", "deliver"),
        (Channel.SMS, "phone", "deliver"),
        (Channel.PUSH, "d1", "deliver"),
        (Channel.PUSH, "d2", "deliver"),
    ]
    assert addresses(verdict) == ["ann@example.test", "+4915112345678", "t1", "t2"]
    assert rules(verdict.rules) == [
        ("expiry", "alive"),
        ("duplicate", "claimed"),
        ("recipient", "found"),
        ("category", "on"),
    ]
    email, sms, push = (rules(outcome.rules) for outcome in verdict.channels)
    first, last = [("preference", "none"), ("address", "present")], [("template", "found")]
    assert email == [*first, ("sender", "tenant's"), *last]
    assert sms == [*first, ("sender", "provider's"), *last]
    assert push == first + last


@pytest.mark.parametrize(
    ("changes", "outcome", "rule", "reason"),
    [
        ({"now": EVENT_TIME + timedelta(hours=24)}, Outcome.EXPIRED, Rule.EXPIRY, None),
        ({"intent": intent(expires_at=NOW)}, Outcome.EXPIRED, Rule.EXPIRY, None),
        ({"stored": StoredRecipient()}, Outcome.SKIPPED, Rule.RECIPIENT, Reason.RECIPIENT_UNKNOWN),
        (
            {"stored": StoredRecipient(), "intent": intent(inline=InlineRecipient(id="ann", locale="de"))},
            Outcome.SKIPPED,
            Rule.RECIPIENT,
            Reason.RECIPIENT_UNKNOWN,
        ),
        ({"workflow": None, "category": None}, Outcome.FAILED, Rule.CATEGORY, Reason.WORKFLOW_UNKNOWN),
        ({"tenant": None}, Outcome.FAILED, Rule.CATEGORY, Reason.TENANT_UNKNOWN),
        ({"category": None}, Outcome.FAILED, Rule.CATEGORY, Reason.CATEGORY_UNKNOWN),
    ],
)
def test_a_notification_that_ends_as_a_whole(changes, outcome, rule, reason):
    verdict = decide(question(**changes))
    assert (verdict.outcome, verdict.rule, verdict.reason) == (outcome, rule, reason)
    assert rules(verdict.rules)[-1][0] == rule
    assert not verdict.channels


@pytest.mark.parametrize(
    ("senders", "expected"),
    [
        ({}, [(Rule.SENDER, Reason.SENDER_MISSING), "deliver", "deliver", "deliver"]),
        ({"email": SenderIdentity(address="a@example.test")}, ["deliver"] * 4),
        (
            {"sms": SenderIdentity(address="Acme")},
            [(Rule.SENDER, Reason.SENDER_MISSING), "deliver", "deliver", "deliver"],
        ),
    ],
)
def test_mail_needs_a_sender_identity_and_a_text_may_come_from_the_providers(senders, expected):
    verdict = decide(question(tenant=msgspec.structs.replace(TENANT, senders=senders)))
    assert [what for _, _, what in deliveries(verdict)] == expected


@pytest.mark.parametrize(
    ("outcome", "reasons"),
    [
        ("skipped", "recipient_unknown category_off preference_off address_missing"),
        (
            "failed",
            (
                "tenant_unknown workflow_unknown category_unknown channel_unknown sender_missing template_missing "
                "template_failed too_large"
            ),
        ),
    ],
)
def test_what_the_owner_has_to_mend_is_failed_and_what_somebody_wants_is_skipped(outcome, reasons):
    assert {status_for(Reason(reason)) for reason in reasons.split()} == {outcome}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
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
    verdict = decide(question(**({"workflow": workflow} | changes)))
    assert deliveries(verdict) == [(Channel.SMS, "phone", expected)]
    assert rules(only(verdict).rules)[-1] == expected


def test_what_a_preference_decided_is_told_with_who_set_it_and_when():
    off = Preference("sms", "*", "*", False, "one_click", CHANGED_AT)
    stored = msgspec.structs.replace(STORED, preferences=(off,))
    workflow = msgspec.structs.replace(WORKFLOW, steps=[ON_SMS])
    skipped = only(decide(question(stored=stored, workflow=workflow)))
    assert skipped.rules[-1].input == {
        "decided_by": "sms/*/*",
        "source": "one_click",
        "changed_at": CHANGED_AT,
    }


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
    verdict = decide(question(intent=intent(delivery=ref)))
    assert deliveries(verdict) == [(ref.channel, ref.address_key, expected)]


@pytest.mark.parametrize(
    ("steps", "ref", "outcome"),
    [
        (
            [ON_ALL],
            DeliveryRef(channel=Channel.SMS, step="gone", address_key="phone"),
            (Rule.STEP, Reason.STEP_GONE),
        ),
        (
            [ON_SMS],
            DeliveryRef(channel=Channel.PUSH, step="1", address_key="d1"),
            (Rule.STEP, Reason.STEP_GONE),
        ),
        ([ON_SMS], DeliveryRef(channel=Channel.SMS, step="1", address_key="phone"), None),
        (
            [ON_SMS, Step(name="again", channels=(Channel.PUSH,))],
            DeliveryRef(channel=Channel.PUSH, step="again", address_key="d1"),
            None,
        ),
    ],
)
def test_a_delivery_decided_again_finds_its_step_by_name(steps, ref, outcome):
    workflow = msgspec.structs.replace(WORKFLOW, steps=steps)
    decided = only(decide(question(workflow=workflow, intent=intent(delivery=ref))))
    assert decided.ref == ref
    if isinstance(decided, Deliver):
        assert outcome is None
    else:
        assert (decided.rule, decided.reason) == outcome
        assert decided.rules[-1].input == {"step": ref.step}


def test_steps_are_walked_in_order_and_each_has_its_template():
    steps = [Step(name="b", channels=(Channel.PUSH, Channel.SMS), template="short"), ON_SMS]
    short = msgspec.structs.replace(template(Channel.SMS), name="short")
    verdict = decide(
        question(
            workflow=msgspec.structs.replace(WORKFLOW, steps=steps),
            templates={
                (Channel.SMS, "default"): {"en": template(Channel.SMS)},
                (Channel.SMS, "short"): {"en": short},
            },
        )
    )
    assert [(outcome.ref.step, outcome.ref.channel) for outcome in verdict.channels] == [
        ("b", Channel.PUSH),
        ("b", Channel.SMS),
        ("1", Channel.SMS),
    ]
    assert [outcome.template.name if outcome.template else None for outcome in verdict.channels] == [
        None,
        "short",
        "default",
    ]


@pytest.mark.parametrize(("withheld", "outcome"), [(0, Outcome.DECIDED), (19, Outcome.FAILED)])
def test_targets_that_get_nothing_count_too_for_what_a_decision_holds(withheld: int, outcome: Outcome):
    """Each channel that gets nothing has a target as well: they have to fit beside those that are sent to."""
    devices = tuple(Device(id="d" * 1087 + f"{number:02}", token="t") for number in range(50))
    steps = [
        Step(name="all", channels=(Channel.PUSH,)),
        *(Step(name=str(number), channels=(Channel.SMS,), template="none") for number in range(withheld)),
    ]
    verdict = decide(
        question(
            stored=msgspec.structs.replace(STORED, devices=devices),
            workflow=msgspec.structs.replace(WORKFLOW, steps=steps),
        )
    )
    assert verdict.outcome is outcome


@pytest.mark.parametrize(
    ("locale", "default", "published", "found"),
    [
        ("de-AT", "en", ["de-AT", "de", "en"], "de-AT"),
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
    verdict = decide(
        question(
            intent=intent(expires_at=expires, lane=lane),
            category=msgspec.structs.replace(CATEGORY, ttl_seconds=ttl),
        )
    )
    assert [outcome.expires_at for outcome in verdict.channels if isinstance(outcome, Deliver)] == [
        EVENT_TIME + timedelta(seconds=seconds)
    ] * 3


def test_what_is_given_inline_overrides_the_directory():
    inline = InlineRecipient(
        id="ann", email="other@example.test", devices=[Device(id="x", token="tx")], attributes={"a": 2}
    )
    verdict = decide(
        question(
            intent=intent(inline=inline),
            stored=msgspec.structs.replace(STORED, attributes={"a": 1, "b": 1}),
        )
    )
    assert addresses(verdict) == ["other@example.test", "+4915112345678", "tx"]
    for outcome in verdict.channels:
        assert isinstance(outcome, Deliver)
        assert outcome.recipient.variables()["attributes"] == {"a": 2, "b": 1}


def test_an_inline_recipient_need_not_be_known_but_preferences_hold():
    stored = StoredRecipient(
        version=3, preferences=(Preference("email", "*", "*", False, "api", CHANGED_AT),)
    )
    inline = InlineRecipient(id="bob", email="bob@example.test", phone="+491")
    verdict = decide(question(stored=stored, intent=intent(recipient="bob", inline=inline)))
    assert deliveries(verdict)[:2] == [
        (Channel.EMAIL, "email", (Rule.PREFERENCE, Reason.PREFERENCE_OFF)),
        (Channel.SMS, "phone", "deliver"),
    ]


def decision(*, channels: int, words: int) -> Decision:
    """A decision with every rule for itself and for each of its channels, each with an input of so many letters."""
    looked = [looked_at(rule, "looked at", {"locale": "ü" * words}) for rule in Rule]
    target = Target("d", "email", None, "routed", None, None)
    fields = [
        ChannelDecision(step="1", channel=f"c{number}", rules=list(looked), targets=[target] * 50)
        for number in range(channels)
    ]
    return decision_of(
        intent(), Outcome.DECIDED, lane=Lane.BULK, cause="t/0/1", at=NOW, rules=looked, channels=fields
    )


@pytest.mark.parametrize(
    ("channels", "words", "rules_left"),
    [
        (1, 1, ["inputs", "inputs"]),
        (1, 900, ["bare", "bare"]),
        (5, 30, ["bare", *["bare"] * 5]),
        (20, 1, ["bare", *["none"] * 20]),
    ],
)
def test_rules_are_cut_to_4_kib_and_targets_never(channels, words, rules_left):
    written = msgspec.json.decode(encode_fitting(decision(channels=channels, words=words)), type=Decision)
    kept = [written.rules, *(channel.rules for channel in written.channels)]
    assert sum(len(msgspec.json.encode(rules)) for rules in kept) <= DECISION_RULES_BYTES
    assert ["none" if not rules else "inputs" if rules[0].input else "bare" for rules in kept] == rules_left
    assert written.truncated == ("inputs" not in rules_left)
    assert all(len(channel.targets) == 50 for channel in written.channels)


def test_no_rule_holds_an_address():
    verdict = decide(question())
    text = msgspec.json.encode([verdict.rules, [outcome.rules for outcome in verdict.channels]])
    assert not any(secret in text for secret in (b"ann@", b"+49151", b'"t1"'))
