"""Where a template is looked at while it renders: the source, with a call to the meter before each tag and in each turn of a loop.

minijinja's fuel counts instructions, not what they cost: text printed in a loop, or a filter over a long list, is one
instruction. So the source is rewritten, token by token: `{{ tick(n) }}` charges `n` characters of fixed text and looks at the clock of the CPU;
`|sort` and `|unique` become `|list|few|sort` and `|list|few|unique`, as the clock cannot be looked at within an expression.
Everything printed passes the meter as well (minijinja's finalizer).
"""

import time
from collections.abc import Iterator
from typing import Any, Final

from tocsin.router.templates.language import parser

CPU_SECONDS: Final = 0.008
"""What one notification may take of a CPU, on all its channels together; waiting for one does not count."""
SECOND_CHANCE_SECONDS: Final = 0.02
"""What a template has of a CPU when it did not come to its end the first time, which need not have been its own fault."""
PRINTED_CHARS: Final = 2 * 1024 * 1024
"""What may be printed, also into variables, and repeated in loops; what remains is then held against the output cap."""

_SORTING: Final = frozenset({"sort", "unique"})


class Exceeded(Exception):
    """The template was stopped. The message says at which bound."""


class TookTooLong(Exceeded):
    """Stopped at the bound on time. The clock also counts what the interpreter did meanwhile, such as collecting garbage."""


class Meter:
    """Counts one render; `start` begins the next."""

    __slots__ = ("_deadline", "_prints", "_seldom", "_spent")

    def __init__(self) -> None:
        self._spent = 0
        self._prints = 0
        self._seldom = 0
        self._deadline = 0.0

    def start(self, seconds: float) -> None:
        """A message begins: its parts share the time."""
        self._deadline = time.thread_time() + seconds

    def part(self, *, costly: bool) -> None:
        """A part begins: it prints into its own account. `costly`: look at the clock at each print, not at each 16th."""
        self._spent = 0
        self._prints = 0
        self._seldom = 0 if costly else 15

    def tick(self, chars: int) -> str:
        """Charge fixed text about to be printed; Exceeded at a bound. Prints as nothing."""
        self._spend(chars)
        self._look()
        return ""

    def again(self, chars: int) -> bool:
        """`tick`, as a condition that holds."""
        self._spend(chars)
        self._look()
        return True

    def printed(self, value: Any) -> Any:
        """What stands for a value when it is printed: null as nothing; lists and objects are refused."""
        self._prints += 1
        if self._prints & self._seldom == 0:  # the look costs as much as the print
            self._look()
        if isinstance(value, str):
            self._spend(len(value))
            return value
        self._spend(16)
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return value
        raise Exceeded(
            "a list or object cannot be printed; loop over it, or write `|join` or `|tojson` after it"
        )

    def _spend(self, chars: int) -> None:
        self._spent += chars
        if self._spent > PRINTED_CHARS:
            raise Exceeded(
                f"it prints more than {PRINTED_CHARS} characters, counting loops and variables; print less, or loop over fewer items"
            )

    def _look(self) -> None:
        if time.thread_time() > self._deadline:
            raise TookTooLong(
                f"the templates of one notification take more than {CPU_SECONDS * 1000:g} ms of a CPU; use shorter lists and fewer loops"
            )


def metered(source: str) -> str:
    """The same template with calls to the meter. `source` parses and keeps the language (`bounds`)."""
    tokens = list(_with_few(source))
    out: list[str] = []
    loops: list[_Loop] = []
    place = 0
    while place < len(tokens):
        kind, text = tokens[place]
        if kind == "data" and loops:
            loops[-1].chars += len(text)
        if kind != "block_begin":
            out.append(text)
            place += 1
            continue
        end = _end(tokens, place)
        _tag(tokens[place : end + 1], out, loops)
        place = end + 1
    return "".join(out)


def _with_few(source: str) -> Iterator[tuple[str, str]]:
    """The tokens, with `list|few|` before what sorts; `list` refuses what is undefined, which `few` could not tell from null."""
    before = ""
    for _, kind, text in parser.lex(source):
        if before == "|" and kind == "name" and text in _SORTING:
            yield from (("name", "list"), ("operator", "|"), ("name", "few"), ("operator", "|"))
        if kind != "whitespace":
            before = text if kind == "operator" else ""
        yield kind, text


class _Loop:
    """A `for` whose end has not come: where in the output its tick stands, and how much fixed text it repeats."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.chars = 0


def _end(tokens: list[tuple[str, str]], start: int) -> int:
    return next(place for place in range(start, len(tokens)) if tokens[place][0] == "block_end")


def _tag(tokens: list[tuple[str, str]], out: list[str], loops: list[_Loop]) -> None:
    name = next(text for kind, text in tokens if kind == "name")
    if name == "endfor":
        ended = loops.pop()
        out[ended.at] = f"{{{{ tick({ended.chars}) }}}}"
    if name in ("for", "if", "set", "with"):
        out.append("{{ tick(0) }}")  # what `{%-` strips is gone from the tokens before it
    out.extend(_with_metered_condition(tokens) if name in ("for", "elif") else (text for _, text in tokens))
    if name == "for":
        out.append("")
        loops.append(_Loop(len(out) - 1))


def _with_metered_condition(tokens: list[tuple[str, str]]) -> list[str]:
    """The tokens of a tag that no tick can stand before: `elif condition`, and `for` where it ends in `if condition`."""
    depth = 0
    for place, (kind, text) in enumerate(tokens):
        if kind == "operator":
            depth += (text in "([{") - (text in ")]}")
        elif kind == "name" and text in ("if", "elif") and depth == 0:
            before, after = tokens[: place + 1], tokens[place + 1 : -1]
            return [
                *(part for _, part in before),
                " again(0) and (",
                *(part for _, part in after),
                ")",
                tokens[-1][1],
            ]
    return [text for _, text in tokens]
