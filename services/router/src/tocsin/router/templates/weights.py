"""The fixed price of a template's operations, known before it is rendered.

A body is paid for when it begins, with all its branches; a loop's body once for each of its turns.
"""

from collections.abc import Iterable
from typing import Final

from jinja2 import nodes

from tocsin.router.templates.budget import size

OPERATION: Final = 64
"""Bytes that an operation counts: a variable, a step from it, a comparison, a tag."""
PRINT: Final = 2 * OPERATION
TURN: Final = 2 * OPERATION
"""Bytes that a turn of a loop counts, besides what stands in it."""
CALL: Final = 6 * OPERATION
"""Bytes that a filter, a test, a call or an operator that computes or joins counts."""
_CALLS: Final = (
    nodes.Filter, nodes.Test, nodes.Call, nodes.Concat, nodes.Slice, nodes.BinExpr, nodes.List, nodes.Tuple, nodes.Dict,
)  # fmt: skip


def weight(body: Iterable[nodes.Node]) -> int:
    """The price of all that stands in the body, without the turns of its loops."""
    return sum(map(_weight, body))


def _weight(node: nodes.Node) -> int:
    match node:
        case nodes.TemplateData(data=text):
            return size(text)
        case nodes.Const(value=value):
            return size(value)
        case nodes.Output(nodes=printed):
            values = [node for node in printed if not isinstance(node, nodes.TemplateData)]
            return PRINT * len(values) + weight(printed)
        case nodes.For(iter=values, else_=otherwise):
            return TURN + _weight(values) + weight(otherwise)
    own = CALL if isinstance(node, _CALLS) else OPERATION
    return own + weight(node.iter_child_nodes())
