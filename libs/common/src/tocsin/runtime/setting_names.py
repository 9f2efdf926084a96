"""How a settings class is put together, and which environment variables its fields are read from."""

from pydantic import AliasChoices, AliasPath, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings


def groups_of(cls: type[BaseSettings]) -> dict[str, type[BaseSettings]]:
    """The fields of `cls` that are settings classes themselves."""
    return {
        name: field.annotation
        for name, field in cls.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseSettings)
    }


def own_fields(cls: type[BaseSettings]) -> dict[str, FieldInfo]:
    """The fields of `cls` that are no groups."""
    return {name: field for name, field in cls.model_fields.items() if name not in groups_of(cls)}


def variable_of(cls: type[BaseSettings], name: str) -> str:
    """The environment variable a field is read from, in capitals."""
    alias = _alias(cls.model_fields[name])
    return (alias or f"{prefix_of(cls)}{name}").upper()


def prefix_of(cls: type[BaseSettings]) -> str:
    """What the variables of its own fields begin with, where they have no name of their own; empty for none."""
    return str(cls.model_config.get("env_prefix", "")).upper()


def is_secret(field: FieldInfo) -> bool:
    """Whether a field's value must never be shown."""
    return "SecretStr" in str(field.annotation) or field.annotation is SecretStr


def _alias(field: FieldInfo) -> str | None:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        alias = alias.choices[0]
    if isinstance(alias, AliasPath):
        alias = str(alias.path[0])
    return alias
