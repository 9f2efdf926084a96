"""The table of channels: where addresses stand, and how rendered parts become content."""

import msgspec

from tocsin.contracts.actions import Action
from tocsin.contracts.address_kinds import CHAT_PLACE, DEVICE, MAIL_ADDRESS, PHONE_NUMBER
from tocsin.contracts.channels import ADDRESS_FIELDS, CHANNELS
from tocsin.contracts.codec import decode_job, encode
from tocsin.contracts.contents import ChatContent, EmailContent, PushContent
from tocsin.contracts.recipients import ChatPlace, Device, InlineRecipient
from tocsin.contracts.vocabulary import Channel
from tocsin.testing.jobs import job_for

PHONE, TABLET = (
    Device(id="phone", token="token-1"),
    Device(id="tablet", token="token-2", kind="apns", app="shop"),
)
ADA = InlineRecipient(id="ada", email="ada@example.org", devices=[PHONE, TABLET])


def test_an_address_has_its_fields_name_as_key_and_a_device_its_id():
    assert MAIL_ADDRESS.destinations(ADA) == [("email", "ada@example.org", None, None)]
    assert PHONE_NUMBER.destinations(ADA) == []
    assert DEVICE.destinations(ADA) == [
        ("phone", "token-1", "fcm", None),
        ("tablet", "token-2", "apns", "shop"),
    ]
    assert DEVICE.destinations(InlineRecipient(id="ada", devices=[])) == []


def test_a_delivery_without_address_has_a_key_where_a_recipient_has_one_address():
    assert [kind.key_without_address for kind in (MAIL_ADDRESS, PHONE_NUMBER, DEVICE)] == [
        "email",
        "phone",
        "",
    ]


def test_a_delivery_to_a_device_needs_only_that_device():
    assert DEVICE.narrowed(ADA, "tablet") == msgspec.structs.replace(ADA, devices=[TABLET])
    assert DEVICE.narrowed(None, "tablet") is None
    assert DEVICE.narrowed(InlineRecipient(id="ada"), "tablet") == InlineRecipient(id="ada")
    assert MAIL_ADDRESS.narrowed(ADA, "email") is ADA


def test_each_place_in_a_chat_is_a_destination_of_its_kind():
    team = ChatPlace(id="team", kind="slack", address="C1")
    hook = ChatPlace(id="hook", kind="slack_webhook", address="https://hooks.slack.com/services/T/B/x")
    ada = InlineRecipient(id="ada", chats=[team, hook])
    assert CHAT_PLACE.destinations(ada) == [
        ("team", "C1", "slack", None),
        ("hook", "https://hooks.slack.com/services/T/B/x", "slack_webhook", None),
    ]
    assert CHAT_PLACE.narrowed(ada, "hook") == InlineRecipient(id="ada", chats=[hook])


def test_buttons_become_actions_in_their_order():
    spec = CHANNELS[Channel.CHAT]
    texts = {
        "text": "t",
        "actions.2.label": "b",
        "actions.2.url": "https://b",
        "actions.1.label": "a",
        "actions.1.url": "https://a",
    }
    assert spec.content_of(texts) == ChatContent(
        text="t", actions=[Action(label="a", url="https://a"), Action(label="b", url="https://b")]
    )


def test_fields_with_one_address_are_known_by_name():
    assert ADDRESS_FIELDS == ("email", "phone")


def test_parts_become_content_and_unknown_parts_are_ignored():
    email = CHANNELS[Channel.EMAIL].content_of({"subject": "s", "html": "<p>", "amp": "?"})
    assert email == EmailContent(subject="s", html="<p>")
    push = CHANNELS[Channel.PUSH].content_of({"title": "t", "body": "b", "data.order": "7"})
    assert push == PushContent(title="t", body="b", data={"order": "7"})


def test_jobs_of_every_channel_are_read_back_as_their_own_content():
    for channel, spec in ((spec.channel, spec) for spec in CHANNELS.values()):
        job = decode_job(encode(job_for(channel)))
        assert type(job.private.content) is spec.content
        assert msgspec.to_builtins(job.private.content)["kind"] == channel.value
