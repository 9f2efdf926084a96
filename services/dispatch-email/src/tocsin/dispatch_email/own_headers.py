"""The header fields of a mail that are Tocsin's own, for every way of sending it. No value of theirs can end a line."""

import re

ONE_CLICK = "List-Unsubscribe=One-Click"
"""The value of List-Unsubscribe-Post (RFC 8058)."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_URL = re.compile(r"[!-;=?-~]{1,900}")


class NoMail(Exception):
    """The content cannot be a mail: it lacks a part, or an id or a URL holds what a header must not. Says which."""


def check_ids(delivery_id: str, notification_id: str) -> None:
    """Raise NoMail unless Message-ID and X-Tocsin-Notification can carry them."""
    if not (_TOKEN.fullmatch(delivery_id) and _TOKEN.fullmatch(notification_id)):
        raise NoMail("an id holds characters that no header can carry")


def unsubscribe_link(url: str) -> str:
    """The value of List-Unsubscribe (RFC 2369). Raises NoMail."""
    if not _URL.fullmatch(url):
        raise NoMail("the unsubscribe URL holds characters that no header can carry")
    return f"<{url}>"
