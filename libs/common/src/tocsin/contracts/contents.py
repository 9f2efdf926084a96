"""What messages say, rendered: a struct for each channel."""

from typing import Any

import msgspec

from tocsin.contracts.actions import Action, InboxAction


class Content(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", gc=False):
    """What a message says, rendered. On the wire `kind` is the channel's name."""


class EmailContent(Content, kw_only=True, omit_defaults=True, tag="email", gc=False):
    """Rendered parts of a mail; at least one of `text` and `html` is set."""

    subject: str
    text: str | None = None
    html: str | None = None
    actions: list[InboxAction] = []


class SmsContent(Content, kw_only=True, omit_defaults=True, tag="sms", gc=False):
    """The rendered text of an SMS."""

    body: str


class PushContent(Content, kw_only=True, omit_defaults=True, tag="push", gc=False):
    """The rendered push message. `data` reaches the app as strings, as FCM and APNs want it."""

    title: str
    body: str
    link: str | None = None
    """Where a reader goes from this message; None: where the notification says."""
    image: str | None = None
    """A picture to show, of https."""
    sound: str | None = None
    """A sound file of the app's, or `default`."""
    badge: int | None = None
    """The number on the app's icon."""
    data: dict[str, str] = {}
    actions: list[InboxAction] = []
    overrides: dict[str, dict[str, Any]] = {}
    """What one push service is told beside that, by the device's kind: see `push_overrides`."""


class ChatContent(Content, kw_only=True, omit_defaults=True, tag="chat", gc=False):
    """The rendered message to a chat: plain text, which each provider shows as it stands."""

    text: str
    title: str | None = None
    actions: list[Action] = []


class WebhookContent(Content, kw_only=True, omit_defaults=True, tag="webhook", gc=False):
    """What a webhook says beside the event itself."""

    body: str
    title: str | None = None
    data: dict[str, str] = {}


class InappContent(Content, kw_only=True, omit_defaults=True, tag="inapp", gc=False):
    """The rendered item of a recipient's inbox: plain text, and links of http and https. `data` reaches the app as strings."""

    title: str
    body: str
    link: str | None = None
    """Where a reader goes from this item; None: where the notification says."""
    icon: str | None = None
    """A small picture to show, of https."""
    actions: list[InboxAction] = []
    data: dict[str, str] = {}
