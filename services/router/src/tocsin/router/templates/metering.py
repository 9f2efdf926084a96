"""The meter that stops a template while it renders, and the rewriting of the source that calls the meter.

minijinja's fuel counts instructions, not what they cost: text printed in a loop, or a filter over a long list, is one
instruction. So the source is rewritten, token by token. Before each tag and in each turn of a loop stands `{{ tick(n) }}`: it
charges `n` characters of fixed text and looks at the clock of the CPU. `|sort` and `|unique` become `|list|few|sort` and
`|list|few|unique`, because the clock cannot be looked at within an expression. Everything printed passes the meter as well
(minijinja's finalizer).
"""

import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

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


class _Token(NamedTuple):
    kind: str
    """As Jinja2's lexer calls it: `data` is fixed text, `block_begin` is `{%`, `block_end` is `%}`."""
    text: str


def metered(source: str) -> str:
    """The same template with calls to the meter. `source` parses and keeps the language (`bounds`)."""
    rewriting = _Rewriting()
    tag: list[_Token] = []
    for token in _with_bounded_sorts(source):
        if tag or token.kind == "block_begin":
            tag.append(token)
            if token.kind == "block_end":
                rewriting.add_tag(tag)
                tag = []
        else:
            rewriting.add(token)
    return "".join(rewriting.output)


def _with_bounded_sorts(source: str) -> Iterator[_Token]:
    """The tokens, with `list|few|` before what sorts. `list` refuses an undefined value, which `few` would see as null."""
    before = ""
    for _, kind, text in parser.lex(source):
        if before == "|" and kind == "name" and text in _SORTING:
            for added in ("list", "|", "few", "|"):
                yield _Token("operator" if added == "|" else "name", added)
        if kind != "whitespace":
            before = text if kind == "operator" else ""
        yield _Token(kind, text)


class _Loop:
    """A `for` whose `endfor` has not come: the index in the output where its tick will stand, and the fixed text it repeats."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.chars = 0


class _Rewriting:
    """Takes the template's tokens in order; `output` is the metered template so far."""

    def __init__(self) -> None:
        self.output: list[str] = []
        self._loops: list[_Loop] = []

    def add(self, token: _Token) -> None:
        """Text, or a piece of an expression that is printed: it stays as it is."""
        if token.kind == "data" and self._loops:
            self._loops[-1].chars += len(token.text)
        self.output.append(token.text)

    def add_tag(self, tag: list[_Token]) -> None:
        """A whole tag, `{%` to `%}`, with its tick before it. A turn of a loop has its tick at its beginning."""
        name = next(token.text for token in tag if token.kind == "name")
        if name == "endfor":
            # how much text a turn prints is known only here: fill the place that the `for` left open
            loop = self._loops.pop()
            self.output[loop.index] = f"{{{{ tick({loop.chars}) }}}}"
        if name in ("for", "if", "set", "with"):
            self.output.append("{{ tick(0) }}")  # what `{%-` strips is gone from the tokens before it
        self.output.extend(_with_metered_condition(tag) if name in ("for", "elif") else _texts(tag))
        if name == "for":
            self._loops.append(_Loop(index=len(self.output)))
            self.output.append("")


def _with_metered_condition(tag: list[_Token]) -> list[str]:
    """The tag with `again(0)` in its condition: no tick can stand before an `elif`, nor before the `if` inside a `for`."""
    depth = 0
    for index, (kind, text) in enumerate(tag):
        if kind == "operator":
            depth += (text in "([{") - (text in ")]}")
        elif kind == "name" and text in ("if", "elif") and depth == 0:
            *condition, end = tag[index + 1 :]
            return [*_texts(tag[: index + 1]), " again(0) and (", *_texts(condition), ")", end.text]
    return _texts(tag)


def _texts(tokens: list[_Token]) -> list[str]:
    return [token.text for token in tokens]
