"""What keeps one template small: its tags and filters, the size of an expression, and how far values may grow.

What a template handles is counted while it renders (`budget`). The rules here refuse what would only fail then, with the line: an
expression has few operations, and a variable that was combined from others (`~`, `+`, `|join`, `|replace`, a list) is never
combined again. Without that rule, thirty lines that each double a text would come to the end of the budget.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from jinja2 import nodes

from tocsin.router.templates.language import STATEMENTS
from tocsin.router.templates.usage import misuses, unusable_name
from tocsin.router.templates.variables import written

OPERATIONS: Final = 24
"""Operations (filters, comparisons, sums, list items) in one expression."""
BREACHES: Final = 100
"""What is told of one part; what stands behind it is not looked at."""
BRANCHES: Final = 24
"""`elif` after one `if`."""

_COMBINING: Final[dict[type[nodes.Node], str]] = {
    nodes.Concat: "~",
    nodes.Add: "+",
    nodes.List: "[…]",
    nodes.Tuple: "(…)",
    nodes.Dict: "{…}",
}
"""What makes one value of several, as it is written."""
_COMBINING_FILTERS: Final = frozenset({"join", "replace"})
_SORTING: Final = frozenset({"sort", "unique"})
"""The costliest filters: at most two in one expression."""
_LOOPING: Final = frozenset(
    {"map", "reject", "rejectattr", "select", "selectattr", "sum", "max", "min", "title", "tojson"}
)
"""They go through lists or long texts: at most six in one expression."""
_LOOPING_WEIGHT: Final = OPERATIONS // 6
_SORTING_WEIGHT: Final = OPERATIONS // 2 - 3
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
    check = _LanguageCheck()
    check.statements(template.body, {})
    return check.breaches


Combined = dict[str, str]
"""The variables that were combined from others → with what, as it is written."""


class _LanguageCheck:
    """Goes through the template from top to bottom, and knows at each place which variables are combined values."""

    def __init__(self) -> None:
        self.breaches: list[Breach] = []

    def _refuse(self, node: nodes.Node, detail: str) -> None:
        self.breaches.append(Breach(node.lineno, detail))

    def statements(self, body: list[nodes.Node], combined: Combined) -> Combined:
        """Check the statements in order; which variables are combined values after the last."""
        for node in body:
            if isinstance(node, STATEMENTS):
                combined = self._statement(node, combined)
            else:
                self._refuse(
                    node,
                    f"The tag `{_tag(node)}` cannot be used. Templates have `for`, `if`, `set` and `with`.",
                )
        return combined

    def _statement(self, node: nodes.Node, combined: Combined) -> Combined:
        match node:
            case nodes.Output(nodes=expressions):
                for expression in expressions:
                    self._expression(expression, combined)
            case nodes.If():
                return self._branches(node, combined)
            case nodes.For():
                self._loop(node, combined)
            case nodes.Assign(target=target, node=value):
                self._expression(value, combined)
                return self._bound(target, value, combined)
            case nodes.AssignBlock(target=target, body=body):
                if node.filter is not None:
                    self._refuse(
                        node,
                        f"A `set` block cannot have a filter. Apply it where you print the variable: `{{{{ {written(target)}|… }}}}`.",
                    )
                self.statements(body, combined)
                return self._bound(target, None, combined)  # what the block prints, the budget counts
            case nodes.With(targets=targets, values=values, body=body):
                inner = combined
                set_here: set[str] = set()
                for target, value in zip(targets, values, strict=True):
                    self._expression(value, combined)
                    inner = self._bound(target, value, inner)
                    self._refuse_earlier(value, set_here)
                    set_here |= _names(target)
                self.statements(body, inner)
        return combined

    def _refuse_earlier(self, value: nodes.Node, set_here: set[str]) -> None:
        """In Jinja2 a value of a `with` does not see what the same tag sets; who reads it from left to right expects that it does."""
        for name in sorted(_names(value) & set_here):
            self._refuse(value, f"`{name}` is set in the same `with`. Use it in a `with` of its own inside.")

    def _branches(self, node: nodes.If, combined: Combined) -> Combined:
        if len(node.elif_) > BRANCHES:
            self._refuse(
                node,
                f"An `if` can have at most {BRANCHES} `elif`; this one has {len(node.elif_)}. "
                "Put the others into a second `if` inside its `else`.",
            )
        after = dict(combined)  # a `set` inside `if` is seen after it
        for branch in (node, *node.elif_):
            self._expression(branch.test, combined)
            after |= self.statements(branch.body, combined)
        return after | self.statements(node.else_, combined)

    def _loop(self, node: nodes.For, combined: Combined) -> None:
        if node.recursive:
            self._refuse(node, "A loop cannot be `recursive`. Write a `for` inside the `for` for each level.")
        self._expression(node.iter, combined)
        inner = self._bound(node.target, node.iter, combined)
        if node.test is not None:
            self._expression(node.test, inner)
        self.statements(node.body, inner)
        self.statements(node.else_, combined)

    def _bound(self, target: nodes.Node, value: nodes.Node | None, combined: Combined) -> Combined:
        """Which variables are combined values once `target` has the value; None: what a `set` block prints."""
        names = []
        for node in _walk(target):
            if isinstance(node, nodes.NSRef):
                self._refuse(
                    node,
                    f"`namespace` cannot be used. Set a plain variable instead: `{{% set {node.attr} = … %}}`.",
                )
            elif isinstance(node, nodes.Name):
                names.append(node.name)
                for misuse in unusable_name(node.name):
                    self._refuse(node, misuse)
        operator = None if value is None else _combined_with(value, combined)
        if operator is not None:
            return combined | dict.fromkeys(names, operator)
        if combined.keys().isdisjoint(names):
            return combined
        return {name: operator for name, operator in combined.items() if name not in names}

    def _expression(self, expression: nodes.Node, combined: Combined) -> None:
        """Of an expression with too many operations nothing else is told."""
        if len(self.breaches) >= BREACHES:
            return
        everything = list(_walk(expression))
        operations = sum(map(_weight, everything))
        if operations > OPERATIONS:
            self._refuse(
                expression,
                f"This expression has {operations} operations; at most {OPERATIONS} are possible "
                f"(`|sort` and `|unique` count as {_SORTING_WEIGHT} each, other filters that go through lists as {_LOOPING_WEIGHT}). Split it with `{{% set … %}}`.",
            )
            return
        for node in everything:
            if isinstance(node, _EXPRESSIONS):
                self._node(node, combined)
            else:
                self._refuse(node, f"`{_tag(node)}` cannot be used in an expression.")

    def _node(self, node: nodes.Node, combined: Combined) -> None:
        for misuse in misuses(node):
            self._refuse(node, misuse)
        operator = _operator(node) if combined else None
        if operator is None:
            return
        variable = next(
            (n.name for n in _walk(node) if isinstance(n, nodes.Name) and n.name in combined), None
        )
        if variable is not None:
            self._refuse(
                node,
                f"`{variable}` was made with `{combined[variable]}`, so `{operator}` cannot be used on it. "
                f"Print it where you need it, `{{{{ {variable} }}}}`, or do both in one expression.",
            )


def _operator(node: nodes.Node) -> str | None:
    """How the node combines several values into one, as it is written; None when it does not."""
    if isinstance(node, nodes.Filter):
        return f"|{node.name}" if node.name in _COMBINING_FILTERS else None
    return _COMBINING.get(type(node))


def _combined_with(expression: nodes.Node, combined: Combined) -> str | None:
    """What combines the expression's value, itself or in a variable that stands in it; None when nothing does."""
    for node in _walk(expression):
        operator = combined.get(node.name) if isinstance(node, nodes.Name) else _operator(node)
        if operator is not None:
            return operator
    return None


