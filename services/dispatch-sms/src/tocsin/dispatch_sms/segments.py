"""How many SMS a text takes: 3GPP TS 23.038 (alphabets) and 23.040 (concatenation)."""

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
"""Two septets each: an escape and a character."""
_GSM7 = _BASIC | _EXTENDED


def segments(text: str) -> int:
    """Segments of `text`: GSM-7 where every character is in its tables, else UCS-2; at least 1.

    One segment holds 160 septets or 70 UTF-16 units; of several, each holds 153 or 67, and no character is split.
    """
    if _GSM7.issuperset(text):
        wide = sum(map(text.count, _EXTENDED))
        if len(text) + wide <= 160:
            return 1
        return _packed([2 if character in _EXTENDED else 1 for character in text], room=153)
    sizes = [2 if character > "\uffff" else 1 for character in text]
    return 1 if sum(sizes) <= 70 else _packed(sizes, room=67)


def _packed(sizes: list[int], *, room: int) -> int:
    count, left = 1, room
    for size in sizes:
        if size > left:
            count, left = count + 1, room
        left -= size
    return count
