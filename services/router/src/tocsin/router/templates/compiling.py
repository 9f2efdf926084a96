"""A template's syntax tree, written anew for the engine that renders (minijinja), with calls to the meter.

Jinja2 reads what authors write, and the check judges that tree. The engine gets source made of the same tree, so the two
cannot read a template differently. What the engine gets says less than the language:

* every expression stands in brackets; arguments are in their order, without names;
* `~`, `+`, slices and all filters are functions of ours (`filters`). The engine hands them null where a value is undefined,
  so a variable in front of one is written `(data.x or data.x)`: `or` refuses what is undefined, and else yields it;
* before each tag, in each turn of a loop and in each condition of an `elif` stands a call of the meter;
* a tag stands on the line on which it stands in the template, so that faults name that line.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from jinja2 import nodes

from tocsin.router.templates.filters import MAY_BE_UNDEFINED
from tocsin.router.templates.language import COMPARISONS, FILTERS
from tocsin.router.templates.literals import is_number
from tocsin.router.templates.program import Program, ProgramText
from tocsin.router.templates.variables import written

_OPERATORS: Final[dict[type[nodes.Node], str]] = {
    nodes.Add: "+",
    nodes.And: "and",
    nodes.Div: "/",
    nodes.FloorDiv: "//",
    nodes.Mod: "%",
    nodes.Mul: "*",
    nodes.Or: "or",
    nodes.Pow: "**",
    nodes.Sub: "-",
}
_SIGNS: Final[dict[type[nodes.Node], str]] = {nodes.Not: "not ", nodes.Neg: "-", nodes.Pos: "0 + "}
"""Before an expression. The engine has no sign `+`."""
_COMPARES: Final = {
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "lteq": "<=",
    "gt": ">",
    "gteq": ">=",
    "in": "in",
    "notin": "not in",
}

_Write = Callable[[nodes.Node], None]
_METHODS: Final = frozenset({*dir(dict), *dir(list)})
"""Names that the engine finds on an object or list that has no such member: `data.items` would be a method of Python's."""


def compiled(template: nodes.Template, *, html: bool) -> Program:
    """The program of a template that keeps the language (`bounds`). `html`: what a `set` block prints is safe text."""
    text = ProgramText()
    _Writer(text, html=html).statements(template.body)
    return text.program()


