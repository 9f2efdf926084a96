"""The language in which a workflow says who is meant: a part of JMESPath, whose work is counted.

JMESPath's own parser reads an expression; `compile_expression` refuses what is no part of the language; `Expression.search` gives
what JMESPath's interpreter would give, or raises when it has taken too many steps. So no expression can hold up a process.
"""

import operator
import warnings
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from jmespath.exceptions import JMESPathError
from jmespath.parser import Parser

from tocsin.contracts.values.text import is_text
from tocsin.programs import ProgramFault

LONGEST: Final = 1_000
"""Characters of an expression."""
MOST_STEPS: Final = 30_000
MOST_RESULTS: Final = 10_000
MOST_LEVELS: Final = 60

_Node = dict[str, Any]
_ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}
_ORDERS_FROM_THE_RIGHT: Final = {
    "lt": operator.gt,
    "lte": operator.ge,
    "gt": operator.lt,
    "gte": operator.le,
}
_CAN_BE_EMPTY: Final = frozenset({str, list, dict})
_ORDERED: Final = frozenset({int, float, str})
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
        with warnings.catch_warnings():
            warnings.simplefilter("error", PendingDeprecationWarning)
            tree: _Node = dict(Parser().parse(text).parsed)
        _check(tree, at_top=True, in_filter=False, level=0)
    except JMESPathError as error:
        at = getattr(error, "lex_position", None)
        where = f" near character {at}" if at is not None else ""
        raise ExpressionRefused(
            f"Not a JMESPath expression{where}. Write one such as `data.order.customer_id`"
        ) from None
    except PendingDeprecationWarning:
        raise ExpressionRefused(_NO_JSON) from None
    except (RecursionError, ValueError):
        raise ExpressionRefused(_TOO_DEEP) from None
    return Expression(tree)


class Expression:
    """A checked expression."""

    __slots__ = ("_program",)

    def __init__(self, tree: _Node) -> None:
        self._program = _compiled(tree)

    def search(self, event: Any) -> Any:
        """What JMESPath finds in `event`. Raises ExpressionTooCostly and ExpressionFails."""
        count = _Count()
        try:
            count.take(self._program.steps)
            result = self._program.run(event, count)
        except TypeError as error:
            raise ExpressionFails("A text and a number are put in order.") from error
        if isinstance(result, list) and len(result) > MOST_RESULTS:
            raise ExpressionTooCostly(
                f"The workflow's recipients expression finds more than {MOST_RESULTS:,}."
            )
        return result


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


class _Count:
    """The steps of one evaluation."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MOST_STEPS

    def take(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise ExpressionTooCostly(
                f"The workflow's recipients expression takes more than {MOST_STEPS:,} steps on this event."
            )


_Run = Callable[[Any, _Count], Any]
"""What a node gives for a value. The rules of each kind of node are JMESPath's."""


class _Program(NamedTuple):
    """A node, compiled."""

    steps: int
    """Of one run, beside those for each element of a list, which the run takes itself before it looks at the first of them. Both sides of
    `||` count, whether they are looked at or not."""
    run: _Run


def _compiled(node: _Node) -> _Program:
    kind = node["type"]
    if kind in _LEAVES:
        return _Program(1, _LEAVES[kind](node))
    below = [_compiled(child) for child in node["children"]]
    steps = 1 + sum(program.steps for program in below)
    if kind in _PROJECTIONS:
        base, *each = below
        return _Program(1 + base.steps, _projection(kind, base.run, each))
    return _Program(steps, _INNER[kind](node, [program.run for program in below]))


def _field(node: _Node) -> _Run:
    name = node["value"]
    return lambda value, _: value.get(name) if isinstance(value, dict) else None


def _index(node: _Node) -> _Run:
    at = node["value"]
    return lambda value, _: value[at] if isinstance(value, list) and -len(value) <= at < len(value) else None


def _same(_node: _Node) -> _Run:
    return lambda value, _: value


def _literal(node: _Node) -> _Run:
    literal = node["value"]
    return lambda _value, _: literal


