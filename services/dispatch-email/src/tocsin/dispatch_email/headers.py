"""Header fields as bytes: RFC 5322 folding, RFC 2047 encoded words. No value can begin a line of its own.

Runs of spaces, line breaks, tabs and control characters in texts (a template's line break in a subject) become one space.
No-break spaces and other spaces of typesetting stay: they hold "10 000 €" together.
Lines stay within 76 characters wherever a value can be folded.
"""

import re
from base64 import b64encode

_LINE = 76
_WORD = b"=?utf-8?b?%b?="
_WORD_FRAME = len(_WORD) - 2
_GAPS = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_QUOTED = re.compile(r'([\\"])')


def one_line(text: str) -> str:
    """The text with every run of spaces, line breaks and control characters as one space, none at the ends."""
    return _GAPS.sub(" ", text).strip()


def text_field(name: bytes, value: str) -> bytes:
    """`name: value` CRLF for a field whose body is free text, such as Subject."""
    value = one_line(value)
    room = _LINE - len(name) - 2
    if not value.isascii() or "=?" in value:
        return b"%b: %b\r\n" % (name, _encoded_words(value, room))
    if len(value) <= room:
        return b"%b: %b\r\n" % (name, value.encode("ascii"))
    words = value.split(" ")
    if max(map(len, words)) >= room:
        return b"%b: %b\r\n" % (name, _encoded_words(value, room))
    return b"%b: %b\r\n" % (name, _folded(words, room))


def address_field(name: bytes, address: bytes, display: str | None = None) -> bytes:
    """`name: display <address>` CRLF. `address` comes from `Mailbox.wire`."""
    shown = one_line(display) if display else ""
    if not shown:
        return b"%b: <%b>\r\n" % (name, address)
    phrase = _phrase(shown, _LINE - len(name) - 2)
    last = len(phrase) - phrase.rfind(b"\n") - 1
    gap = b" " if last + len(name) + len(address) + 5 <= _LINE else b"\r\n "
    return b"%b: %b%b<%b>\r\n" % (name, phrase, gap, address)


def _phrase(shown: str, room: int) -> bytes:
    """A display name: as it is, as a quoted string, or as encoded words."""
    if not shown.isascii() or "=?" in shown or len(shown) > room - 2:
        return _encoded_words(shown, room)
    if _ATOMS.fullmatch(shown):
        return shown.encode("ascii")
    quoted = b'"%b"' % _QUOTED.sub(r"\\\1", shown).encode("ascii")
    return quoted if len(quoted) <= room else _encoded_words(shown, room)


def _folded(words: list[str], room: int) -> bytes:
    lines, line = [], words[0]
    for word in words[1:]:
        if len(line) + 1 + len(word) <= room:
            line = f"{line} {word}"
        else:
            lines.append(line)
            line, room = word, _LINE - 1
    lines.append(line)
    return "\r\n ".join(lines).encode("ascii")


def _encoded_words(value: str, room: int) -> bytes:
    """Words of at most 75 characters, one a line; a character is never split between two."""
    data, words, start = value.encode("utf-8", "replace"), [], 0
    while start < len(data):
        end = start + (room - _WORD_FRAME) // 4 * 3
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        words.append(_WORD % b64encode(data[start:end]))
        start, room = end, _LINE - 1
    return b"\r\n ".join(words)
