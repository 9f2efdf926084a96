"""Expressions of a template's syntax tree as functions of the variables there are.

Jinja2 reads what authors write, the check judges that tree, and these functions are made of the same tree: nothing is written anew,
and nothing of Jinja2's runs. What a filter or operator handles is charged to the budget.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from jinja2 import nodes

from tocsin.router.templates.budget import Budget, size
from tocsin.router.templates.faults import UNDEFINED, WRONG_TYPE, Stopped, TemplatePlace
from tocsin.router.templates.filters import IN_HTML, IN_TEXT, MAY_BE_UNDEFINED, Filter
from tocsin.router.templates.item_tests import MISSING, item_test
from tocsin.router.templates.language import COMPARISONS as COMPARISON_TESTS
from tocsin.router.templates.language import FILTERS
from tocsin.router.templates.list_filters import bounded_range
from tocsin.router.templates.operations import ARITHMETIC, COMPARISONS, SIGNS, charge_comparison
from tocsin.router.templates.paths import Evaluate, Scope, part_of, stepped, variable
from tocsin.router.templates.text_filters import concat_in_html, concat_in_text, plus
from tocsin.router.templates.variables import written

BUDGET: Final = "__budget"
"""Under this name the budget lies among the variables; no template can use a name that begins so."""
_NOTHING: Final = nodes.Const(None)
_Handle = Callable[..., Any]


class Expressions:
    """Makes functions of expressions, for a part in HTML or in plain text.

    `lenient` asks for one that yields MISSING where there is no value, instead of ending the render.
    """

    def __init__(self, *, html: bool) -> None:
        self._filters = IN_HTML if html else IN_TEXT
        self._concat = concat_in_html if html else concat_in_text
        self.asks_loop = False
        """Whether an expression made since this was set to false has `loop` in it."""

    def compile(self, node: nodes.Node, *, lenient: bool = False) -> Evaluate:
        """The expression as a function. It must keep the language (`bounds`)."""
        match node:
            case nodes.Const(value=value):
                return _constant(value)
            case nodes.Name() | nodes.Getattr() | nodes.Getitem():
                return self._variable(node, lenient=lenient)
            case nodes.Filter():
                return self._filter(node, lenient=lenient)
            case nodes.And() | nodes.Or() | nodes.Not() | nodes.CondExpr():
                return self._condition(node, lenient=lenient)
            case nodes.List() | nodes.Tuple() | nodes.Dict():
                return self._collection(node)
        return self._operation(node)

    def _operation(self, node: nodes.Node) -> Evaluate:
        """What always has a value."""
        match node:
            case nodes.Test():
                return self._test(node)
            case nodes.Compare(expr=left, ops=[nodes.Operand(op=op, expr=right)]):
                return self._compare(left, SIGNS[op], right)
            case nodes.Call(node=called, args=arguments) if written(called) == "range":
                return self._handled(bounded_range, arguments, _place(node))
            case nodes.Call(args=arguments):
                return self._cycle(arguments)
        if isinstance(node, nodes.Concat | nodes.Add):
            handle = plus if isinstance(node, nodes.Add) else self._concat
            return self._handled(handle, list(node.iter_child_nodes()), _place(node))
        return self._computed(node)

    def _all(self, given: Sequence[nodes.Node]) -> list[Evaluate]:
        return [self.compile(node) for node in given]

    def _variable(self, node: nodes.Node, *, lenient: bool) -> Evaluate:
        path = _path(node)
        if path is not None:
            self.asks_loop |= path[0] == "loop"
            return variable(*path, _place(node), lenient=lenient)
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
            bounds = (node.arg.start, node.arg.stop, node.arg.step)
            operands = [node.node, *(bound or _NOTHING for bound in bounds)]
            return self._handled(part_of, operands, _place(node))
        if isinstance(node, nodes.Getattr):
            return stepped(self.compile(node.node), _constant(node.attr), _place(node), lenient=lenient)
        if isinstance(node, nodes.Getitem):
            return stepped(self.compile(node.node), self.compile(node.arg), _place(node), lenient=lenient)
        return _constant(None)

    def _collection(self, node: nodes.List | nodes.Tuple | nodes.Dict) -> Evaluate:
        if not isinstance(node, nodes.Dict):
            members, kind = self._all(node.items), list if isinstance(node, nodes.List) else tuple
            return lambda scope: kind([member(scope) for member in members])
        pairs = [(self.compile(pair.key), self.compile(pair.value)) for pair in node.items]
        place = _place(node)

        def made(scope: Scope) -> Any:
            try:
                return {key(scope): value(scope) for key, value in pairs}
            except TypeError as error:  # a list or object as a name
                raise Stopped(place, WRONG_TYPE) from error

        return made

    def _cycle(self, arguments: Sequence[nodes.Node]) -> Evaluate:
        values = self._all(arguments)
        self.asks_loop = True

        def cycled(scope: Scope) -> Any:
            turn: int = scope["loop"]["index0"]
            return [value(scope) for value in values][turn % len(values)]

        return cycled

    def _condition(self, node: nodes.Node, *, lenient: bool) -> Evaluate:
        match node:
            case nodes.And(left=first, right=second):
                left, right = self.compile(first), self.compile(second, lenient=lenient)
                return lambda scope: left(scope) and right(scope)
            case nodes.Or(left=first, right=second):
                left, right = self.compile(first), self.compile(second, lenient=lenient)
                return lambda scope: left(scope) or right(scope)
            case nodes.Not(node=inner):
                value = self.compile(inner)
                return lambda scope: not value(scope)
            case nodes.CondExpr(test=condition, expr1=first, expr2=second):
                test, then = self.compile(condition), self.compile(first, lenient=lenient)
                other = _constant(None) if second is None else self.compile(second, lenient=lenient)
                return lambda scope: then(scope) if test(scope) else other(scope)
        raise AssertionError(type(node).__name__)

    def _computed(self, node: nodes.Node) -> Evaluate:
        """An operation on numbers, whose price is fixed."""
        compute, place = ARITHMETIC[type(node)], _place(node)
        values = self._all(list(node.iter_child_nodes()))

        def computed(scope: Scope) -> Any:
            try:
                return compute(*[value(scope) for value in values])
            except (TypeError, ArithmeticError) as error:
                raise Stopped(place, WRONG_TYPE) from error

        return computed

    def _compare(self, left: nodes.Node, sign: str, right: nodes.Node) -> Evaluate:
        compare, first, second = COMPARISONS[sign], self.compile(left), self.compile(right)
        place = TemplatePlace(left.lineno, f"{written(left)} {sign} {written(right)}")
        paid = "in" not in sign and (isinstance(left, nodes.Const) or isinstance(right, nodes.Const))

        def compared(scope: Scope) -> Any:
            one, other = first(scope), second(scope)
            if not paid:
                charge_comparison(scope[BUDGET], sign, one, other)
            try:
                return compare(one, other)
            except (TypeError, RecursionError) as error:
                raise Stopped(place, WRONG_TYPE) from error

        return compared

    def _handled(self, handle: _Handle, operands: Sequence[nodes.Node], place: TemplatePlace) -> Evaluate:
        """An operator that handles texts or lists: what it is given and what it yields is charged."""
        return _charged(handle, self._all(operands), place)

    def _filter(self, node: nodes.Filter, *, lenient: bool) -> Evaluate:
        given = FILTERS[node.name].arguments(node)
        if node.name in ("default", "d"):
            return self._default(node, given)
        called = self._filters[node.name]
        arguments = {name: self.compile(argument) for name, argument in given.items()}
        value = self.compile(node.node or _NOTHING)
        if all(isinstance(argument, nodes.Const) for argument in given.values()):
            literals = {name: argument({}) for name, argument in arguments.items()}
            filtered = _filtered(partial(called.apply, **literals), partial(called.price, **literals), value)
        else:
            filtered = _filtered_with(called, value, arguments)
        if node.name not in MAY_BE_UNDEFINED or lenient:
            return filtered
        place = _place(node)

        def there(scope: Scope) -> Any:
            value = filtered(scope)
            if value is MISSING:
                raise Stopped(place, UNDEFINED)
            return value

        return there

    def _default(self, node: nodes.Filter, given: dict[str, nodes.Node]) -> Evaluate:
        value = self.compile(node.node or _NOTHING, lenient=True)
        instead = self.compile(given.get("default_value", nodes.Const("")))
        also_false = self.compile(given.get("boolean", nodes.Const(False)))

        def chosen(scope: Scope) -> Any:
            held = value(scope)
            if held is MISSING or (not held and also_false(scope)):
                return instead(scope)
            return held

        return chosen

    def _test(self, node: nodes.Test) -> Evaluate:
        if node.name in COMPARISON_TESTS:
            return self._compare(node.node, COMPARISON_TESTS[node.name], node.args[0])
        if node.args:
            operands = (node.node, node.args[0])
            return self._handled(
                lambda value, argument: item_test(node.name, argument)(value), operands, _place(node)
            )
        value, passes = self.compile(node.node, lenient=True), item_test(node.name, None)

        def tested(scope: Scope) -> Any:
            held = value(scope)
            if isinstance(held, str):
                scope[BUDGET].charge(len(held))
            return passes(held)

        return tested


def _filtered(apply: Callable[[Any], Any], price: Callable[[Budget, Any], None], value: Evaluate) -> Evaluate:
    """A filter on the value: its price is charged before, and the size of what it yields after."""

    def filtered(scope: Scope) -> Any:
        held = value(scope)
        budget: Budget = scope[BUDGET]
        price(budget, held)
        result = apply(held)
        budget.charge(size(result))
        return result

    return filtered


def _filtered_with(called: Filter, value: Evaluate, arguments: dict[str, Evaluate]) -> Evaluate:
    """As `_filtered`, with arguments that are known only when the template is rendered."""

    def filtered(scope: Scope) -> Any:
        held = value(scope)
        given = {name: argument(scope) for name, argument in arguments.items()}
        apply, price = partial(called.apply, **given), partial(called.price, **given)
        return _filtered(apply, price, lambda _scope: held)(scope)

    return filtered


def _charged(handle: _Handle, operands: Sequence[Evaluate], place: TemplatePlace) -> Evaluate:
    """An operator that handles texts or lists: what it is given and what it yields is charged."""

    def handled(scope: Scope) -> Any:
        values = [operand(scope) for operand in operands]
        budget: Budget = scope[BUDGET]
        budget.charge(sum(map(size, values)))
        try:
            result = handle(*values)
        except TypeError as error:
            raise Stopped(place, WRONG_TYPE) from error
        budget.charge(size(result))
        return result

    return handled


def _constant(value: Any) -> Evaluate:
    return lambda _scope: value


def _path(node: nodes.Node) -> tuple[str, tuple[str | int, ...]] | None:
    """The variable and the steps from it, where all are written out."""
    keys: list[str | int] = []
    while not isinstance(node, nodes.Name):
        match node:
            case nodes.Getattr(node=inner, attr=key):
                pass
            case nodes.Getitem(node=inner, arg=nodes.Const(value=str() | int() as key)):
                pass
            case nodes.Getitem(node=inner, arg=nodes.Neg(node=nodes.Const(value=int() as number))):
                key = -number
            case _:
                return None
        keys.append(key)
        node = inner
    return node.name, tuple(reversed(keys))


def _place(node: nodes.Node) -> TemplatePlace:
    return TemplatePlace(node.lineno, _described(node))


def _described(node: nodes.Node) -> str:
    """How an author knows an operation: its filter or test, or its operator between what it is used on."""
    match node:
        case nodes.Filter(name=name) | nodes.Test(name=name):
            return name
        case nodes.BinExpr(left=left, right=right):
            return f"{written(left)} {node.operator} {written(right)}"
        case nodes.Neg(node=inner):
            return f"-{written(inner)}"
        case nodes.Name() | nodes.Getattr() | nodes.Getitem():
            return written(node)
    return ""
