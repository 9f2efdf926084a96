"""A page for people in one column, with one button at most and no script; readable by a screen reader and at any size of letters."""

import base64
import hashlib
from typing import Final

_STYLE: Final = """
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
_STYLE_HASH: Final = "sha256-" + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

PAGE_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": (
        f"default-src 'none'; style-src '{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
}
"""A page of ours needs nothing from anywhere, is framed by nobody, remembered by nobody, and tells no other site its address."""


def plain_page(title: str, text: str, *, button: str | None = None) -> str:
    """The page. All three are HTML already; the button posts to the page's own address."""
    action = f'<form method="post"><button type="submit">{button}</button></form>' if button else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1><p>{text}</p>{action}</main></body></html>"
    )