class _Writer:
    """Writes statement by statement. `defined` asks for an expression that is a fault, and not undefined, without a value."""

    def __init__(self, text: ProgramText, *, html: bool) -> None:
        self._html = html
        self._text = text
        self._write, self._reach, self._mark = text.write, text.reach, text.mark

    def statements(self, body: Sequence[nodes.Node]) -> None:
        for node in body:
            match node:
                case nodes.Output(nodes=printed):
                    for expression in printed:
                        self._print(expression)
                case nodes.If():
                    self._if(node)
                case nodes.For():
                    self._for(node)
                case nodes.Assign(target=target, node=value):
                    self._tag(node, "set ")
                    self._target(target)
                    self._write(" = ")
                    self._expression(value)
                    self._write(" %}")
                case nodes.AssignBlock():
                    self._set_block(node)
                case nodes.With():
                    self._with(node)

    def _print(self, node: nodes.Node) -> None:
        if isinstance(node, nodes.TemplateData):
            self._write(f"{{% raw %}}{node.data}{{% endraw %}}" if "{" in node.data else node.data)
            return
        self._write("{{ ")
        self._expression(node)
        self._write(" }}")

    def _tag(self, node: nodes.Node, name: str) -> None:
        self._write("{{ __tick(0) }}{% ")
        self._reach(node)
        self._write(name)

    def _if(self, node: nodes.If) -> None:
        self._tag(node, "if ")
        self._expression(node.test)
        self._write(" %}")
        self.statements(node.body)
        for branch in node.elif_:
            self._write("{% elif __again(0) and ")
            self._expression(branch.test)
            self._write(" %}")
            self.statements(branch.body)
        if node.else_:
            self._write("{% else %}")
            self.statements(node.else_)
        self._write("{% endif %}")

    def _for(self, node: nodes.For) -> None:
        self._tag(node, "for ")
        self._target(node.target)
        self._write(" in ")
        self._expression(node.iter)
        if node.test is not None:
            self._write(" if __again(0) and ")
            self._expression(node.test)
        self._write(f" %}}{{{{ __tick({sum(_fixed_characters(node.body))}) }}}}")
        self.statements(node.body)
        if node.else_:
            self._write("{% else %}")
            self.statements(node.else_)
        self._write("{% endfor %}")

    def _set_block(self, node: nodes.AssignBlock) -> None:
        name = written(node.target)
        self._tag(node, f"set {name} %}}")
        self.statements(node.body)
        self._write("{% endset %}")
        if self._html:
            self._write(f"{{% set {name} = {name}|safe %}}")

    def _with(self, node: nodes.With) -> None:
        self._tag(node, "with ")
        if not node.targets:
            self._write("__nothing = none")
        for index, (target, value) in enumerate(zip(node.targets, node.values, strict=True)):
            self._write(", " if index else "")
            self._target(target)
            self._write(" = ")
            self._expression(value)
        self._write(" %}")
        self.statements(node.body)
        self._write("{% endwith %}")

    def _target(self, target: nodes.Node) -> None:
        if isinstance(target, nodes.Tuple):
            self._bracketed("(", target.items, ",)", self._target)
        else:
            self._write(written(target))

    def _bracketed(self, opening: str, items: Sequence[nodes.Node], closing: str, write: _Write) -> None:
        self._write(opening)
        for index, item in enumerate(items):
            self._write(", " if index else "")
            write(item)
        self._write(closing)

    def _defined(self, node: nodes.Node) -> None:
        self._expression(node, defined=True)

    def _expression(self, node: nodes.Node, *, defined: bool = False) -> None:
        self._reach(node)
        match node:
            case nodes.Const(value=value):
                self._write(_literal(value))
            case nodes.Name() | nodes.Getattr() | nodes.Getitem():
                self._variable(node, defined=defined)
            case nodes.List(items=items):
                self._bracketed("[", items, "]", self._defined)
            case nodes.Tuple(items=items):
                self._bracketed("(", items, ",)" if items else ")", self._defined)
            case nodes.Dict(items=pairs):
                self._bracketed("{", pairs, "}", self._pair)
            case nodes.Call():
                self._call(node)
            case _:
                self._write("(")
                start = self._text.position
                self._operation(node, defined=defined)
                self._mark(start, _described(node))
                self._write(")")

    def _operation(self, node: nodes.Node, *, defined: bool) -> None:
        match node:
            case nodes.Filter():
                self._filter(node, defined=defined)
            case nodes.Test():
                self._test(node)
            case nodes.Concat(nodes=(first, *others)):
                self._filtered(first, "__concat", others)
            case nodes.Add() if not is_number(node):
                self._filtered(node.left, "__plus", [node.right])
            case nodes.BinExpr():
                self._binary(node, defined=defined and isinstance(node, nodes.And | nodes.Or))
            case nodes.CondExpr():
                self._condition(node, defined=defined)
            case nodes.Compare(expr=left, ops=[nodes.Operand(op=op, expr=right)]):
                self._compare(left, _COMPARES[op], right)
            case nodes.Not() | nodes.Neg() | nodes.Pos():
                self._write(_SIGNS[type(node)])
                self._expression(node.node)

    def _binary(self, node: nodes.BinExpr, *, defined: bool) -> None:
        self._expression(node.left)
        self._write(f" {_OPERATORS[type(node)]} ")
        self._expression(node.right, defined=defined)

    def _compare(self, left: nodes.Node, operator: str, right: nodes.Node) -> None:
        self._expression(left)
        self._write(f" {operator} ")
        self._expression(right)

    def _condition(self, node: nodes.CondExpr, *, defined: bool) -> None:
        self._expression(node.expr1, defined=defined)
        self._write(" if ")
        self._expression(node.test)
        self._write(" else ")
        if node.expr2 is None:
            self._write("none")
        else:
            self._expression(node.expr2, defined=defined)

    def _pair(self, pair: nodes.Node) -> None:
        if isinstance(pair, nodes.Pair):
            self._defined(pair.key)
            self._write(": ")
            self._defined(pair.value)

    def _call(self, node: nodes.Call) -> None:
        called = written(node.node)
        self._bracketed(f"{called}(", node.args, ")", self._defined)

    def _filtered(self, value: nodes.Node, name: str, arguments: Sequence[nodes.Node | str]) -> None:
        """`value|name(arguments)`; an argument that is text stands as it is."""
        self._defined(value)
        self._write(f"|{name}")
        if arguments:
            self._arguments(arguments)

    def _arguments(self, arguments: Sequence[nodes.Node | str]) -> None:
        self._write("(")
        for index, argument in enumerate(arguments):
            self._write(", " if index else "")
            if isinstance(argument, str):
                self._write(argument)
            else:
                self._defined(argument)
        self._write(")")

    def _filter(self, node: nodes.Filter, *, defined: bool) -> None:
        value, arguments = node.node, _in_order(node)
        if value is None:  # only the tag `filter`, which is not in the language
            return
        if node.name in ("default", "d"):
            self._expression(value)
            self._write("|default")
            self._arguments(arguments)
        elif node.name in MAY_BE_UNDEFINED:
            self._filtered(value, f"__{node.name}", arguments)
            self._write("|__only" if defined else "|first")
        else:
            self._filtered(value, node.name, arguments)

    def _test(self, node: nodes.Test) -> None:
        if node.name in COMPARISONS:
            self._compare(node.node, COMPARISONS[node.name], node.args[0])
        elif node.args:
            self._defined(node.node)
            self._write(f" is {node.name}")
            self._arguments(node.args)
        else:
            self._expression(node.node)
            self._write(f" is {node.name}")

    def _variable(self, node: nodes.Node, *, defined: bool) -> None:
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
            bounds = (node.arg.start, node.arg.stop, node.arg.step)
            self._write("(")
            self._filtered(node.node, "__part", [bound or "none" for bound in bounds])
            self._write(")")
        elif _is_path(node):
            self._write("(" if defined else "")
            self._path(node)
            if defined:
                self._write(" or ")
                self._path(node)
                self._write(")")
        elif isinstance(node, nodes.Getattr | nodes.Getitem):
            key = nodes.Const(node.attr, lineno=node.lineno) if isinstance(node, nodes.Getattr) else node.arg
            self._write("(")
            start = self._text.position
            self._filtered(node.node, "__item" if defined else "__place", [key])
            self._write("" if defined else "|first")
            self._mark(start, written(node))
            self._write(")")

    def _path(self, node: nodes.Node) -> None:
        """A variable and steps from it, such as `data.order["id"]`."""
        start = self._text.position
        if isinstance(node, nodes.Getattr):
            self._path(node.node)
            self._write(f".{node.attr}" if node.attr.isascii() else f"[{_literal(node.attr)}]")
        elif isinstance(node, nodes.Getitem):
            self._path(node.node)
            self._write("[")
            self._expression(node.arg)
            self._write("]")
        else:
            self._write(written(node))
        self._mark(start, written(node))


