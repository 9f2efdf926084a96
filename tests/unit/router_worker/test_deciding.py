"""Each rule of a decision: what it sees, what follows, and what the record says of it."""

from datetime import timedelta

import msgspec
import pytest
from tests.unit.router_worker.questions import (
    CATEGORY,
    CHANGED_AT,
    EVENT_TIME,
    NOW,
    ON_SMS,
    STORED,
    TENANT,
    WORKFLOW,
    addresses,
    deliveries,
    intent,
    only,
    question,
    rules,
)

from tocsin.contracts.address_kinds import Destination
from tocsin.contracts.directory import Step
from tocsin.contracts.intents import DeliveryRef
from tocsin.contracts.jobs import SenderIdentity
from tocsin.contracts.recipients import Device, InlineRecipient
from tocsin.contracts.vocabulary import Channel, Lane, Outcome, Reason, Rule
from tocsin.router.policy import (
    Deliver,
    Preference,
    StoredRecipient,
    decide,
    status_for,
)


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


def test_no_rule_holds_an_address():
    verdict = decide(question())
    text = msgspec.json.encode([verdict.rules, [outcome.rules for outcome in verdict.channels]])
    assert not any(secret in text for secret in (b"ann@", b"+49151", b'"t1"'))


ON_WEBHOOK = Step(name="1", channels=(Channel.WEBHOOK,))
TO_ENDPOINTS = msgspec.structs.replace(WORKFLOW, steps=[ON_WEBHOOK])
ENDPOINTS = [Destination("billing", "billing", None), Destination("shop", "shop", None)]


def test_a_webhook_goes_to_the_endpoints_of_the_tenant_whatever_the_recipient_has():
    nobody = StoredRecipient(known=True)
    verdict = decide(question(workflow=TO_ENDPOINTS, stored=nobody, endpoints=ENDPOINTS))
    assert deliveries(verdict) == [
        (Channel.WEBHOOK, "billing", "deliver"),
        (Channel.WEBHOOK, "shop", "deliver"),
    ]


def test_one_webhook_that_is_decided_again_goes_to_its_endpoint_while_that_wants_it():
    ref = DeliveryRef(channel="webhook", step="1", address_key="shop")
    again = intent(delivery=ref)
    verdict = decide(question(intent=again, workflow=TO_ENDPOINTS, endpoints=ENDPOINTS))
    assert deliveries(verdict) == [(Channel.WEBHOOK, "shop", "deliver")]
    gone = decide(question(intent=again, workflow=TO_ENDPOINTS, endpoints=ENDPOINTS[:1]))
    assert deliveries(gone) == [(Channel.WEBHOOK, "shop", (Rule.ADDRESS, Reason.ADDRESS_MISSING))]


def test_without_an_endpoint_there_is_no_address():
    verdict = decide(question(workflow=TO_ENDPOINTS))
    assert deliveries(verdict) == [(Channel.WEBHOOK, "", (Rule.ADDRESS, Reason.ADDRESS_MISSING))]
