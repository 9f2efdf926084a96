"""The buttons of a push message, as apps are told of them.

iOS shows the actions of a category that the app has registered under a name: that name is made of the buttons' names, so an app registers
`track.later` once, or has its notification service extension do so with the labels in `tocsin_actions`
(https://developer.apple.com/documentation/usernotifications/declaring-your-actionable-notification-types). Android shows what the app builds.
Browsers show `actions` themselves (https://notifications.spec.whatwg.org/#dictdef-notificationaction).
"""

from typing import Any, Final

from tocsin.contracts.actions import InboxAction
from tocsin.contracts.codec import encode

ACTIONS: Final = "tocsin_actions"
"""Where apps find all of them: a list of `{"name", "label", "url"}`, in FCM's data as JSON in a text, for FCM takes nothing else."""


def category_of(actions: list[InboxAction]) -> str:
    """Apple's name for messages with these buttons: `track.later`."""
    return ".".join(action.name for action in actions)


def as_text(actions: list[InboxAction]) -> str:
    """All of them as JSON."""
    return encode(actions).decode()


def in_browsers(actions: list[InboxAction]) -> list[dict[str, Any]]:
    """The field `actions` of a browser's notification."""
    return [{"action": action.name, "title": action.label} for action in actions]
