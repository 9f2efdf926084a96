"""What a push template may say to one push service alone: parts `overrides.<kind>.<name>`, such as `overrides.apns.thread-id`.

`<kind>` is a device's. Each provider's own rules stand here as data, because the router checks them when a template is saved; the adapter of
that name puts them where its service wants them.

* FCM: https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages
* APNs: https://developer.apple.com/documentation/usernotifications/generating-a-remote-notification
* Web Push: RFC 8030, section 5.3, and https://notifications.spec.whatwg.org/#dictdef-notificationoptions
"""

from collections.abc import Mapping
from typing import Final

from tocsin.contracts.part_forms import (
    FLAG,
    SAFE_LINK,
    PartForm,
    matching,
    number,
    one_of,
    text_up_to,
)
from tocsin.contracts.vocabulary import DeviceKind

PUSH_OVERRIDES: Final[Mapping[str, Mapping[str, PartForm]]] = {
    DeviceKind.FCM: {
        "priority": one_of("normal", "high"),
        "channel_id": text_up_to(200),
        "icon": text_up_to(200),
        "color": matching(r"#[0-9a-fA-F]{6}", "a colour such as #3366ff"),
        "click_action": text_up_to(200),
        "analytics_label": matching(r"[a-zA-Z0-9\-_.~%]{1,50}", "up to 50 letters, digits and `-_.~%`"),
    },
    DeviceKind.APNS: {
        "subtitle": text_up_to(1000),
        "thread-id": text_up_to(200),
        "category": text_up_to(200),
        "target-content-id": text_up_to(200),
        "interruption-level": one_of("passive", "active", "time-sensitive", "critical"),
        "relevance-score": number(0, 1),
        "mutable-content": FLAG,
        "content-available": FLAG,
        "priority": one_of("10", "5", "1"),
    },
    DeviceKind.WEBPUSH: {
        "urgency": one_of("very-low", "low", "normal", "high"),
        "icon": SAFE_LINK,
        "requireInteraction": FLAG,
        "silent": FLAG,
    },
}
