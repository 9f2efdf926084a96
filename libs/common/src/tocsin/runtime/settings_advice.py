"""What is unwise about settings that are valid: misspelt variables, and values that do harm."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import Final

from pydantic_settings import BaseSettings

from tocsin.observability import get_logger
from tocsin.runtime.secret_files import ENDING, may_be_a_file
from tocsin.runtime.setting_facts import Unwise, about
from tocsin.runtime.setting_names import groups_of, own_fields, prefix_of, variable_of
from tocsin.runtime.settings import Advice, GroupRefused, Settings

log = get_logger(__name__)

_OTHERS: Final = re.compile(
    r"HTTP_PROXY=.*|OTEL_\w+=.*|\w+_SERVICE_(HOST|PORT)(_\w+)?=.*|\w+_PORT(_\w+)?=(tcp|udp)://.*|\w+_PORT_\d+_(TCP|UDP)_\w+=.*",
    re.DOTALL,
)
"""Variables of other programs: proxies, OpenTelemetry's own, and those that Kubernetes makes of a Service called as one of ours."""
_MISSPELT: Final = 0.87
"""How alike a name without a prefix must be to be a misspelt one of ours: LANE and LANES are 0.89."""


def warn_of(settings: BaseSettings, environment: Mapping[str, str]) -> None:
    """One warning in the log for each of them: what a service says at its start."""
    for unknown in unknown_variables(type(settings), environment):
        log.warning("unknown setting", variable=unknown.variable, reason=unknown.harm, remedy=unknown.remedy)
    for unwise in advice_on(settings):
        log.warning("unwise setting", variable=unwise.variable, reason=unwise.harm, remedy=unwise.remedy)


def variables_of(cls: type[BaseSettings]) -> set[str]:
    """Every variable that is read, those that name files of secrets included."""
    names = {variable_of(cls, name) for name in own_fields(cls)}
    names |= {
        variable_of(cls, name) + ENDING for name, field in own_fields(cls).items() if may_be_a_file(field)
    }
    return names.union(*(variables_of(group) for group in groups_of(cls).values()))


def unknown_variables(cls: type[BaseSettings], environment: Mapping[str, str]) -> Iterator[Advice]:
    """Variables that begin as those of `cls` do, or are nearly called so, and that it does not read."""
    known, prefixes = variables_of(cls), tuple(_prefixes(cls))
    others = set(cls.of_other_roles()) if issubclass(cls, Settings) else set()
    without_prefix = [name for name in known if not name.startswith(prefixes)]
    for name, value in sorted(environment.items()):
        spelt = name.upper()
        if spelt in known or spelt in others or _OTHERS.fullmatch(f"{spelt}={value}"):
            continue
        ours = spelt.startswith(prefixes)
        near = get_close_matches(
            spelt, known if ours else without_prefix, n=1, cutoff=0.6 if ours else _MISSPELT
        )
        if ours or near:
            remedy = (
                f"did you mean {near[0]}?"
                if near
                else "remove it, or look for its name in the list of settings"
            )
            yield Advice(variable=name, harm="is no setting and changes nothing", remedy=remedy)


def advice_on(settings: BaseSettings) -> Iterator[Advice]:
    """What is unwise about values that are legal, those of all groups included."""
    cls = type(settings)
    for name, field in own_fields(cls).items():
        facts, value = about(field), getattr(settings, name)
        if isinstance(value, int | float):
            for unwise, beyond in ((facts.under, -1), (facts.over, 1)):
                if unwise is not None and (value - unwise.bound) * beyond > 0:
                    yield _bound(variable_of(cls, name), value, unwise)
    if isinstance(settings, Settings):
        with suppress(
            GroupRefused
        ):  # what is unwise together with a value that is refused is said once that is mended
            yield from settings.advice()
    for name in groups_of(cls):
        yield from advice_on(getattr(settings, name))


def _bound(variable: str, value: float, unwise: Unwise) -> Advice:
    return Advice(variable=variable, harm=f"is {value:g}: {unwise.harm}", remedy=unwise.remedy)


def _prefixes(cls: type[BaseSettings]) -> set[str]:
    """Those of a class and of its groups."""
    own = {prefix_of(cls)} - {""}
    return own.union(*(_prefixes(group) for group in groups_of(cls).values()))
