"""What keeps a caught mail from doing anything in the browser of the one who reads it."""

import re

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# The frame is another origin and runs nothing; a link may be opened, in a window of its own, by a click.
MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_DOCTYPE = re.compile(r"\s*(<!doctype[^>]*>)?", re.IGNORECASE)
_LINKS_OUTSIDE = '<base target="_blank">'


def mail_document(html: str) -> str:
    """The mail's HTML with its links opening outside the frame; after the doctype, to keep its rendering mode."""
    start = _DOCTYPE.match(html)
    end = start.end() if start else 0
    return html[:end] + _LINKS_OUTSIDE + html[end:]
