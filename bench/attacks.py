"""What a hostile tenant writes: the largest that the door lets in, and what it refuses, as an operator's old data would hold it."""

import json
from typing import Any, Final

import msgspec

from tocsin.programs import DataSchema
from tocsin.programs.data_schema import MOST_STEPS

DATA_BYTES: Final = 250_000
"""Of an event, just under what may be sent."""


class Attack(msgspec.Struct, kw_only=True, frozen=True):
    """A workflow of the hostile tenant and what its events hold."""

    name: str
    data: dict[str, Any] = {}
    schema: dict[str, Any] | None = None
    expression: str | None = None
    body: str = "hello"
    planted: bool = False
    """It is refused when saved, so it is put into the database, and its events into Kafka."""
    previewed: bool = False
    """Its template is previewed, again and again, and no event is sent."""


def attacks() -> list[Attack]:
    """Each once."""
    schema, data = _widest_schema()
    rows = {"rows": [{"n": f"{number:04}"} for number in range(9_000)]}
    looped = "{% for i in range(1000) %}{% for j in range(9) %}{{ data.s|length }}{% endfor %}{% endfor %}"
    texts = {"s": "x" * DATA_BYTES}
    return [
        Attack(name="schema, the widest", schema=schema, data=data),
        Attack(name="schema, doubled 24 times", schema=_doubled(24), planted=True),
        Attack(
            name="expression, the longest way", expression=" || ".join(["data.rows[?n=='x']"] * 40), data=rows
        ),
        Attack(
            name="expression, doubled 18 times",
            expression="data.x" + "[].[@,@][]" * 18,
            data={"x": ["someone"]},
            planted=True,
        ),
        Attack(name="template, 2 MiB", body=looped, data=texts),
        Attack(
            name="template, indent of 10^9",
            body="{{ data.l|tojson(indent=1000000000)|length }}",
            data={"l": [1]},
            planted=True,
        ),
        Attack(name="previews of 2 MiB", body=looped, data={"s": "x" * 100_000}, previewed=True),
    ]


def _widest_schema() -> tuple[dict[str, Any], dict[str, Any]]:
    """A schema and data whose work comes close to what is allowed."""
    choices = [{"const": -number} for number in range(1, 60)]
    schema = {"type": "object", "properties": {"l": {"items": {"anyOf": [*choices, {"type": "integer"}]}}}}
    size = min(DATA_BYTES, MOST_STEPS // DataSchema(schema).width) - 100
    return schema, {"l": [1] * (size // len(json.dumps([1, 1])) * 2)}


def _doubled(steps: int) -> dict[str, Any]:
    """Each definition asks the next one twice."""
    halves = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(steps)}
    return {"$ref": "#/$defs/a0", "$defs": {**halves, f"a{steps}": {"type": "object"}}}
