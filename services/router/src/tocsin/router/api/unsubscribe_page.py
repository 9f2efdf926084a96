"""What the unsubscribe page says."""

from html import escape

from sqlalchemy import RowMapping

from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.vocabulary import Channel
from tocsin.web.plain_page import plain_page


def question(names: RowMapping, channel: Channel) -> str:
    """Asks once; the button posts to the same address."""
    return plain_page(
        f"Unsubscribe from {_category(names)}?",
        f"You will get no more of these messages{_from(names)} by {CHANNELS[channel].label}.",
        button="Unsubscribe",
    )


def done(names: RowMapping | None, channel: Channel) -> str:
    """Says that it is so from now on."""
    category = _category(names) if names is not None else "these messages"
    return plain_page(
        "You are unsubscribed",
        f"You will get no more of {category}{_from(names)} by {CHANNELS[channel].label}. You can close this page.",
    )


def required(names: RowMapping | None) -> str:
    """Says why there is no button."""
    if names is None:
        return plain_page("There is nothing to unsubscribe from", "These messages are no longer sent.")
    return plain_page(
        f"{_category(names)} cannot be switched off",
        f"These messages{_from(names)} are part of the service, so everybody who uses it gets them.",
    )


def invalid() -> str:
    """Says what may have happened to the link."""
    return plain_page(
        "This link does not work",
        "It is incomplete, or too old. Open the link in a newer message, or copy it again as a whole.",
    )


def _category(names: RowMapping) -> str:
    return escape(f"\u201c{names['name'] or names['key']}\u201d")


def _from(names: RowMapping | None) -> str:
    return f" from {escape(names['tenant'])}" if names is not None and names["tenant"] else ""
