"""What keeps one template small: its tags and filters, the size of an expression, and how far values may grow.

The renderer counts what is printed and looks at the CPU's time before each tag and each turn of a loop. What happens between two looks is one
expression; the rules here bound that: few operations each, and a value that was joined, added or gathered is never joined,
added or gathered again, so that no chain of them doubles its way to a gigabyte.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from jinja2 import nodes

from tocsin.router.templates.language import FILTERS, STATEMENTS, TESTS

OPERATIONS: Final = 24
"""Operations (filters, comparisons, sums, list items) in one expression."""
BRANCHES: Final = 24
"""`elif` after one `if`."""

_GROWS: Final = (nodes.Concat, nodes.Add, nodes.List, nodes.Tuple, nodes.Dict)
_GROWING_FILTERS: Final = frozenset({"join", "replace"})
_SORTING: Final = frozenset({"sort", "unique"})
"""On a long list these take milliseconds, where others take a tenth: at most two in one expression."""
_NUMBERS_ONLY: Final = (nodes.Mul, nodes.Pow, nodes.Mod)
_NUMBER_FILTERS: Final = frozenset({"int", "float", "round", "length", "count", "abs"})
_EXPRESSIONS: Final = (
    nodes.Name,
    nodes.Const,
    nodes.TemplateData,
    nodes.Tuple,
    nodes.List,
    nodes.Dict,
    nodes.Pair,
    nodes.Keyword,
    nodes.CondExpr,
    nodes.Filter,
    nodes.Test,
    nodes.Call,
    nodes.Getitem,
    nodes.Getattr,
    nodes.Slice,
    nodes.Concat,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Neg,
    nodes.Pos,
    nodes.Add,
    nodes.Sub,
    nodes.Mul,
    nodes.Div,
    nodes.FloorDiv,
    nodes.Mod,
    nodes.Pow,
)


class Breach(NamedTuple):
    """Something the language does not have: where, and what to write instead."""

    line: int
    detail: str


def breaches(template: nodes.Template) -> list[Breach]:
    """Everything in the parsed template that the language does not have; empty when it may be rendered."""
    found: list[Breach] = []
    _statements(template.body, frozenset(), found)
    return found


def _statements(body: list[nodes.Node], grown: frozenset[str], found: list[Breach]) -> frozenset[str]:
    for node in body:
        if not isinstance(node, STATEMENTS):
            found.append(
                Breach(
                    node.lineno,
                    f"The tag `{_tag(node)}` is not part of the language; it has for, if, set and with.",
                )
            )
            continue
        grown = _statement(node, grown, found)
    return grown


def _statement(node: nodes.Node, grown: frozenset[str], found: list[Breach]) -> frozenset[str]:
    if isinstance(node, nodes.Output):
        for expression in node.nodes:
            _expression(expression, grown, found)
    elif isinstance(node, nodes.If):
        _branches(node, grown, found)
    elif isinstance(node, nodes.For):
        _loop(node, grown, found)
    elif isinstance(node, nodes.Assign):
        _expression(node.node, grown, found)
        return _bind(node.target, _is_grown(node.node, grown), grown, found)
    elif isinstance(node, nodes.AssignBlock):
        if node.filter is not None:
            found.append(
                Breach(node.lineno, "A `set` block takes no filter; apply it where the variable is printed.")
            )
        _statements(node.body, grown, found)
        return _bind(node.target, False, grown, found)
    elif isinstance(node, nodes.With):
        inner = grown
        for target, value in zip(node.targets, node.values, strict=True):
            _expression(value, grown, found)
            inner = _bind(target, _is_grown(value, grown), inner, found)
        _statements(node.body, inner, found)
    return grown


def _branches(node: nodes.If, grown: frozenset[str], found: list[Breach]) -> None:
    if len(node.elif_) > BRANCHES:
        found.append(Breach(node.lineno, f"An `if` may have at most {BRANCHES} `elif`."))
    for one in (node, *node.elif_):
        _expression(one.test, grown, found)
        _statements(one.body, grown, found)
    _statements(node.else_, grown, found)


def _loop(node: nodes.For, grown: frozenset[str], found: list[Breach]) -> None:
    if node.recursive:
        found.append(Breach(node.lineno, "A recursive loop is not part of the language."))
    _expression(node.iter, grown, found)
    inner = _bind(node.target, _is_grown(node.iter, grown), grown, found)
    if node.test is not None:
        _expression(node.test, inner, found)
    _statements(node.body, inner, found)
    _statements(node.else_, grown, found)


def _bind(target: nodes.Node, is_grown: bool, grown: frozenset[str], found: list[Breach]) -> frozenset[str]:
    names = set()
    for name in [target, *_walk(target)]:
        if isinstance(name, nodes.NSRef):
            found.append(Breach(name.lineno, "`namespace` is not part of the language."))
        elif isinstance(name, nodes.Name):
            names.add(name.name)
    return grown | names if is_grown else grown - names


def _is_grown(expression: nodes.Node, grown: frozenset[str]) -> bool:
    for node in (expression, *_walk(expression)):
        if _grows(node) or (isinstance(node, nodes.Name) and node.name in grown):
            return True
    return False


def _grows(node: nodes.Node) -> bool:
    return isinstance(node, _GROWS) or (isinstance(node, nodes.Filter) and node.name in _GROWING_FILTERS)


def _expression(expression: nodes.Node, grown: frozenset[str], found: list[Breach]) -> None:
    operations = 0
    for node in (expression, *_walk(expression)):
        if not isinstance(node, _EXPRESSIONS):
            found.append(Breach(node.lineno, f"`{_tag(node)}` is not part of the language."))
            continue
        operations += _weight(node)
        _check(node, grown, found)
    if operations > OPERATIONS:
        found.append(
            Breach(
                expression.lineno,
                f"An expression may have at most {OPERATIONS} operations; use `set` to split it.",
            )
        )


def _weight(node: nodes.Node) -> int:
    if isinstance(node, nodes.Filter) and node.name in _SORTING:
        return OPERATIONS // 2 - 1
    if isinstance(node, nodes.List | nodes.Tuple | nodes.Dict):
        return len(node.items)
    if isinstance(node, nodes.Concat):
        return len(node.nodes) - 1
    return int(
        isinstance(node, nodes.Filter | nodes.Test | nodes.Operand | nodes.BinExpr | nodes.Call | nodes.Slice)
    )


def _check(node: nodes.Node, grown: frozenset[str], found: list[Breach]) -> None:
    if isinstance(node, nodes.Filter):
        _check_filter(node, found)
    elif isinstance(node, nodes.Test) and node.name not in TESTS:
        found.append(Breach(node.lineno, f"The test `{node.name}` is not part of the language."))
    elif isinstance(node, nodes.Call):
        _check_call(node, found)
    elif isinstance(node, _NUMBERS_ONLY) and not (_is_number(node.left) and _is_number(node.right)):
        found.append(
            Breach(
                node.lineno,
                f"Both sides of `{node.operator}` must be numbers for certain: write `|int` or `|float` after them.",
            )
        )
    if _grows(node) and any(isinstance(name, nodes.Name) and name.name in grown for name in _walk(node)):
        found.append(
            Breach(
                node.lineno,
                "A variable that was joined, added or gathered once may not be so again; print it as it is.",
            )
        )


def _check_filter(node: nodes.Filter, found: list[Breach]) -> None:
    if node.name not in FILTERS:
        found.append(Breach(node.lineno, f"The filter `{node.name}` is not part of the language."))
    if node.name == "map" and (
        node.args or not all(keyword.key in ("attribute", "default") for keyword in node.kwargs)
    ):
        found.append(Breach(node.lineno, "`map` takes `attribute=` (and `default=`), not a filter's name."))
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        found.append(Breach(node.lineno, "Arguments are written out, not unpacked with `*`."))


def _check_call(node: nodes.Call, found: list[Breach]) -> None:
    called = node.node
    is_range = isinstance(called, nodes.Name) and called.name == "range"
    is_cycle = (
        isinstance(called, nodes.Getattr)
        and called.attr == "cycle"
        and isinstance(called.node, nodes.Name)
        and called.node.name == "loop"
    )
    if not (is_range or is_cycle) or node.dyn_args is not None or node.dyn_kwargs is not None:
        found.append(Breach(node.lineno, "Only `range(…)` and `loop.cycle(…)` may be called."))


def _is_number(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Const):
        return isinstance(node.value, int | float)
    if isinstance(node, nodes.Filter):
        return node.name in _NUMBER_FILTERS
    if isinstance(node, nodes.Getattr):
        return (
            isinstance(node.node, nodes.Name) and node.node.name == "loop" and node.attr.startswith("index")
        )
    if isinstance(node, nodes.Neg | nodes.Pos):
        return _is_number(node.node)
    if isinstance(node, nodes.BinExpr) and not isinstance(node, nodes.And | nodes.Or):
        return _is_number(node.left) and _is_number(node.right)
    return False


def _walk(node: nodes.Node) -> Iterator[nodes.Node]:
    for child in node.iter_child_nodes():
        yield child
        yield from _walk(child)


def _tag(node: nodes.Node) -> str:
    return type(node).__name__.lower()