def _weight(node: nodes.Node) -> int:
    if isinstance(node, nodes.Filter) and node.name in _SORTING:
        return _SORTING_WEIGHT
    if isinstance(node, nodes.Filter) and node.name in _LOOPING:
        return _LOOPING_WEIGHT
    if isinstance(node, nodes.List | nodes.Tuple | nodes.Dict):
        return len(node.items)
    if isinstance(node, nodes.Concat):
        return len(node.nodes) - 1
    return int(
        isinstance(node, nodes.Filter | nodes.Test | nodes.Operand | nodes.BinExpr | nodes.Call | nodes.Slice)
    )


def _names(node: nodes.Node) -> set[str]:
    return {inner.name for inner in _walk(node) if isinstance(inner, nodes.Name)}


def _walk(node: nodes.Node) -> Iterator[nodes.Node]:
    """The node and all that stands in it, in the order of the source. However deep it nests, each node costs the same."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(list(node.iter_child_nodes()))


_TAGS: Final = {
    "CallBlock": "call",
    "FilterBlock": "filter",
    "FromImport": "from",
    "ScopedEvalContextModifier": "autoescape",
}


def _tag(node: nodes.Node) -> str:
    """The tag's name as authors write it."""
    kind = type(node).__name__
    return _TAGS.get(kind, kind.lower())
