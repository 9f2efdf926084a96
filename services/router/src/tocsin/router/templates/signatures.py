"""What a filter or test is given: its parameters by name, and what may be written for each.

A literal is judged when the template is saved. What a variable holds is known only when the template is rendered, and the
filter judges it then.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, Self

from jinja2 import nodes

INDEX: Final = re.compile(r"\d{1,5}", re.ASCII)
"""A step to an item of a list."""
_PATH: Final = re.compile(r"[^\W\d]\w*(\.\w+){0,7}|\d{1,5}", re.ASCII)
LONGEST_PATH: Final = 256
"""Characters in the path to an attribute, which has at most eight names."""
_BRACKETS: Final = (nodes.List, nodes.Tuple, nodes.Dict)


class Takes(Protocol):
    """What may be written for a parameter."""

    @property
    def words(self) -> str:
        """The rule, as the end of a sentence: "must be …"."""
        ...

    def accepts(self, argument: nodes.Node, /) -> bool:
        """Whether the argument may be saved."""
        ...


@dataclass(frozen=True, slots=True)
class Value:
    """Any expression."""

    words: str = "any value"

    def accepts(self, _argument: nodes.Node, /) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Text:
    """A text, or what has a text: a number, a boolean, null."""

    words: str = "a text"

    def accepts(self, argument: nodes.Node) -> bool:
        return not isinstance(argument, _BRACKETS)


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    words: str = "`true` or `false`"

    def accepts(self, argument: nodes.Node) -> bool:
        return not isinstance(argument, (nodes.Neg, *_BRACKETS)) and (
            not isinstance(argument, nodes.Const) or isinstance(argument.value, bool)
        )


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number in a range."""

    least: int
    most: int

    @property
    def words(self) -> str:
        return f"a whole number from {self.least} to {self.most}"

    def accepts(self, argument: nodes.Node) -> bool:
        if isinstance(argument, nodes.Neg) and isinstance(argument.node, nodes.Const):
            value = argument.node.value
            return type(value) is int and self.least <= -value <= self.most
        if isinstance(argument, nodes.Const):
            return type(argument.value) is int and self.least <= argument.value <= self.most
        return not isinstance(argument, _BRACKETS)


@dataclass(frozen=True, slots=True, init=False)
class OneOf:
    """One of some words, written out."""

    choices: tuple[str, ...]

    def __init__(self, *choices: str) -> None:
        object.__setattr__(self, "choices", choices)

    @property
    def words(self) -> str:
        return f"one of {', '.join(f'`{choice!r}`' for choice in self.choices)}, written out"

    def accepts(self, argument: nodes.Node) -> bool:
        return isinstance(argument, nodes.Const) and argument.value in self.choices


@dataclass(frozen=True, slots=True)
class Path:
    """The name of an attribute, or names with dots between them, written out."""

    words: str = "the name of one attribute in quotes, such as `'name'` or `'address.city'`"

    def accepts(self, argument: nodes.Node) -> bool:
        return (
            isinstance(argument, nodes.Const)
            and isinstance(argument.value, str)
            and len(argument.value) <= LONGEST_PATH
            and _PATH.fullmatch(argument.value) is not None
        )


@dataclass(frozen=True, slots=True)
class TestName:
    """The name of a test; the parameter behind it is the test's argument."""

    words: str = "the name of a test in quotes, such as `'defined'`"

    def accepts(self, argument: nodes.Node) -> bool:
        return isinstance(argument, nodes.Const) and isinstance(argument.value, str)


class Parameter(NamedTuple):
    """One thing a filter is given. `otherwise` is what stands for it, as a literal, when only a later one is written."""

    name: str
    takes: Takes
    required: bool = False
    named: bool = False
    """It must be written with its name."""
    otherwise: str = "none"


class Signature(tuple[Parameter, ...]):
    """The parameters in their order."""

    __slots__ = ()

    def __new__(cls, *parameters: Parameter) -> Self:
        return super().__new__(cls, parameters)

    def written(self, name: str) -> str:
        """As it stands in the documentation: `round(precision=0, method='common')`."""
        if not self:
            return name
        return f"{name}({', '.join(_written(parameter) for parameter in self)})"

    def faults(self, call: nodes.Filter) -> Iterator[str]:
        """What is wrong with the arguments, as sentences."""
        name, given = call.name, self.arguments(call)
        positions = sum(not parameter.named for parameter in self)
        if len(call.args) > positions or len(given) < len(call.args) + len(call.kwargs):
            yield f"`|{name}` is not given so. Write `|{self.written(name)}`."
            return
        for parameter in self:
            argument = given.get(parameter.name)
            if argument is None and parameter.required:
                yield f"`|{name}` needs `{parameter.name}`. Write `|{self.written(name)}`."
            elif argument is not None and not parameter.takes.accepts(argument):
                yield f"`{parameter.name}` of `|{name}` must be {parameter.takes.words}."

    def arguments(self, call: nodes.Filter) -> dict[str, nodes.Node]:
        """By parameter: what is written for it. What fits no parameter, or one that has its argument, is left out."""
        positional = [parameter.name for parameter in self if not parameter.named]
        given: dict[str, nodes.Node] = dict(zip(positional, call.args, strict=False))
        known = {parameter.name for parameter in self}
        for keyword in call.kwargs:
            name = str(keyword.key)
            if name in known and name not in given:
                given[name] = keyword.value
        return given


def _written(parameter: Parameter) -> str:
    if parameter.required:
        return f"{parameter.name}=…" if parameter.named else parameter.name
    return f"{parameter.name}={parameter.otherwise}"
