"""What an expression is whatever the data: a number."""

from typing import Final

from jinja2 import nodes

_NUMBER_FILTERS: Final = frozenset({"round", "length", "count", "abs"})


def is_number(node: nodes.Node) -> bool:
    """Whether the expression can only yield a number, or fail."""
    match node:
        case nodes.Const(value=value):
            return isinstance(value, int | float)
        case nodes.Filter():
            return _makes_number(node)
        case nodes.Getattr(node=nodes.Name(name="loop"), attr=attribute):
            return attribute.startswith("index")
        case nodes.Neg(node=inner) | nodes.Pos(node=inner):
            return is_number(inner)
        case nodes.BinExpr(left=left, right=right) if not isinstance(node, nodes.And | nodes.Or):
            return is_number(left) and is_number(right)
        case _:
            return False


def _makes_number(node: nodes.Filter) -> bool:
    if node.name in ("int", "float"):
        return all(
            is_number(argument) for argument in (*node.args, *(keyword.value for keyword in node.kwargs))
        )
    return node.name in _NUMBER_FILTERS
