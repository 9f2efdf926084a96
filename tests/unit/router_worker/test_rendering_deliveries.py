"""What was decided gets its words: once a channel, or is withheld with what is wrong in the template."""

import gc
import itertools
import weakref
from datetime import UTC, datetime

import msgspec
import pytest

from tocsin.contracts.directory import CategoryRecord, TemplateRecord, TenantRecord
from tocsin.contracts.intents import Intent, IntentPrivate
from tocsin.contracts.jobs import EmailContent, PushContent, SenderIdentity, SmsContent
from tocsin.contracts.recipients import Device
from tocsin.contracts.statuses import RuleOutcome
from tocsin.contracts.vocabulary import Channel, ClaimOutcome, Lane, Reason, Rule
from tocsin.programs import CrashNote
from tocsin.router.policy import DecisionInput, StoredRecipient, Withhold, decide
from tocsin.router.secret_keys import SecretKey
from tocsin.router.templates import Renderer
from tocsin.router.tokens import UnsubscribeTokens
from tocsin.router.worker.render import DeliveryRenderer, Rendered
from tocsin.runtime import LoopSlice

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def question(workflow, templates):
    revisions = itertools.count(1)

    def make(
        *, data: bytes = b'{"name":"Ann"}', default: str = "on", **parts: dict[str, str]
    ) -> DecisionInput:
        published: dict[tuple[str, str], dict[str, TemplateRecord]] = {}
        for template in templates():
            own = parts.get(template.channel.value, template.parts)
            published[template.channel, template.name] = {
                "en": msgspec.structs.replace(template, revision=next(revisions), parts=own)
            }
        intent = Intent(
            tenant="acme", notification_id="n1", event_source="/s", event_id="e1", event_type="t", event_time=AT,
            workflow="shipped", recipient="ann", private=IntentPrivate(actor="boss", data=msgspec.Raw(data)), lane=Lane.BULK, origin="o", cause="c",
        )  # fmt: skip
        return DecisionInput(
            intent=intent,
            claim=ClaimOutcome.CLAIMED,
            now=AT,
            stored=StoredRecipient(
                known=True, email="ann@example.test", phone="+491", devices=(Device(id="d1", token="t1"), Device(id="d2", token="t2"))
            ),
            stored_actor=StoredRecipient(known=True, attributes={"name": "Bo"}),
            tenant=TenantRecord(tenant="acme", name="Acme", senders={Channel.EMAIL: SenderIdentity(address="a@b.test")}),
            workflow=workflow(),
            category=msgspec.convert({"kind": "category", "tenant": "acme", "key": "orders", "default": default}, CategoryRecord),
            templates=published,
        )  # fmt: skip

    return make


@pytest.fixture
def render():
    tokens = UnsubscribeTokens([SecretKey("k1", "s" * 32)])
    renderer = DeliveryRenderer(renderer=Renderer(), public_url="https://n.example.test", tokens=tokens)

    async def rendered(question: DecisionInput) -> list[Rendered | Withhold]:
        return await renderer.render(question, decide(question).channels, LoopSlice())

    return rendered


def last_rule(rules: list[RuleOutcome]) -> tuple[str, str]:
    return rules[-1].rule, rules[-1].outcome


async def test_each_channel_is_rendered_once_for_all_its_addresses(question, render):
    email, sms, push = await render(question())
    assert (email.content.subject, sms.content, push.content) == (
        "Hi Ann",
        SmsContent(body="Sms Ann"),
        PushContent(title="Push", body="Push Ann"),
    )
    assert isinstance(email.content, EmailContent)
    assert [each.address_key for each in push.deliver.destinations] == ["d1", "d2"]
    assert {last_rule(result.deliver.rules) for result in (email, sms, push)} == {("render", "rendered")}


async def test_a_template_that_fails_withholds_its_channel_once_and_no_other(question, render):
    email, sms, push = await render(question(push={"title": "t", "body": "{{ data.nme }}"}))
    assert isinstance(email, Rendered)
    assert isinstance(sms, Rendered)
    assert isinstance(push, Withhold)
    assert (push.rule, push.reason, push.ref.address_key) == (Rule.RENDER, Reason.TEMPLATE_FAILED, "")
    assert push.detail is not None
    assert push.detail.startswith("body: Line 1: undefined variable at `data.nme`")
    assert push.template is not None
    assert last_rule(push.rules) == ("render", "template_failed")
    assert push.rules[-1].input == {"part": "body"}


async def test_what_is_not_delivered_is_passed_on_as_it_is(question, render):
    nobody = msgspec.structs.replace(question(), stored=StoredRecipient())
    assert await render(nobody) == []
    off = msgspec.structs.replace(
        question(), category=CategoryRecord(tenant="acme", key="orders", default="off")
    )
    assert [result.reason for result in await render(off)] == [Reason.CATEGORY_OFF] * 3


async def test_a_link_is_made_for_mail_and_for_who_prints_it(question, render):
    email, sms, push = await render(question(sms={"body": "{{ links.unsubscribe }}"}))
    assert email.unsubscribe_url.startswith("https://n.example.test/u/")
    assert email.content.text == email.unsubscribe_url
    assert sms.content.body == sms.unsubscribe_url != email.unsubscribe_url
    assert push.unsubscribe_url is None
    email, sms, _ = await render(
        question(default="required", sms={"body": "to end: {{ links.unsubscribe }}"})
    )
    assert (email.unsubscribe_url, sms.unsubscribe_url, sms.content.body) == (None, None, "to end:")


async def test_an_actor_and_data_that_was_decoded_before(question, render):
    asked = question(sms={"body": "{{ actor.attributes.name }}: {{ data.name }}"})
    _, sms, _ = await render(asked)
    assert sms.content.body == "Bo: Ann"
    _, sms, _ = await render(msgspec.structs.replace(asked, decoded_data={"name": "Zoe"}))
    assert sms.content.body == "Bo: Zoe"


async def test_what_rendered_under_a_note_keeps_it_no_longer_than_its_renderer_lives(question):
    note = CrashNote()
    gone = weakref.ref(note)
    tokens = UnsubscribeTokens([SecretKey("k1", "s" * 32)])
    renderer = DeliveryRenderer(renderer=Renderer(), public_url=None, tokens=tokens, note=note)
    asked = question()
    assert len(await renderer.render(asked, decide(asked).channels, LoopSlice())) == 3
    del renderer, note
    gc.collect()
    assert gone() is None
