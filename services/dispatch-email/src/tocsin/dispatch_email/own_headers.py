"""The header fields of a mail that are Tocsin's own, for every way of sending it. No value of theirs can end a line."""

import re

ONE_CLICK = "List-Unsubscribe=One-Click"
"""The value of List-Unsubscribe-Post (RFC 8058)."""
REF = "X-Tocsin-Ref"
"""What brings a receipt back to its message (`tocsin.channel.ref`)."""
_REF_LINE = 60
"""Characters of a ref on a line, so that lines stay within 76."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_URL = re.compile(r"[!-;=?-~]{1,900}")


class NoMail(Exception):
    """The content cannot be a mail: it lacks a part, or an id or a URL holds what a header must not. Says which."""


def check_ids(delivery_id: str, notification_id: str) -> None:
    """Raise NoMail unless Message-ID and X-Tocsin-Notification can carry them."""
    if not (_TOKEN.fullmatch(delivery_id) and _TOKEN.fullmatch(notification_id)):
        raise NoMail("an id holds characters that no header can carry")


def ref_field(ref: str) -> bytes:
    """`X-Tocsin-Ref: …` CRLF, folded."""
    whole = ref.encode("ascii")
    lines = [whole[begin : begin + _REF_LINE] for begin in range(0, len(whole), _REF_LINE)]
    return b"%b: %b\r\n" % (REF.encode("ascii"), b"\r\n ".join(lines))


def whole_ref(value: str) -> str:
    """The ref of a header's value, however it was folded on its way."""
    return "".join(value.split())


def unsubscribe_link(url: str) -> str:
    """The value of List-Unsubscribe (RFC 2369). Raises NoMail."""
    if not _URL.fullmatch(url):
        raise NoMail("the unsubscribe URL holds characters that no header can carry")
    return f"<{url}>"
