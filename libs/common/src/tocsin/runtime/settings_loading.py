"""A process's settings from its environment, or its end with all that is to be said of them."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import NoReturn, TypeVar

from pydantic_settings import BaseSettings

from tocsin.runtime.errors import ExitCode
from tocsin.runtime.settings import Advice, SettingsInvalid, read_settings
from tocsin.runtime.settings_advice import advice_on, unknown_variables

S = TypeVar("S", bound=BaseSettings)


def load_settings(cls: type[S]) -> S:
    """The settings of the environment, or the end of the process: exit code 2, on stderr one sentence for each fault and each warning.

    A sentence names the variable and what to do; that of a fault never repeats a value, which may be a secret.
    """
    try:
        return read_settings(cls)
    except SettingsInvalid as invalid:
        _refuse(cls, invalid)


def advice_beside(
    invalid: SettingsInvalid, cls: type[BaseSettings], environment: Mapping[str, str]
) -> Iterator[Advice]:
    """What is to be said beside the faults: of misspelt variables, and of values that are valid. What a fault names is not told twice."""
    refused = set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", " ".join(invalid.faults)))
    beside = chain(unknown_variables(cls, environment), *map(advice_on, invalid.valid))
    return (advice for advice in beside if advice.variable not in refused)


def _refuse(cls: type[BaseSettings], invalid: SettingsInvalid) -> NoReturn:
    warnings = (_warning(advice) for advice in advice_beside(invalid, cls, os.environ))
    sys.stderr.write("".join(f"{sentence}\n" for sentence in (*invalid.faults, *warnings)))
    sys.exit(ExitCode.SETTINGS_INVALID)


def _warning(advice: Advice) -> str:
    remedy = advice.remedy if advice.remedy.endswith("?") else f"{advice.remedy}."
    return f"Warning: {advice.variable} {advice.harm}; {remedy}"