def _is_path(node: nodes.Node) -> bool:
    """Whether it is a variable and steps from it; such a one can be written twice, and not grow beyond that."""
    match node:
        case nodes.Name():
            return True
        case nodes.Getattr(node=inner, attr=name) | nodes.Getitem(node=inner, arg=nodes.Const(value=name)):
            return _is_path(inner) and name not in _METHODS
        case nodes.Getitem(node=inner, arg=arg):
            return _is_path(inner) and _is_path(arg)
    return False


def _in_order(call: nodes.Filter) -> list[nodes.Node | str]:
    """The arguments up to the last that is written; for others before it, what stands for them."""
    signature = FILTERS[call.name]
    given = signature.arguments(call)
    last = max((index for index, parameter in enumerate(signature) if parameter.name in given), default=-1)
    return [given.get(parameter.name, parameter.otherwise) for parameter in signature[: last + 1]]


def _literal(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return repr(value)


def _described(node: nodes.Node) -> str:
    """How an author knows an operation: its filter or test, or its operator between what it is used on."""
    match node:
        case nodes.Filter(name=name) | nodes.Test(name=name):
            return name
        case nodes.BinExpr(left=left, right=right):
            return f"{written(left)} {_OPERATORS[type(node)]} {written(right)}"
        case nodes.Compare(expr=left, ops=[nodes.Operand(op=op, expr=right)]):
            return f"{written(left)} {_COMPARES[op]} {written(right)}"
        case nodes.Neg(node=inner):
            return f"-{written(inner)}"
    return ""


def _fixed_characters(body: Sequence[nodes.Node]) -> Iterator[int]:
    """The lengths of the texts that one turn of a loop may print, without those of loops within it."""
    for node in body:
        match node:
            case nodes.TemplateData(data=text):
                yield len(text)
            case nodes.For():
                pass  # it has a tick of its own
            case nodes.Output(nodes=inner):
                yield from _fixed_characters(inner)
            case nodes.If():
                for branch in (node.body, node.elif_, node.else_):
                    yield from _fixed_characters(branch)
            case nodes.AssignBlock() | nodes.With():
                yield from _fixed_characters(node.body)
