"""How large a regular expression is: the number of places that are left when its repetitions are written out.

A place is what matches one character. The linear engine holds at most one thread of work at each place for each character of the
text, so the product of both bounds its work.
"""

import re
from typing import Final

MANY: Final = 1_000_000
"""No number of places is larger: what is beyond it is refused anyway."""
UNICODE_CLASS: Final = 100
"""What a class such as `\\p{L}` counts: its tables are long, and are compiled at each place."""

_TOKEN: Final = re.compile(
    r"""\\[pP](?:\{[^}]*\}|.) | \\[xu]\{[^}]*\} | \\. | \[ | \( | \) | \{\d+(?:,\d*)?\} | [|*+?^$] | .""",
    re.VERBOSE | re.DOTALL,
)


def places(pattern: str) -> int:
    """The number of places of a pattern, never fewer than 1 and at most `MANY`.

    The pattern need not be correct; whether it is, the engine says.
    """
    open_groups: list[int] = []
    total, last, position = 0, 0, 0
    while token := _TOKEN.match(pattern, position):
        text, position = token[0], token.end()
        if text == "(":
            open_groups.append(total)
            total, last = 0, 0
        elif text == ")" and open_groups:
            last = total
            total = min(MANY, total + open_groups.pop())
        elif text[0] == "{" and len(text) > 1:
            repeated = last * max(1, *_bounds(text))
            total, last = min(MANY, total - last + repeated), min(MANY, repeated)
        elif text not in "|*+?^$":
            if text == "[":
                position = _end_of_class(pattern, position)
                text = pattern[token.start() : position]
            last = UNICODE_CLASS if "\\p" in text or "\\P" in text else 1
            total = min(MANY, total + last)
    return max(1, min(MANY, total + sum(open_groups)))


def _bounds(text: str) -> list[int]:
    return [min(int(number), MANY) for number in text[1:-1].split(",") if number and len(number) < 10] or [
        MANY
    ]


def _end_of_class(pattern: str, position: int) -> int:
    """The position after the `]` that ends the class which begins before `position`."""
    depth = 1
    while position < len(pattern) and depth:
        match pattern[position]:
            case "\\":
                position += 1
            case "[":
                depth += 1
            case "]":
                depth -= 1
        position += 1
    return position
