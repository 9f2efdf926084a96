"""The settings of a service as a table: for `--help`, for its README, for the page of all settings, and for tests that compare them."""

from dataclasses import dataclass
from enum import Enum
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from tocsin.runtime.secret_files import may_be_a_file
from tocsin.runtime.setting_facts import RESTART, About, about
from tocsin.runtime.setting_names import groups_of, is_secret, own_fields, variable_of

_TYPES: Final = {
    "bool": "true or false",
    "int": "whole number",
    "float": "number",
    "str": "text",
    "Path": "path",
}
_BOUNDS: Final = {Ge: ("≥", "ge"), Gt: (">", "gt"), Le: ("≤", "le"), Lt: ("<", "lt")}


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRow:
    """One environment variable: its name, its default as one would write it (`required`, or empty for none), its meaning, and what
    else is to be known of it. `from_file`: `NAME_FILE` may name a file that holds it."""

    name: str
    default: str
    meaning: str
    type: str = ""
    unit: str = ""
    bounds: str = ""
    danger: str = ""
    change: str = RESTART
    example: str = ""
    from_file: bool = False


def settings_table(cls: type[BaseSettings]) -> list[SettingRow]:
    """Every variable a service reads: its own first, then those of its shared groups, in the order of the code.

    A field without a description, or a number without a unit, raises ValueError: it would be a setting nobody can use.
    """
    own = [setting_row(cls, name) for name in own_fields(cls)]
    return own + [row for group in groups_of(cls).values() for row in settings_table(group)]


def settings_markdown(cls: type[BaseSettings]) -> str:
    """The table as READMEs hold it, between `<!-- settings -->` and `<!-- /settings -->`."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for row in settings_table(cls):
        default = row.default if row.default in {"", "required"} else f"`{row.default}`"
        lines.append(f"| `{row.name}` | {default} | {_told(row).replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


def settings_text(cls: type[BaseSettings]) -> str:
    """The table for a terminal: aligned columns, one line a setting."""
    rows = settings_table(cls)
    name = max(len(row.name) for row in rows)
    default = max(len(row.default) for row in rows)
    return "".join(f"  {row.name:<{name}}  {row.default:<{default}}  {_told(row)}\n" for row in rows)


def _told(row: SettingRow) -> str:
    return f"{row.meaning}. Or {row.name}_FILE: a file that holds it" if row.from_file else row.meaning


def setting_row(cls: type[BaseSettings], name: str) -> SettingRow:
    """The row of one field. Raises ValueError as `settings_table` does."""
    field, facts = cls.model_fields[name], about(cls.model_fields[name])
    kind = _type(field.annotation)
    if not field.description:
        raise ValueError(f"{cls.__name__}.{name} has no description")
    if kind.endswith("number") and not facts.unit:
        raise ValueError(f'{cls.__name__}.{name} has no unit: annotate it with About(unit="…")')
    return SettingRow(
        name=variable_of(cls, name),
        default=_default(field),
        meaning=field.description,
        type="secret" if is_secret(field) else kind,
        unit=facts.unit,
        bounds=_bounds(field),
        danger=_danger(facts),
        change=facts.change,
        example=facts.example,
        from_file=may_be_a_file(field),
    )


def _type(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):  # an optional one
        return _type(next(kind for kind in inner if kind is not type(None)))
    if origin is Literal:
        return " or ".join(f"`{word}`" for word in inner)
    if origin is list:
        return "list, with commas between"
    return _TYPES.get(getattr(annotation, "__name__", ""), "text")


def _bounds(field: FieldInfo) -> str:
    """As `≥ 1, ≤ 200`."""
    return ", ".join(
        f"{sign} {_plain(getattr(bound, attribute))}"
        for bound in field.metadata
        for kind, (sign, attribute) in _BOUNDS.items()
        if isinstance(bound, kind)
    )


def _danger(facts: About) -> str:
    """All of it as sentences."""
    bounds = ((facts.under, "Under"), (facts.over, "Over"))
    told = [f"{word} {_plain(unwise.bound)}: {unwise.harm}." for unwise, word in bounds if unwise is not None]
    return " ".join([*told, *([f"{facts.danger}."] if facts.danger else [])])


def _plain(number: float) -> str:
    """Without a fraction that is none, or an exponent."""
    return f"{number:.10g}" if number < 1e9 else f"{number:.0f}"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "required"
    if value is None or value in ("", []):
        return ""
    return "(secret)" if is_secret(field) else _written(value)


def _written(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case Enum():
            return str(value.value)
        case list() | tuple() | set() | frozenset():
            return ",".join(_written(item) for item in value)
        case _:
            return str(value)
