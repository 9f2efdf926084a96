"""The one message that everybody sends, and the order that a peer's producer carries out."""

import msgspec

import tenant

LINK = "https://notify.bench.example/u/abcdefghijklmnopqrstuvwxyz0123456789"
NAME = "{name}"
"""Stands in text and HTML where a peer puts the recipient's name."""
ID_HEADER = "X-Tocsin-Notification"
"""By this header the sink knows a mail."""


def _said(template: str) -> str:
    values = {f"data.{key}": value for key, value in tenant.DATA.items()}
    values |= {"recipient.attributes.first_name": NAME, "links.unsubscribe": LINK}
    for name, value in values.items():
        template = template.replace("{{ " + name + " }}", value)
    return template


class Message(msgspec.Struct, kw_only=True):
    """What the workers of a peer read from a file: the same words as our templates have."""

    sender: str = "Bench shop <orders@bench.example>"
    subject: str = _said(tenant.SUBJECT)
    text: str = _said(tenant.TEXT)
    html: str = _said(tenant.HTML)
    header: str = ID_HEADER


class PeerOrder(msgspec.Struct, kw_only=True):
    """Which messages to hand over to the peer, in this order: as fast as it takes them, or at planned times."""

    ids: list[str]
    recipients: list[str]
    rate: float | None = None


class PeerResult(msgspec.Struct, kw_only=True):
    """When each was to be handed over (without a rate: was), and the producer's processor time."""

    planned: list[float]
    cpu_seconds: float
