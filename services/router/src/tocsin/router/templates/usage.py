"""How filters, tests, calls, comparisons and numbers may be written: what is accepted here, the renderer can do."""

import math
from collections.abc import Iterator
from typing import Final

from jinja2 import nodes

from tocsin.contracts.values.text import TEXT_RULE, is_text
from tocsin.router.templates.language import FILTERS, NOT_TO_SET, TESTS
from tocsin.router.templates.literals import is_number
from tocsin.router.templates.texts import LARGEST_NUMBER
from tocsin.router.templates.variables import written

_EACH_ARGUMENT: Final = "Write each argument out."
_TEST_NAMES: Final = f"Tests are {', '.join(sorted(name for name in TESTS if name.isalpha()))}."


def misuses(node: nodes.Node) -> Iterator[str]:
    """What is wrong with one node of an expression, without what stands in it: sentences with a remedy."""
    match node:
        case nodes.Filter():
            yield from _filter(node)
        case nodes.Test():
            yield from _unpacked(node, f"is {node.name}")
            if node.kwargs:
                yield f"The argument of `is {node.name}` has no name. Write its value only."
            yield from _test(node.name, len(node.args))
        case nodes.Call():
            yield from _call(node)
        case nodes.Mul() | nodes.Pow() | nodes.Mod():
            yield from _numbers(node)
        case _:
            yield from _unreadable(node)


def _unreadable(node: nodes.Node) -> Iterator[str]:
    match node:
        case nodes.Compare(ops=ops) if len(ops) > 1:
            yield "Comparisons cannot be chained. Write `a < b and b < c`."
        case nodes.Slice(step=nodes.Const(value=0)):
            yield "The step in `[…:…:…]` cannot be 0."
        case nodes.Const(value=int() | float() as number) if not _readable(number):
            yield f"This number is too large; at most {LARGEST_NUMBER} is possible."
        case nodes.Const(value=str() as text) if not is_text(text):
            yield f"{TEXT_RULE}."
        case nodes.Name(name=name) if name not in ("range", "loop"):  # these are judged where they are used
            yield from unusable_name(name)


def unusable_name(name: str) -> Iterator[str]:
    """What is wrong with the name of a variable that a template sets."""
    if name in NOT_TO_SET or name.startswith("__"):
        yield f"`{name}` is a name that templates cannot use for a variable. Choose another."
    elif not name.isascii():
        yield f"`{name}` cannot be a variable. Names are letters from a to z, digits and `_`."


def _readable(number: float) -> bool:
    return math.isfinite(number) if isinstance(number, float) else number <= LARGEST_NUMBER


def _filter(node: nodes.Filter) -> Iterator[str]:
    signature = FILTERS.get(node.name)
    if signature is None:
        yield f"The filter `|{node.name}` cannot be used. Filters are {', '.join(sorted(FILTERS))}."
        return
    if node.name == "map" and (node.args or any(keyword.key not in _MAP for keyword in node.kwargs)):
        yield "`|map` can only pick an attribute: `|map(attribute='name')`. To apply a filter to each item, use `for`."
        return
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        yield from _unpacked(node, f"|{node.name}")
        return
    faults = list(signature.faults(node))
    yield from faults
    given = signature.arguments(node)
    test = given.get("test")
    if isinstance(test, nodes.Const) and not faults:
        yield from _test(test.value, int("argument" in given))
    elif "argument" in given and "test" not in given:
        yield f"`|{node.name}` needs `test` before `argument`. Write `|{signature.written(node.name)}`."


_MAP: Final = frozenset(parameter.name for parameter in FILTERS["map"])


def _test(name: str, arguments: int) -> Iterator[str]:
    if name not in TESTS:
        yield f"The test `is {name}` cannot be used. {_TEST_NAMES}" if is_text(name) else _TEST_NAMES
    elif arguments != TESTS[name]:
        wanted = "one argument" if TESTS[name] else "no argument"
        yield f"The test `{name}` takes {wanted}."


def _call(node: nodes.Call) -> Iterator[str]:
    called = written(node.node)
    if called not in ("range", "loop.cycle"):
        yield (
            f"`{called}(…)` cannot be called; only `range(…)` and `loop.cycle(…)` can. "
            "Values are changed by filters: `{{ data.name|upper }}`."
        )
        return
    yield from _unpacked(node, called)
    if node.kwargs:
        yield f"The arguments of `{called}` have no names. Write their values only."
    if called == "range" and len(node.args) not in (1, 2, 3):
        yield "`range` takes one to three numbers: `range(stop)`, `range(start, stop)` or `range(start, stop, step)`."
    if called == "loop.cycle" and not node.args:
        yield "`loop.cycle` needs the values to choose from: `loop.cycle('odd', 'even')`."


def _unpacked(node: nodes.Filter | nodes.Test | nodes.Call, called: str) -> Iterator[str]:
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        yield f"The arguments of `{called}` cannot be unpacked with `*`. {_EACH_ARGUMENT}"


def _numbers(node: nodes.BinExpr) -> Iterator[str]:
    for side in (node.left, node.right):
        if not is_number(side):
            value = written(side)
            remedy = (
                "Write `|int` or `|float` after it"
                if "…" in value
                else f"Write `{value}|int` or `{value}|float`"
            )
            yield f"Both sides of `{node.operator}` must be numbers, whatever the data. {remedy}."
            return
