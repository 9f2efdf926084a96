"""The language in which a workflow says who is meant: a part of JMESPath, whose work is counted.

JMESPath's own parser reads an expression; `compile_expression` refuses what is no part of the language; `Expression.search` gives
what JMESPath's interpreter would give, or raises when it has taken too many steps. So no expression can hold up a process.
"""

import operator
from collections.abc import Callable, Iterable
from typing import Any, Final

from jmespath.exceptions import JMESPathError
from jmespath.parser import Parser

from tocsin.contracts.values.text import is_text
from tocsin.programs import ProgramFault

LONGEST: Final = 1_000
"""Characters of an expression."""
MOST_STEPS: Final = 100_000
MOST_RESULTS: Final = 10_000
MOST_LEVELS: Final = 60

_Node = dict[str, Any]
_ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}
_CHAIN: Final = frozenset({"subexpression", "index_expression"})
_PROJECTIONS: Final = frozenset({"projection", "value_projection", "filter_projection"})
_SELECTS: Final = frozenset({"multi_select_list", "multi_select_dict"})
_WORDS: Final = {
    "function_expression": "a function",
    "expref": "a reference to an expression (`&`)",
    "pipe": "a pipe (`|`)",
    "slice": "a slice (`[a:b]`)",
    "and_expression": "`&&`",
    "not_expression": "`!`",
    "current": "`@` outside of a filter",
    "literal": "a literal outside of a comparison",
    "comparator": "a comparison outside of a filter",
}
_LANGUAGE: Final = "An expression has fields, indexes, `[*]`, `*`, `[]`, filters that compare with literals, `||`, and `[…]` or `{…}` at its beginning"


class ExpressionRefused(ProgramFault):
    """The text is no expression of this language. `detail` says why, without a full stop, and repeats nothing of it."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class ExpressionTooCostly(ProgramFault):
    """The expression takes too many steps on this event, or finds too much. The text is a sentence."""


class ExpressionFails(ProgramFault):
    """The expression has no value for this event: it puts a text and a number in order."""


def compile_expression(text: str) -> "Expression":
    """The expression. Raises ExpressionRefused."""
    if len(text) > LONGEST:
        raise ExpressionRefused(f"An expression has at most {LONGEST:,} characters. Shorten it")
    try:
        tree: _Node = dict(Parser().parse(text).parsed)
        _check(tree, at_top=True, in_filter=False, level=0)
    except JMESPathError as error:
        at = getattr(error, "lex_position", None)
        where = f" near character {at}" if at is not None else ""
        raise ExpressionRefused(
            f"Not a JMESPath expression{where}. Write one such as `data.order.customer_id`"
        ) from None
    except (RecursionError, ValueError):
        raise ExpressionRefused(_TOO_DEEP) from None
    return Expression(tree)


class Expression:
    """A checked expression."""

    __slots__ = ("_tree",)

    def __init__(self, tree: _Node) -> None:
        self._tree = tree

    def search(self, event: Any) -> Any:
        """What JMESPath finds in `event`. Raises ExpressionTooCostly and ExpressionFails."""
        try:
            found = _Run().value(self._tree, event)
        except TypeError as error:
            raise ExpressionFails("A text and a number are put in order.") from error
        if isinstance(found, list) and len(found) > MOST_RESULTS:
            raise ExpressionTooCostly(
                f"The workflow's recipients expression finds more than {MOST_RESULTS:,}."
            )
        return found


def _check(node: _Node, *, at_top: bool, in_filter: bool, level: int) -> None:
    """Return when the node and all below it belong to the language. `at_top`: it is asked of the event itself, so only once."""
    if level > MOST_LEVELS:
        raise ExpressionRefused(_TOO_DEEP)
    kind, children = node["type"], node["children"]
    if isinstance(name := node.get("value"), str) and not is_text(name):
        raise ExpressionRefused(_NO_TEXT)
    below: Iterable[_Node]
    if kind in _CHAIN or kind in _PROJECTIONS:
        first, *below = children
        _check(first, at_top=at_top, in_filter=in_filter, level=level + 1)
        if kind == "filter_projection":
            *below, condition = below
            _check_condition(condition, level + 1)
        for child in below:
            _check(child, at_top=False, in_filter=in_filter, level=level + 1)
    elif kind in {"flatten", "or_expression", "key_val_pair"} or (kind in _SELECTS and at_top):
        for child in children:
            _check(child, at_top=at_top, in_filter=in_filter, level=level + 1)
    elif kind in _SELECTS:
        raise ExpressionRefused(
            f"`[…]` and `{{…}}` may stand at the beginning of the expression alone. {_LANGUAGE}"
        )
    elif kind not in {"field", "index", "identity"} and not (kind == "current" and in_filter):
        raise ExpressionRefused(f"Not possible here: {_WORDS.get(kind, kind)}. {_LANGUAGE}")


def _check_condition(node: _Node, level: int) -> None:
    """A filter's condition: comparisons with literals, `||` between them."""
    if level > MOST_LEVELS:
        raise ExpressionRefused(_TOO_DEEP)
    kind, children = node["type"], node["children"]
    if kind == "or_expression":
        for child in children:
            _check_condition(child, level + 1)
    elif kind == "comparator" and any(child["type"] == "literal" for child in children):
        for child in children:
            if child["type"] != "literal":
                _check(child, at_top=False, in_filter=True, level=level + 1)
    else:
        raise ExpressionRefused(
            "A filter compares a path with a literal, such as `[?role == 'owner']`. Write comparisons, with `||` between them"
        )


