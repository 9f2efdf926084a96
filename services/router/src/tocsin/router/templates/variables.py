"""Which variables a template uses that nothing will ever fill: unknown roots, and what the data schema does not declare."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from jinja2 import nodes

from tocsin.router.templates.language import ROOTS

Schema = Mapping[str, Any]
_ANYTHING: Final[Schema] = {}
_CANNOT_TELL: Final = (
    "allOf",
    "anyOf",
    "oneOf",
    "if",
    "not",
    "dependentSchemas",
    "patternProperties",
    "$dynamicRef",
)
_SCALARS: Final = frozenset({"string", "number", "integer", "boolean", "null"})
_LOOP: Final[Schema] = {
    "type": "object",
    "properties": {
        **{
            name: {"type": "integer"}
            for name in ("index", "index0", "revindex", "revindex0", "length", "depth", "depth0")
        },
        **{name: {"type": "boolean"} for name in ("first", "last")},
        "previtem": _ANYTHING,
        "nextitem": _ANYTHING,
    },
}

_INSTEAD: Final = {
    "loop": "`loop` is known inside of a `for` only.",
    "range": "`range` must be called: `range(3)`.",
}


class Unknown(NamedTuple):
    """A variable that nothing fills: where, its path as written, and what there is instead."""

    line: int
    path: str
    instead: str


def unknown_variables(template: nodes.Template, data_schema: Schema | None) -> list[Unknown]:
    """Variables outside the roots, and properties a schema does not declare, as far as it is closed enough to tell.

    An object that lists `properties` counts as closed unless it says `additionalProperties` or combines schemas.
    """
    scope: dict[str, Schema] = dict(ROOTS)
    root: Schema = data_schema or _ANYTHING
    scope["data"] = root
    check = _VariableCheck(root=root)
    check.body(template.body, scope)
    return check.unknown


class _VariableCheck:
    def __init__(self, *, root: Schema) -> None:
        self._root = root
        self.unknown: list[Unknown] = []

    def body(self, body: list[nodes.Node], scope: dict[str, Schema]) -> None:
        for node in body:
            self._statement(node, scope)

    def _statement(self, node: nodes.Node, scope: dict[str, Schema]) -> None:
        if isinstance(node, nodes.For):
            items = self._items(self._expression(node.iter, scope))
            inner = scope | _bound(node.target, items)
            if node.test is not None:
                self._expression(node.test, inner)
            self.body(node.body, inner | {"loop": _LOOP})
            self.body(node.else_, dict(scope))
        elif isinstance(node, nodes.If):
            self._expression(node.test, scope)
            self.body(node.body, scope)  # `set` inside `if` is seen after it
            self.body(list(node.elif_), scope)
            self.body(node.else_, scope)
        elif isinstance(node, nodes.Assign):
            scope.update(_bound(node.target, self._expression(node.node, scope)))
        elif isinstance(node, nodes.AssignBlock):
            self.body(node.body, dict(scope))
            scope.update(_bound(node.target, _ANYTHING))
        elif isinstance(node, nodes.With):
            inner = dict(scope)
            for target, value in zip(node.targets, node.values, strict=True):
                inner.update(_bound(target, self._expression(value, scope)))
            self.body(node.body, inner)
        else:
            for child in node.iter_child_nodes():
                self._expression(child, scope)

    def _expression(self, node: nodes.Node, scope: dict[str, Schema]) -> Schema:
        """The schema of what the expression yields; faults inside are noted."""
        if isinstance(node, nodes.Name):
            return self._name(node, scope)
        if isinstance(node, nodes.Call):
            return self._call(node, scope)
        if isinstance(node, nodes.Getattr):
            return self._property(node, node.attr, self._expression(node.node, scope))
        if isinstance(node, nodes.Getitem):
            return self._item(node, scope)
        for child in node.iter_child_nodes():
            self._expression(child, scope)
        return _ANYTHING

    def _name(self, node: nodes.Name, scope: dict[str, Schema]) -> Schema:
        if node.name in scope:
            return self._resolved(scope[node.name])
        instead = _INSTEAD.get(node.name, f"Variables begin with {', '.join(ROOTS)}.")
        self.unknown.append(Unknown(node.lineno, node.name, instead))
        return _ANYTHING

    def _call(self, node: nodes.Call, scope: dict[str, Schema]) -> Schema:
        """What is called, the language judges (`usage`); `loop` is there in a loop only."""
        if written(node.node) == "loop.cycle" and "loop" not in scope:
            self.unknown.append(Unknown(node.lineno, "loop", _INSTEAD["loop"]))
        for argument in (*node.args, *node.kwargs):
            self._expression(argument, scope)
        return _ANYTHING

    def _item(self, node: nodes.Getitem, scope: dict[str, Schema]) -> Schema:
        within = self._expression(node.node, scope)
        if isinstance(node.arg, nodes.Const):
            if isinstance(node.arg.value, str):
                return self._property(node, node.arg.value, within)
            return self._items(within)
        self._expression(node.arg, scope)
        return within if isinstance(node.arg, nodes.Slice) else self._items(within)

    def _property(self, node: nodes.Getattr | nodes.Getitem, name: str, within: Schema) -> Schema:
        if any(keyword in within for keyword in _CANNOT_TELL):
            return _ANYTHING
        properties = within.get("properties")
        if isinstance(properties, dict) and name in properties:
            return self._resolved(properties[name])
        additional = within.get("additionalProperties")
        if isinstance(additional, dict):
            return self._resolved(additional)
        if additional is False or (additional is None and isinstance(properties, dict)):
            declared = sorted(properties or ())
            listed = ", ".join(declared[:10]) + (", …" if len(declared) > 10 else "")
            self._note(node, f"has: {listed}." if declared else "has no properties.")
        elif additional is None and within.get("type") in _SCALARS:
            self._note(node, f"is a {within['type']} and has no properties.")
        return _ANYTHING

    def _note(self, node: nodes.Getattr | nodes.Getitem, what_there_is: str) -> None:
        self.unknown.append(Unknown(node.lineno, written(node), f"`{written(node.node)}` {what_there_is}"))

    def _items(self, within: Schema) -> Schema:
        items = within.get("items")
        if any(keyword in within for keyword in _CANNOT_TELL) or "prefixItems" in within:
            return _ANYTHING
        return self._resolved(items) if isinstance(items, dict) else _ANYTHING

    def _resolved(self, schema: Any) -> Schema:
        """The schema behind local references; anything where a reference leads elsewhere."""
        for _ in range(16):
            if not isinstance(schema, Mapping):
                return _ANYTHING
            reference = schema.get("$ref")
            if reference is None:
                return schema
            schema = self._local(reference)
        return _ANYTHING

    def _local(self, reference: Any) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return _ANYTHING
        schema: Any = self._root
        for escaped in reference[2:].split("/"):
            step = escaped.replace("~1", "/").replace("~0", "~")
            if not isinstance(schema, Mapping) or step not in schema:
                return _ANYTHING
            schema = schema[step]
        return schema


def _bound(target: nodes.Node, schema: Schema) -> dict[str, Schema]:
    if isinstance(target, nodes.Name):
        return {target.name: schema}
    return {name.name: _ANYTHING for name in _names(target)}


def _names(node: nodes.Node) -> Iterator[nodes.Name]:
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.Name):
            yield child
        yield from _names(child)


def written(node: nodes.Node) -> str:
    """The path as it stands in the template, such as `data.order.id`."""
    if isinstance(node, nodes.Name):
        return node.name
    if isinstance(node, nodes.Getattr):
        return f"{written(node.node)}.{node.attr}"
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        return f"{written(node.node)}[{node.arg.value!r}]"
    return "…"
