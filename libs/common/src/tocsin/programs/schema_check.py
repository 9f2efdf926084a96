"""Whether a JSON Schema may be used, and how much work it can ask for. Counted with memo, so that counting itself is cheap.

A `$ref` is followed without being written out: what it leads to was counted once. `written_out` is how many sub-schemas there would
be with every `$ref` written out; `load` is the most that can meet one value of the data.
"""

import re
from collections.abc import Iterable
from itertools import zip_longest
from typing import Any, Final, NamedTuple

from tocsin.contracts.limits import JSON_DEPTH
from tocsin.programs.crash_note import ProgramFault
from tocsin.programs.json_values import large_numbers
from tocsin.programs.pattern_places import UNICODE_CLASS, PatternRefused, places
from tocsin.programs.schema_keywords import (
    LOOKS_AGAIN,
    Meets,
    costly_keyword,
    own_faults,
    own_reading,
    own_weight,
    patterns,
    required_names,
    sub_schemas,
    whole_weight,
)

MOST_SUB_SCHEMAS: Final = 2_000
MOST_LEVELS: Final = 128
MOST_PLACES: Final = 5_000
"""Of all patterns of a schema together: it bounds how long compiling them takes."""
MOST_LARGE_NUMBERS: Final = 300
"""Of more than 63 bits: the library compares each with each, also when it only checks that a list in the schema repeats nothing."""
_LEVELS: Final = JSON_DEPTH + 1
_AGAIN: Final = 3
"""How often the library asks at most what stands beside `unevaluatedProperties` or `unevaluatedItems`."""
_DEFS: Final = "#/$defs/"
_PLAIN_REF: Final = re.compile(r"#/\$defs/([A-Za-z0-9_.-]+)").fullmatch
"""Nothing in such a name is decoded by anybody: the library finds the definition that was counted, and no other."""
_ROOT_ONLY: Final = ("$id", "id", "$schema", "$anchor", "$dynamicAnchor", "$recursiveAnchor")
"""What gives a schema a name or a language of its own, in which `$ref` would lead elsewhere. Draft 4 says `id`."""