class _Run:
    """One evaluation. The rules of each kind of node are JMESPath's."""

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        self._steps = 0

    def value(self, node: _Node, value: Any) -> Any:
        """What the node gives for `value`."""
        self._step(1)
        return _RULES[node["type"]](self, node, value)

    def field(self, node: _Node, value: Any) -> Any:
        return value.get(node["value"]) if isinstance(value, dict) else None

    def chain(self, node: _Node, value: Any) -> Any:
        for child in node["children"]:
            value = self.value(child, value)
        return value

    def index(self, node: _Node, value: Any) -> Any:
        at = node["value"]
        return value[at] if isinstance(value, list) and -len(value) <= at < len(value) else None

    def same(self, _node: _Node, value: Any) -> Any:
        return value

    def literal(self, node: _Node, _value: Any) -> Any:
        return node["value"]

    def projection(self, node: _Node, value: Any) -> list[Any] | None:
        base, right, *condition = node["children"]
        elements = self.value(base, value)
        if not isinstance(elements, list):
            return None
        return self._projected(elements, right, condition[0] if condition else None)

    def value_projection(self, node: _Node, value: Any) -> list[Any] | None:
        base, right = node["children"]
        members = self.value(base, value)
        return self._projected(members.values(), right, None) if isinstance(members, dict) else None

    def flatten(self, node: _Node, value: Any) -> list[Any] | None:
        elements = self.value(node["children"][0], value)
        if not isinstance(elements, list):
            return None
        found: list[Any] = []
        for element in elements:
            inner = element if isinstance(element, list) else (element,)
            self._step(1 + len(inner))
            found.extend(inner)
        return found

    def either(self, node: _Node, value: Any) -> Any:
        first, second = node["children"]
        found = self.value(first, value)
        return self.value(second, value) if _is_false(found) else found

    def comparison(self, node: _Node, value: Any) -> bool | None:
        left, right = (self.value(child, value) for child in node["children"])
        sign = node["value"]
        if sign in {"eq", "ne"}:
            return _equal(left, right) is bool(sign == "eq")
        ordered = _is_ordered(left) and _is_ordered(right)
        return bool(_ORDERS[sign](left, right)) if ordered else None

    def select_list(self, node: _Node, value: Any) -> list[Any] | None:
        return None if value is None else [self.value(child, value) for child in node["children"]]

    def select_dict(self, node: _Node, value: Any) -> dict[str, Any] | None:
        if value is None:
            return None
        return {pair["value"]: self.value(pair["children"][0], value) for pair in node["children"]}

    def _projected(self, elements: Iterable[Any], right: _Node, condition: _Node | None) -> list[Any]:
        found = []
        for element in elements:
            self._step(1)
            if condition is not None and _is_false(self.value(condition, element)):
                continue
            projected = self.value(right, element)
            if projected is not None:
                found.append(projected)
        return found

    def _step(self, number: int) -> None:
        self._steps += number
        if self._steps > MOST_STEPS:
            raise ExpressionTooCostly(
                f"The workflow's recipients expression takes more than {MOST_STEPS:,} steps on this event."
            )


_RULES: Final[dict[str, Callable[[_Run, _Node, Any], Any]]] = {
    "field": _Run.field,
    "subexpression": _Run.chain,
    "index_expression": _Run.chain,
    "index": _Run.index,
    "identity": _Run.same,
    "current": _Run.same,
    "literal": _Run.literal,
    "projection": _Run.projection,
    "filter_projection": _Run.projection,
    "value_projection": _Run.value_projection,
    "flatten": _Run.flatten,
    "or_expression": _Run.either,
    "comparator": _Run.comparison,
    "multi_select_list": _Run.select_list,
    "multi_select_dict": _Run.select_dict,
}


def _is_false(value: Any) -> bool:
    return value is None or value is False or (isinstance(value, str | list | dict) and not value)


def _equal(left: Any, right: Any) -> bool:
    """As Python has it, but a number never equals `true` or `false`."""
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    return bool(left == right)


def _is_ordered(value: Any) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)


_NO_TEXT: Final = "A name contains a NUL character or half a surrogate pair. Remove it"
_TOO_DEEP: Final = f"An expression nests at most {MOST_LEVELS} deep. Make it flatter"
