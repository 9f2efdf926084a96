"""Where FCM wants a template's picture, sound, badge and overrides: for Android and for iOS at places of their own
(https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages).
"""

from typing import Any

from tocsin.contracts.jobs import PushContent
from tocsin.contracts.vocabulary import DeviceKind
from tocsin.dispatch_push.push_buttons import category_of, in_browsers


def with_parts(message: dict[str, Any], content: PushContent) -> dict[str, Any]:
    """The message with what the template says beside title, body and data. Most templates say nothing."""
    android, apns = message["android"]["notification"], message["apns"]
    aps: dict[str, Any] = {}
    if content.image is not None:
        message["notification"]["image"] = content.image
        apns["fcm_options"] = {"image": content.image}
        aps["mutable-content"] = 1  # the app itself fetches the picture
    if content.sound is not None:
        android["sound"] = aps["sound"] = content.sound
    if content.actions:
        aps["category"] = category_of(content.actions)
        aps["mutable-content"] = 1
        browsers = message.setdefault("webpush", {})
        browsers["notification"] = {"actions": in_browsers(content.actions)}
    if content.badge is not None:
        android["notification_count"] = aps["badge"] = content.badge
    if aps:
        apns["payload"] = {"aps": aps}
    for name, value in content.overrides.get(DeviceKind.FCM, {}).items():
        match name:
            case "priority":
                message["android"]["priority"] = value
            case "analytics_label":
                message["fcm_options"] = {"analytics_label": value}
            case _:
                android[name] = value
    return message
