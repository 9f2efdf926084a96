"""The settings of a service as a table: for `--help`, for its README, and for the test that compares the two."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from tocsin.runtime.settings import groups_of, is_secret, variable_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRow:
    """One environment variable: its name, its default as one would write it (`required`, or empty for none), its meaning."""

    name: str
    default: str
    meaning: str


def settings_table(cls: type[BaseSettings]) -> list[SettingRow]:
    """Every variable a service reads: its own first, then those of its shared groups, in the order of the code.

    A field without a description raises ValueError: it would be a setting nobody can use.
    """
    groups = groups_of(cls)
    own = [_row(cls, name, field) for name, field in cls.model_fields.items() if name not in groups]
    return own + [row for group in groups.values() for row in settings_table(group)]


def settings_markdown(cls: type[BaseSettings]) -> str:
    """The table as READMEs hold it, between `<!-- settings -->` and `<!-- /settings -->`."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for row in settings_table(cls):
        default = row.default if row.default in {"", "required"} else f"`{row.default}`"
        lines.append(f"| `{row.name}` | {default} | {row.meaning.replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


def settings_text(cls: type[BaseSettings]) -> str:
    """The table for a terminal: aligned columns, one line a setting."""
    rows = settings_table(cls)
    name = max(len(row.name) for row in rows)
    default = max(len(row.default) for row in rows)
    return "".join(f"  {row.name:<{name}}  {row.default:<{default}}  {row.meaning}\n" for row in rows)


def _row(cls: type[BaseSettings], name: str, field: FieldInfo) -> SettingRow:
    if not field.description:
        raise ValueError(f"{cls.__name__}.{name} has no description")
    return SettingRow(name=variable_of(cls, name), default=_default(field), meaning=field.description)


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "required"
    if value is None or value == "":
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