class SchemaRefused(ProgramFault):
    """The schema is correct JSON Schema, perhaps, but not one that Tocsin runs. The sentence says why; `path` leads to the place."""

    def __init__(self, detail: str, *, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.path = path


class Load(NamedTuple):
    """What meets one value, level by level: index k is k levels below the root of the data."""

    weight: tuple[int, ...]
    """Sub-schemas, and more for slow keywords."""
    reading: tuple[int, ...]
    """Places of regular expressions, for each character of a text."""
    faults: tuple[int, ...]
    """Errors that can be found, beside those for lacking properties."""
    lacking: tuple[int, ...]
    """Required properties that can be told to be lacking."""


class SchemaCost(NamedTuple):
    """What a schema can ask for: see the module's docstring."""

    written_out: int
    levels: int
    load: Load

    @property
    def width(self) -> int:
        """The most sub-schemas that can meet one value."""
        return max(self.load.weight)

    @property
    def reading(self) -> int:
        """The most places of regular expressions that can meet each character of one text."""
        return max(self.load.reading)

    @property
    def faults(self) -> int:
        """The most errors that can be found at one value, beside `lacking`."""
        return max(self.load.faults)

    @property
    def lacking(self) -> int:
        """The most properties that one object can be told to lack."""
        return max(self.load.lacking)


def check_schema(schema: dict[str, Any]) -> SchemaCost:
    """The schema's cost. Raises SchemaRefused for what is not run; whether the rest is correct JSON Schema, the library says."""
    if large_numbers(schema) > MOST_LARGE_NUMBERS:
        raise SchemaRefused(_TOO_MANY_LARGE)
    return _Check(schema).root()


class _Check:
    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        defs = schema.get("$defs")
        self._defs: dict[str, Any] = defs if isinstance(defs, dict) else {}
        self._costs: dict[str, SchemaCost] = {}
        self._open: set[str] = set()
        self._seen = 0
        self._places = 0

    def root(self) -> SchemaCost:
        for name, definition in self._defs.items():
            self._definition(name, definition, (), 1)
        return self._cost(self._schema, (), 0)

    def _definition(self, name: str, definition: Any, path: tuple[str | int, ...], level: int) -> SchemaCost:
        if name not in self._costs:
            self._open.add(name)
            self._costs[name] = self._cost(definition, ("$defs", name), level)
            self._open.discard(name)
        if self._costs[name].levels + level > MOST_LEVELS + 1:
            raise SchemaRefused(_TOO_DEEP, path=path)
        return self._costs[name]

    def _cost(self, schema: Any, path: tuple[str | int, ...], level: int) -> SchemaCost:
        self._seen += 1
        if self._seen > MOST_SUB_SCHEMAS:
            raise SchemaRefused(_TOO_MANY, path=path)
        if level > MOST_LEVELS:
            raise SchemaRefused(_TOO_DEEP, path=path)
        if not isinstance(schema, dict):
            return SchemaCost(1, 1, _OF_A_BOOLEAN)
        self._look_at_keywords(schema, path)
        beside: list[SchemaCost] = []
        named: list[SchemaCost] = []
        below: list[SchemaCost] = []
        names: list[SchemaCost] = []
        lists = {Meets.SAME: beside, Meets.NAMED: named, Meets.BELOW: below, Meets.NAMES: names}
        for inner_path, meets, inner in sub_schemas(schema):
            if meets is not Meets.NOTHING:
                lists[meets].append(self._cost(inner, (*path, *inner_path), level + 1))
            elif path or inner_path[0] != "$defs":
                self._cost(inner, (*path, *inner_path), level + 1)  # nothing leads there, but it is checked
        if "$ref" in schema:
            beside.append(self._referenced(schema["$ref"], path, level + 1))
        times = _AGAIN if any(keyword in schema for keyword in LOOKS_AGAIN) else 1
        written_out = 1 + times * sum(cost.written_out for cost in beside)
        written_out += sum(cost.written_out for cost in (*named, *below, *names))
        if written_out > MOST_SUB_SCHEMAS:
            raise SchemaRefused(_TOO_MANY, path=path)
        everything = (*beside, *named, *below, *names)
        levels = 1 + max((cost.levels for cost in everything), default=0)
        inner = _Inner(*([cost.load for cost in costs] for costs in (beside, named, below, names)))
        return SchemaCost(written_out, levels, _load(schema, times, inner))

    def _look_at_keywords(self, schema: dict[str, Any], path: tuple[str | int, ...]) -> None:
        for keyword in ("$dynamicRef", "$recursiveRef"):
            if keyword in schema:
                raise SchemaRefused(f"`{keyword}` is not run. {_USE_DEFS}", path=(*path, keyword))
        if path:
            for keyword in _ROOT_ONLY:
                if keyword in schema:
                    raise SchemaRefused(
                        f"`{keyword}` may stand at the root of the schema alone. Remove it",
                        path=(*path, keyword),
                    )
        if (comparing := costly_keyword(schema)) is not None:
            raise SchemaRefused(_COSTLY_NUMBER, path=(*path, comparing))
        for inner_path, pattern in patterns(schema):
            try:
                self._places += places(pattern)
            except PatternRefused as refused:
                raise SchemaRefused(str(refused), path=(*path, *inner_path)) from None
            if self._places > MOST_PLACES:
                raise SchemaRefused(_TOO_MANY_PLACES, path=(*path, *inner_path))

    def _referenced(self, ref: Any, path: tuple[str | int, ...], level: int) -> SchemaCost:
        path = (*path, "$ref")
        plain = _PLAIN_REF(ref) if isinstance(ref, str) else None
        if plain is None:
            raise SchemaRefused(f"`$ref` leads to `{_DEFS}<name>` alone. {_USE_DEFS}", path=path)
        name = plain[1]
        if name not in self._defs:
            raise SchemaRefused("`$ref` leads to a schema that is not there. Add it to `$defs`", path=path)
        if name in self._open:
            raise SchemaRefused(
                "`$ref` leads in a circle. Write out as many levels as the data has", path=path
            )
        return self._definition(name, self._defs[name], path, level)


class _Inner(NamedTuple):
    """What the schemas inside one load, by what they meet."""

    beside: list[Load]
    named: list[Load]
    below: list[Load]
    names: list[Load]


def _load(schema: dict[str, Any], times: int, inner: _Inner) -> Load:
    own = (own_weight(schema), own_reading(schema), own_faults(schema), required_names(schema))
    again = (times, times, 1, 1)
    joined = [
        _joined(
            own[measure] + sum(load[measure][0] for load in inner.names),
            again[measure],
            [load[measure] for load in inner.beside],
            [load[measure] for load in inner.named],
            [load[measure] for load in inner.below],
        )
        for measure in range(len(own))
    ]
    if whole := whole_weight(schema):
        joined[0] = [number + whole for number in (*joined[0], *[0] * (_LEVELS - len(joined[0])))]
    return Load(*(tuple(levels[:_LEVELS]) for levels in joined))


def _joined(
    own: int,
    times: int,
    beside: Iterable[tuple[int, ...]],
    named: Iterable[tuple[int, ...]],
    below: Iterable[tuple[int, ...]],
) -> list[int]:
    """What meets each level. Properties of different names count once, the widest; all else adds up."""
    widest = [max(level) for level in zip_longest(*named, fillvalue=0)]
    lower = [sum(level) for level in zip_longest(widest, *below, fillvalue=0)]
    same = [times * sum(level) for level in zip_longest(*beside, fillvalue=0)]
    return [sum(level) for level in zip_longest([own], same, [0, *lower], fillvalue=0)]


_OF_A_BOOLEAN: Final = Load((1,), (0,), (1,), (0,))
_USE_DEFS: Final = f"Copy what you need under `$defs` and write `{_DEFS}<name>`; a name has letters of ASCII, digits, `_`, `.` and `-` alone"
_TOO_MANY: Final = f"With every `$ref` written out, a schema has at most {MOST_SUB_SCHEMAS:,} schemas inside it. Make it smaller"
_COSTLY_NUMBER: Final = "A number has more than 64 bits or is closer to 0 than 1e-15, which takes long to compare. Write a number between"
_TOO_DEEP: Final = f"With every `$ref` written out, schemas nest at most {MOST_LEVELS} deep. Make it flatter"
_TOO_MANY_LARGE: Final = (
    f"A schema has at most {MOST_LARGE_NUMBERS} whole numbers of more than 63 bits. Write them as strings"
)
_TOO_MANY_PLACES: Final = (
    f"The regular expressions of a schema have at most {MOST_PLACES:,} places together, each repetition written out; "
    f"a class such as `\\p{{L}}` counts {UNICODE_CLASS}. Use `maxLength` instead of large repetitions"
)
