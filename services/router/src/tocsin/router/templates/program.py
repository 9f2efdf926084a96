"""A part of a template as a function: its tags over its expressions, writing piece by piece.

Loops, branches and blocks see variables as in Jinja2: what is set inside of a loop, a `with` or a `set` block ends with it; what
is set inside of an `if` is seen after it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from jinja2 import nodes

from tocsin.router.templates.budget import ITEM, Budget, size
from tocsin.router.templates.expressions import BUDGET, Expressions
from tocsin.router.templates.faults import CANNOT_UNPACK, WRONG_TYPE, Stopped, TemplatePlace
from tocsin.router.templates.loops import Loop
from tocsin.router.templates.paths import Evaluate, Scope
from tocsin.router.templates.texts import WrongValue, escaped, safe, text_of
from tocsin.router.templates.variables import written
from tocsin.router.templates.weights import TURN, weight

Write = Callable[[str], object]
Run = Callable[[Scope, Write], object]
Program = Callable[[Mapping[str, Any], Budget], str]
"""Renders a part with the variables, within the budget."""
_Assign = Callable[[Scope, Any], None]
_SHORT: Final = 64
"""The price of an operation includes escaping a text of so many characters."""


def compiled(template: nodes.Template, *, html: bool) -> Program:
    """The program of a template that keeps the language (`bounds`). `html`: printed values are escaped, and a `set` block is safe."""
    run, price = _Statements(html=html).block(template.body), weight(template.body)

    def render(variables: Mapping[str, Any], budget: Budget) -> str:
        budget.charge(price)
        pieces: list[str] = []
        run({**variables, BUDGET: budget}, pieces.append)
        return budget.joined(pieces)

    return render


class _Statements:
    """Makes functions of tags and of what stands between them."""

    def __init__(self, *, html: bool) -> None:
        self._html = html
        self._depth = 0
        """Loops around what is being made."""
        self._sets = False
        """Whether what was made of the body so far sets variables that are seen to its end."""
        self._expressions = Expressions(html=html)
        self._value = self._expressions.compile

    def block(self, body: Sequence[nodes.Node]) -> Run:
        """The statements, one after the other."""
        steps: list[tuple[str, Run]] = []
        text = ""
        for run in (run for node in body for run in self._statement(node)):
            if isinstance(run, str):
                text += run
            else:
                steps.append((text, run))
                text = ""
        rest = text

        def run_all(scope: Scope, write: Write) -> None:
            for (
                before,
                run,
            ) in steps:  # half of most templates is text: with a function of its own it takes a tenth longer
                if before:
                    write(before)
                run(scope, write)
            if rest:
                write(rest)

        return run_all

    def _own_block(self, body: Sequence[nodes.Node]) -> tuple[Run, bool]:
        """Statements whose variables end with them; and whether they set any."""
        outer, self._sets = self._sets, False
        run = self.block(body)
        sets, self._sets = self._sets, outer
        return run, sets

    def _statement(self, node: nodes.Node) -> Iterator[Run | str]:
        match node:
            case nodes.Output(nodes=printed):
                for expression in printed:
                    if isinstance(expression, nodes.TemplateData):
                        yield expression.data
                    else:
                        yield self._print(expression)
            case nodes.If():
                yield self._if(node)
            case nodes.For():
                yield self._for(node)
            case nodes.Assign(target=target, node=value):
                yield self._set(target, value)
                self._sets = True
            case nodes.AssignBlock():
                yield self._set_block(node)
                self._sets = True
            case nodes.With():
                yield self._with(node)

    def _print(self, node: nodes.Node) -> Run:
        value = self._value(node)
        return _print_escaped(value) if self._html else _print_plain(value)

    def _if(self, node: nodes.If) -> Run:
        branches = [(self._value(branch.test), self.block(branch.body)) for branch in (node, *node.elif_)]
        otherwise = self.block(node.else_)

        def run(scope: Scope, write: Write) -> None:
            for test, body in branches:
                if test(scope):
                    body(scope, write)
                    return
            otherwise(scope, write)

        return run

    def _set(self, target: nodes.Node, node: nodes.Node) -> Run:
        value, assign = self._value(node, lenient=True), _assignment(target)

        def run(scope: Scope, _write: Write) -> None:
            held = value(scope)
            scope[BUDGET].charge(size(held))
            assign(scope, held)

        return run

    def _set_block(self, node: nodes.AssignBlock) -> Run:
        (body, sets), assign, html = self._own_block(node.body), _assignment(node.target), self._html

        def run(scope: Scope, _write: Write) -> None:
            pieces: list[str] = []
            body(_copied(scope) if sets else scope, pieces.append)
            text = scope[BUDGET].joined(pieces)
            assign(scope, safe(text) if html else text)

        return run

    def _with(self, node: nodes.With) -> Run:
        sets = [self._set(target, value) for target, value in zip(node.targets, node.values, strict=True)]
        body, _ = self._own_block(node.body)

        def run(scope: Scope, write: Write) -> None:
            inner = _copied(scope)
            for set_value in sets:
                set_value(inner, write)
            body(inner, write)

        return run

    def _for(self, node: nodes.For) -> Run:
        values, assign = self._value(node.iter), _assignment(node.target)
        body, sets, asks_loop = self._body(node)
        depth = self._depth + 1
        otherwise = self.block(node.else_)
        keep = None if node.test is None else self._keeping(node.test, assign)
        price, place = TURN + weight(node.body), TemplatePlace(node.lineno, written(node.iter))

        def run(scope: Scope, write: Write) -> None:
            budget: Budget = scope[BUDGET]
            items = _items(values(scope), budget, place)
            if keep is not None:
                items = keep(scope, items)
            if not items:
                otherwise(scope, write)
                return
            budget.charge((price + (len(scope) if sets else 0)) * len(items))
            outer = inner = _copied(scope)
            if asks_loop:
                outer["loop"] = loop = Loop(items, depth)
            for index, item in enumerate(items):
                if sets:
                    inner = outer.copy()
                if asks_loop:
                    loop.index0 = index
                assign(inner, item)
                body(inner, write)

        return run

    def _body(self, node: nodes.For) -> tuple[Run, bool, bool]:
        """What a turn runs; whether it sets variables; whether it asks `loop`. Each is found while it is made, so loops in loops
        take no longer than others.
        """
        expressions = self._expressions
        outer, expressions.asks_loop = expressions.asks_loop, False
        self._depth += 1
        body, sets = self._own_block(node.body)
        self._depth -= 1
        asks_loop, expressions.asks_loop = expressions.asks_loop, outer
        return body, sets, asks_loop

    def _keeping(self, condition: nodes.Node, assign: _Assign) -> Callable[[Scope, Sequence[Any]], list[Any]]:
        """`if` in a `for`: the items for which it holds. It sees the item, and no `loop`."""
        test, price = self._value(condition), TURN + weight([condition])

        def keep(scope: Scope, items: Sequence[Any]) -> list[Any]:
            scope[BUDGET].charge(price * len(items))
            inner, kept = _copied(scope), []
            for item in items:
                assign(inner, item)
                if test(inner):
                    kept.append(item)
            return kept

        return keep


def _copied(scope: Scope) -> Scope:
    scope[BUDGET].charge(len(scope))
    return scope.copy()


def _print_plain(value: Evaluate) -> Run:
    def run(scope: Scope, write: Write) -> None:
        held = value(scope)
        write(held if isinstance(held, str) else _printed(held))

    return run


def _print_escaped(value: Evaluate) -> Run:
    def run(scope: Scope, write: Write) -> None:
        held = value(scope)
        if type(held) is str:
            if len(held) > _SHORT:
                write(_escaped_long(held, scope[BUDGET]))
            else:
                write(escaped(held))
        else:  # safe text is a subclass of str
            write(held if isinstance(held, str) else _printed(held))

    return run


def _escaped_long(text: str, budget: Budget) -> str:
    """The text, escaped; what it is and what it becomes is charged, because it may become five times as long."""
    budget.charge(len(text))
    written = escaped(text)
    budget.charge(len(written) - len(text))
    return written


def _printed(value: Any) -> str:
    if isinstance(value, list | tuple | dict):
        raise WrongValue(
            "A list or object cannot be printed. Loop over it, or write `|join` or `|tojson` after it."
        )
    return text_of(value)


def _items(values: Any, budget: Budget, place: TemplatePlace) -> Sequence[Any]:
    """What a loop goes through: items, the names in an object, the characters of a text; nothing for null."""
    if isinstance(values, list | tuple):
        return values
    if values is None:
        return ()
    if isinstance(values, dict | str):
        budget.charge(ITEM * len(values))
        return list(values)
    raise Stopped(place, WRONG_TYPE)


def _assignment(target: nodes.Node) -> _Assign:
    """What gives a value to the variable, or its items to several."""
    if isinstance(target, nodes.Tuple):
        return _unpacking([_assignment(item) for item in target.items], TemplatePlace(target.lineno, ""))
    name = written(target)

    def assign(scope: Scope, value: Any) -> None:
        scope[name] = value

    return assign


def _unpacking(assignments: Sequence[_Assign], place: TemplatePlace) -> _Assign:
    def assign_all(scope: Scope, values: Any) -> None:
        if not isinstance(values, list | tuple) or len(values) != len(assignments):
            raise Stopped(place, CANNOT_UNPACK)
        for assign, value in zip(assignments, values, strict=True):
            assign(scope, value)

    return assign_all