def _chain(_node: _Node, below: list[_Run]) -> _Run:
    def run(value: Any, count: _Count) -> Any:
        for step in below:
            value = step(value, count)
        return value

    return run


def _projection(kind: str, base: _Run, each: list[_Program]) -> _Run:
    right, condition = each[0].run, each[1].run if len(each) > 1 else None
    steps = 1 + sum(program.steps for program in each)
    of_values = kind == "value_projection"

    def run(value: Any, count: _Count) -> list[Any] | None:
        elements = base(value, count)
        if of_values and isinstance(elements, dict):
            elements = elements.values()
        elif of_values or not isinstance(elements, list):
            return None
        count.take(len(elements) * steps)
        if condition is not None:
            elements = [element for element in elements if not _is_false(condition(element, count))]
        return [result for element in elements if (result := right(element, count)) is not None]

    return run


def _flatten(_node: _Node, below: list[_Run]) -> _Run:
    (base,) = below

    def run(value: Any, count: _Count) -> list[Any] | None:
        elements = base(value, count)
        if not isinstance(elements, list):
            return None
        count.take(2 * len(elements))
        flat: list[Any] = []
        for element in elements:
            if isinstance(element, list):
                count.take(len(element))
                flat += element
            else:
                flat.append(element)
        return flat

    return run


def _either(_node: _Node, below: list[_Run]) -> _Run:
    first, second = below

    def run(value: Any, count: _Count) -> Any:
        result = first(value, count)
        return second(value, count) if _is_false(result) else result

    return run


def _comparison(node: _Node, below: list[_Run]) -> _Run:
    """A path and a literal, in either order: `_check_condition` lets nothing else pass."""
    first, second = node["children"]
    literal_last = second["type"] == "literal"
    path, literal = (below[0], second["value"]) if literal_last else (below[1], first["value"])
    sign = node["value"]
    if sign in {"eq", "ne"}:
        wanted = sign == "eq"
        return lambda value, count: _equal(path(value, count), literal) is wanted
    if not _is_ordered(literal):
        return lambda _value, _count: None
    order = _ORDERS[sign] if literal_last else _ORDERS_FROM_THE_RIGHT[sign]

    def run(value: Any, count: _Count) -> bool | None:
        operand = path(value, count)
        return bool(order(operand, literal)) if type(operand) in _ORDERED else None

    return run


def _select_list(_node: _Node, below: list[_Run]) -> _Run:
    return lambda value, count: None if value is None else [run(value, count) for run in below]


def _select_dict(node: _Node, below: list[_Run]) -> _Run:
    names = [pair["value"] for pair in node["children"]]

    def run(value: Any, count: _Count) -> dict[str, Any] | None:
        if value is None:
            return None
        return {name: run(value, count) for name, run in zip(names, below, strict=True)}

    return run


def _only(_node: _Node, below: list[_Run]) -> _Run:
    return below[0]


_LEAVES: Final[dict[str, Callable[[_Node], _Run]]] = {
    "field": _field,
    "index": _index,
    "identity": _same,
    "current": _same,
    "literal": _literal,
}
_INNER: Final[dict[str, Callable[[_Node, list[_Run]], _Run]]] = {
    "subexpression": _chain,
    "index_expression": _chain,
    "flatten": _flatten,
    "or_expression": _either,
    "comparator": _comparison,
    "multi_select_list": _select_list,
    "multi_select_dict": _select_dict,
    "key_val_pair": _only,
}


def _is_false(value: Any) -> bool:
    return value is None or value is False or (type(value) in _CAN_BE_EMPTY and not value)


def _equal(left: Any, right: Any) -> bool:
    """As Python has it, but a number never equals `true` or `false`."""
    if left is True or left is False or right is True or right is False:
        return left is right
    return bool(left == right)


def _is_ordered(value: Any) -> bool:
    return type(value) in _ORDERED


_NO_JSON: Final = "Between backticks stands JSON, such as `3`. Write a text in single quotes: 'paid'"
_NO_TEXT: Final = "A name contains a NUL character or half a surrogate pair. Remove it"
_TOO_DEEP: Final = f"An expression nests at most {MOST_LEVELS} deep. Make it flatter"
