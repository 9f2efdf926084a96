"""The unsubscribe page: one column, one button, no script; readable by a screen reader and at any size of letters."""

import base64
import hashlib
from html import escape

from sqlalchemy import RowMapping

from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.vocabulary import Channel

_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; font: 1.0625rem/1.5 system-ui, sans-serif; background: Canvas; color: CanvasText; }
main { max-width: 32rem; margin: 12vh auto 0; padding: 0 1.25rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .75rem; text-wrap: balance; }
p { margin: 0 0 1.5rem; }
button { font: inherit; font-weight: 600; padding: .75rem 1.5rem; min-height: 2.75rem; border: 0; border-radius: .5rem;
  background: #1d4ed8; color: #fff; cursor: pointer; }
button:hover { background: #1e40af; }
button:focus-visible { outline: 3px solid #f59e0b; outline-offset: 2px; }
"""
STYLE_HASH = "sha256-" + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
"""The only style the page's security policy lets in."""


def question(names: RowMapping, channel: Channel) -> str:
    """Asks once; the button posts to the same address."""
    return _document(
        f"Unsubscribe from {_category(names)}?",
        f"You will get no more of these messages{_from(names)} by {CHANNELS[channel].label}.",
        '<form method="post"><button type="submit">Unsubscribe</button></form>',
    )


def done(names: RowMapping | None, channel: Channel) -> str:
    """Says that it is so from now on."""
    category = _category(names) if names is not None else "these messages"
    return _document(
        "You are unsubscribed",
        f"You will get no more of {category}{_from(names)} by {CHANNELS[channel].label}. You can close this page.",
    )


def required(names: RowMapping | None) -> str:
    """Says why there is no button."""
    if names is None:
        return _document("There is nothing to unsubscribe from", "These messages are no longer sent.")
    return _document(
        f"{_category(names)} cannot be switched off",
        f"These messages{_from(names)} are part of the service, so everybody who uses it gets them.",
    )


def invalid() -> str:
    """Says what may have happened to the link."""
    return _document(
        "This link does not work",
        "It is incomplete, or too old. Open the link in a newer message, or copy it again as a whole.",
    )


def _category(names: RowMapping) -> str:
    return escape(f"\u201c{names['name'] or names['key']}\u201d")


def _from(names: RowMapping | None) -> str:
    return f" from {escape(names['tenant'])}" if names is not None and names["tenant"] else ""


def _document(title: str, text: str, action: str = "") -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1><p>{text}</p>{action}</main></body></html>"
    )
