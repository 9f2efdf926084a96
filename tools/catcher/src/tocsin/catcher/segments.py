"""How many SMS a text takes (3GPP TS 23.038 and 23.040)."""

from dataclasses import dataclass
from typing import Literal

_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED = frozenset("\f^{}\\[~]|€")  # each is sent as an escape and a septet


@dataclass(frozen=True)
class Segmented:
    """`units` are septets in GSM-7, 16-bit code units in UCS-2."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    segments: int


def count_segments(text: str) -> Segmented:
    """What the text is billed as; a character is never split between two segments."""
    if all(character in _GSM_BASIC or character in _GSM_EXTENDED for character in text):
        sizes = [2 if character in _GSM_EXTENDED else 1 for character in text]
        return Segmented("GSM-7", sum(sizes), _packed(sizes, alone=160, joined=153))
    sizes = [2 if ord(character) > 0xFFFF else 1 for character in text]
    return Segmented("UCS-2", sum(sizes), _packed(sizes, alone=70, joined=67))


def _packed(sizes: list[int], *, alone: int, joined: int) -> int:
    if sum(sizes) <= alone:
        return 1
    segments, filled = 1, 0
    for size in sizes:
        if filled + size > joined:
            segments, filled = segments + 1, 0
        filled += size
    return segments
