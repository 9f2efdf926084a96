"""Which steps and channels a decision has, when one delivery is decided again, and which template each gets."""

import msgspec
import pytest
from tests.unit.router_worker.questions import (
    ON_ALL,
    ON_SMS,
    STORED,
    TENANT,
    WORKFLOW,
    deliveries,
    intent,
    only,
    question,
    template,
)

from tocsin.contracts.directory import Step
from tocsin.contracts.intents import DeliveryRef
from tocsin.contracts.vocabulary import Channel, Reason, Rule
from tocsin.router.policy import (
    Deliver,
    decide,
)


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


@pytest.mark.parametrize(
    ("locale", "default", "published", "found"),
    [
        ("de-AT", "en", ["de-AT", "de", "en"], "de-AT"),
        ("de-AT", "en", ["de", "en"], "de"),
        ("de-AT", "en", ["en", "fr"], "en"),
        (None, "fr", ["en", "fr"], "fr"),
        ("it", "es", ["en", "fr"], None),
        ("zh-Hant-TW", "en", ["en", "zh", "zh-Hant"], "zh-Hant"),
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
