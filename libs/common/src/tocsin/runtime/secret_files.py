"""Secrets from files: `KAFKA_SASL_PASSWORD_FILE` names a file that holds KAFKA_SASL_PASSWORD, as Kubernetes and Compose mount them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsError

from tocsin.runtime.setting_facts import about
from tocsin.runtime.setting_names import is_secret, variable_of

ENDING = "_FILE"


class SecretFilesUnusable(SettingsError):
    """Files of secrets cannot be used; `faults` has a sentence for each. It holds no content, and no path: that may be the secret."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults


class SecretFiles(PydanticBaseSettingsSource):
    """The values of a settings class that stand in files."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls)
        self._environment = {name.upper(): value for name, value in os.environ.items()}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The file's content, None where none is named; the name; that it is no JSON. ValueError where it cannot be used."""
        variable = variable_of(self.settings_cls, field_name)
        named = may_be_a_file(field) and variable + ENDING in self._environment
        return _read(variable, self._environment) if named else None, field_name, False

    def __call__(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        faults: list[str] = []
        for name, field in self.settings_cls.model_fields.items():
            try:
                value, _, _ = self.get_field_value(field, name)
            except ValueError as fault:
                faults.append(str(fault))
                continue
            if value is not None:
                values[name] = value
        if faults:
            raise SecretFilesUnusable(faults)
        return values


def may_be_a_file(field: FieldInfo) -> bool:
    """Whether `NAME_FILE` is known beside `NAME`."""
    return is_secret(field) or about(field).from_file


def _read(variable: str, environment: Mapping[str, str]) -> str:
    if variable in environment:
        raise ValueError(f"{variable} and {variable}{ENDING} are both set; unset one of them.")
    try:
        text = Path(environment[variable + ENDING]).read_text(encoding="utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"{variable}{ENDING} names a file that is no text in UTF-8.") from None
    except (OSError, ValueError) as error:  # a path with a zero byte is a ValueError
        reason = getattr(error, "strerror", None) or "no path"
        raise ValueError(
            f"{variable}{ENDING} names a file that cannot be read: {reason}; mount the file, or correct the path."
        ) from None
    if not text:
        raise ValueError(f"{variable}{ENDING} names an empty file.")
    return text
