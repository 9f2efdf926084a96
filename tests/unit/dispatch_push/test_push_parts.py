"""Where each push service finds what a template says beside title, body and data."""

from typing import Any

import msgspec

from tocsin.channel import Rejected
from tocsin.contracts.actions import InboxAction
from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.jobs import PushContent
from tocsin.contracts.push_overrides import PUSH_OVERRIDES
from tocsin.contracts.vocabulary import Channel, DeviceKind
from tocsin.dispatch_push import apns_message, webpush_message
from tocsin.dispatch_push.fcm_parts import with_parts
from tocsin.dispatch_push.push_buttons import as_text
from tocsin.dispatch_push.settings import KINDS
from tocsin.testing.jobs import job_for

CONTENT = PushContent(
    title="t",
    body="b",
    link="https://shop.example/orders/1",
    image="https://shop.example/1.png",
    sound="chime.caf",
    badge=3,
    overrides={
        "fcm": {"priority": "high", "channel_id": "orders", "color": "#3366ff", "analytics_label": "a"},
        "apns": {
            "subtitle": "s", "thread-id": "orders", "interruption-level": "passive", "relevance-score": 0.5, "content-available": True,
            "mutable-content": False, "priority": "5",
        },
        "webpush": {"urgency": "high", "icon": "https://shop.example/i.png", "silent": True},
    },
)  # fmt: skip


def bare() -> dict[str, Any]:
    return {"notification": {}, "android": {"notification": {}}, "apns": {}}


def test_fcm() -> None:
    assert with_parts(bare(), CONTENT) == {
        "notification": {"image": "https://shop.example/1.png"},
        "android": {
            "priority": "high",
            "notification": {
                "sound": "chime.caf",
                "notification_count": 3,
                "channel_id": "orders",
                "color": "#3366ff",
            },
        },
        "apns": {
            "fcm_options": {"image": "https://shop.example/1.png"},
            "payload": {"aps": {"mutable-content": 1, "sound": "chime.caf", "badge": 3}},
        },
        "fcm_options": {"analytics_label": "a"},
    }
    assert with_parts(bare(), PushContent(title="t", body="b")) == bare()


def test_apns() -> None:
    job = job_for(Channel.PUSH, target=DeviceKind.APNS, content=CONTENT)
    message = apns_message.message_of(job, "com.example.shop", scheme=b"https", authority=b"x")
    assert not isinstance(message, Rejected)
    assert dict(message.head)[b"apns-priority"] == b"5"
    payload = msgspec.json.decode(message.payload)
    assert payload["aps"] == {
        "alert": {"title": "t", "body": "b", "subtitle": "s"},
        "sound": "chime.caf",
        "badge": 3,
        "mutable-content": 1,  # a picture needs it
        "content-available": 1,
        "thread-id": "orders",
        "interruption-level": "passive",
        "relevance-score": 0.5,
    }
    assert (payload["tocsin_link"], payload["tocsin_image"]) == (CONTENT.link, CONTENT.image)


BUTTONS = PushContent(
    title="t",
    body="b",
    actions=[
        InboxAction(name="track", label="Track it", url="https://dhl.example/1"),
        InboxAction(name="later", label="Später"),
    ],
)
SHOWN = [
    {"name": "track", "label": "Track it", "url": "https://dhl.example/1"},
    {"name": "later", "label": "Später"},
]
IN_BROWSERS = [{"action": "track", "title": "Track it"}, {"action": "later", "title": "Später"}]


def test_buttons_of_apns_have_a_category_that_an_app_can_register() -> None:
    job = job_for(Channel.PUSH, target=DeviceKind.APNS, content=BUTTONS)
    message = apns_message.message_of(job, "com.example.shop", scheme=b"https", authority=b"x")
    assert not isinstance(message, Rejected)
    payload = msgspec.json.decode(message.payload)
    assert (payload["tocsin_actions"], payload["aps"]["category"]) == (SHOWN, "track.later")
    assert payload["aps"]["mutable-content"] == 1
    own = msgspec.structs.replace(BUTTONS, overrides={"apns": {"category": "ORDER"}})
    job = job_for(Channel.PUSH, target=DeviceKind.APNS, content=own)
    message = apns_message.message_of(job, "com.example.shop", scheme=b"https", authority=b"x")
    assert not isinstance(message, Rejected)
    assert msgspec.json.decode(message.payload)["aps"]["category"] == "ORDER"


def test_buttons_of_web_push_are_shown_by_the_browser_and_lead_where_the_worker_finds_it() -> None:
    shown = webpush_message.shown_of(
        job_for(Channel.PUSH, target=DeviceKind.WEBPUSH, content=BUTTONS), BUTTONS
    )
    assert msgspec.to_builtins((shown["actions"], shown["data"]["tocsin_actions"])) == (IN_BROWSERS, SHOWN)


def test_buttons_of_fcm_are_for_ios_for_browsers_and_in_the_data_for_the_app() -> None:
    parts = with_parts(bare() | {"webpush": {"fcm_options": {"link": "https://shop.example/"}}}, BUTTONS)
    assert parts["apns"]["payload"]["aps"] == {"category": "track.later", "mutable-content": 1}
    assert parts["webpush"] == {
        "fcm_options": {"link": "https://shop.example/"},
        "notification": {"actions": IN_BROWSERS},
    }
    assert msgspec.json.decode(as_text(BUTTONS.actions)) == SHOWN


def test_the_messages_link_comes_before_the_notifications() -> None:
    job = job_for(Channel.PUSH, target=DeviceKind.APNS, content=CONTENT)
    job.intent.private.link = "https://shop.example/"
    message = apns_message.message_of(job, "com.example.shop", scheme=b"https", authority=b"x")
    assert not isinstance(message, Rejected)
    assert msgspec.json.decode(message.payload)["tocsin_link"] == CONTENT.link


def test_web_push() -> None:
    job = job_for(Channel.PUSH, target=DeviceKind.WEBPUSH, content=CONTENT)
    shown = webpush_message.shown_of(job, CONTENT)
    assert shown | {"data": {}} == {
        "title": "t",
        "body": "b",
        "tag": job.delivery_id,
        "image": CONTENT.image,
        "icon": "https://shop.example/i.png",
        "silent": True,
        "data": {},
    }
    assert shown["data"]["tocsin_badge"] == "3"
    assert shown["data"]["tocsin_link"] == CONTENT.link
    assert webpush_message.urgency_of(job, CONTENT) == "high"


def test_every_kind_with_overrides_is_an_adapters() -> None:
    served = {target for kind in KINDS.values() for target in kind.targets}
    assert PUSH_OVERRIDES.keys() == served
    assert CHANNELS[Channel.PUSH].overrides is PUSH_OVERRIDES
