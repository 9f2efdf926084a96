"""What a hostile tenant writes: the largest that the door lets in, and what it refuses, as an operator's old data would hold it."""

import json
from typing import Any, Final

import msgspec

from tocsin.programs import DataSchema

DATA_BYTES: Final = 250_000
"""Of an event, just under what may be sent."""


LONG: Final = "{% if data.s %}{{ data.s|upper }}{% endif %}" * 184
"""Just under the 3,000 words and signs that a part may have, which take long to be read and compiled."""
WIDE: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "l": {"items": {"anyOf": [*({"const": -number} for number in range(1, 60)), {"type": "integer"}]}}
    },
}


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
    rows = {"rows": [{"n": f"{number:04}"} for number in range(9_000)]}
    narrow = {"type": "object", "properties": {"l": {"items": {"type": "integer"}}}}
    patterns = {"type": "object", "properties": {"l": {"items": {"pattern": "^[ab]*a[ab]{30}$"}}}}
    looped = "{% for i in range(1000) %}{% for j in range(9) %}{{ data.s|length }}{% endfor %}{% endfor %}"
    texts = {"s": "x" * DATA_BYTES}
    return [
        _at_the_bound("schema, the widest", WIDE, 1),
        _at_the_bound("schema, a pattern", patterns, "ab" * 20 + "c"),
        _at_the_bound("schema, nothing fits", narrow, "a"),
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
        Attack(name="previews of a long template", body=LONG, data={"s": "x" * 1_000}, previewed=True),
        Attack(name="previews of 2 MiB", body=looped, data={"s": "x" * 100_000}, previewed=True),
    ]


def _at_the_bound(name: str, schema: dict[str, Any], value: Any) -> Attack:
    """As many of the value as the schema lets in."""
    compiled = DataSchema(schema)
    least, most = 1, DATA_BYTES // len(json.dumps([value]))
    while most - least > 1:
        number = (least + most) // 2
        data = {"l": [value] * number}
        least, most = (least, number) if compiled.too_complex(data, len(json.dumps(data))) else (number, most)
    return Attack(name=name, schema=schema, data={"l": [value] * least})


def _doubled(steps: int) -> dict[str, Any]:
    """Each definition asks the next one twice."""
    halves = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(steps)}
    return {"$ref": "#/$defs/a0", "$defs": {**halves, f"a{steps}": {"type": "object"}}}
