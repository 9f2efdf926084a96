"""How large a regular expression is: the number of places that are left when its repetitions are written out.

A place is what matches one character; an alternative, an anchor, a group and a repetition count as one more each. The linear engine
holds at most one thread of work at each place for each character of the text, so the product of both bounds its work.
"""

import re
from typing import Final

MANY: Final = 1_000_000
"""No number of places is larger: what is beyond it is refused anyway."""
LONGEST: Final = 4_096
"""Characters of a pattern."""
UNICODE_CLASS: Final = 250
"""What a class such as `\\p{L}` counts: its tables are long, and are compiled at each place."""

_TOKEN: Final = re.compile(
    r"""
    (?P<open> \( (?: \?: | \?P?<[A-Za-z]\w{0,63}> | \?[ims]{1,3}: )? (?!\?) )
    | (?P<flags> \( \? [ims]{1,3} \) )
    | (?P<close> \) )
    | (?P<times> \{ \d{1,9} (?:,\d{0,9})? \} )
    | (?P<more> [*+?] )
    | (?P<unicode> \\[pP] (?: \{[^{}]{1,64}\} | [A-Za-z] ) )
    | (?P<class> \[ \^?+ (?: \\. | [^\[\]\\] )++ \] )
    | \\ (?: [xu]\{[0-9A-Fa-f]{1,8}\} | [^pP] )
    | [^\\(\[{]
    """,
    re.VERBOSE | re.DOTALL,
)
"""What can be read in one way only. Where libraries and drafts differ (`[[`, `[]`, `a{ 3 }`, the flag `x`), nothing matches."""


class PatternRefused(Exception):
    """The pattern is not counted, so it is not run. The text says what to do."""


def places(pattern: str) -> int:
    """The number of places of a pattern, never fewer than 1 and at most `MANY`. Raises PatternRefused.

    The pattern need not be correct; whether it is, the engine says.
    """
    if len(pattern) > LONGEST:
        raise PatternRefused(_TOO_LONG)
    open_groups: list[int] = []
    total, last, position = 0, 0, 0
    while position < len(pattern):
        token = _TOKEN.match(pattern, position)
        if token is None:
            raise PatternRefused(_UNCLEAR)
        text, position = token[0], token.end()
        match token.lastgroup:
            case "open":
                open_groups.append(total)
                total, last = 0, 0
                continue
            case "close":
                last = total + 1
                total = open_groups.pop() if open_groups else 0
            case "times":
                total -= last
                last = last * max(1, *_bounds(text)) + 1
            case "more":
                total -= last
                last += 1
            case "unicode":
                last = UNICODE_CLASS
            case "class":
                last = UNICODE_CLASS if "\\p" in text or "\\P" in text else 1
            case _:
                last = 1
        last = min(MANY, last)
        total = min(MANY, total + last)
    return max(1, min(MANY, total + sum(open_groups)))


def _bounds(text: str) -> list[int]:
    return [int(number) for number in text[1:-1].split(",") if number]


_TOO_LONG: Final = f"A regular expression has at most {LONGEST:,} characters. Shorten it"
_UNCLEAR: Final = (
    "Not a regular expression that can be read in one way only. Inside a class write `\\[` and, at its beginning, `\\]`; write `\\{` "
    "where a brace repeats nothing; groups are `(…)`, `(?:…)` and `(?<name>…)`, flags `i`, `m` and `s`. There is no look-around"
)
