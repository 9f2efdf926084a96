"""The settings table in each service's README, from the class that reads the settings.

It stands between `<!-- settings -->` and `<!-- /settings -->`; everything else in a README is its author's.
"""

from importlib import import_module
from pathlib import Path

from tocsin.runtime import ServiceSettings, settings_markdown

BEGIN, END = "<!-- settings -->", "<!-- /settings -->"


class MarkersMissing(Exception):
    """A README has no place for its table. Put both markers on lines of their own where the table shall stand."""


def readmes(services: Path) -> dict[Path, str]:
    """README → its text with today's table, for every service in the folder `services`. Raises MarkersMissing."""
    folders = sorted(path.parent for path in services.glob("*/pyproject.toml"))
    return {folder / "README.md": _with_table(folder) for folder in folders}


def settings_class(service: str) -> type[ServiceSettings]:
    """The settings of a service (`dispatch-email`): the one class of them that its module `settings` defines."""
    module = import_module(f"tocsin.{service.replace('-', '_')}.settings")
    (settings,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, ServiceSettings)
        and value.__module__ == module.__name__
    )
    return settings


def _with_table(folder: Path) -> str:
    readme = folder / "README.md"
    before, begin, rest = readme.read_text().partition(f"{BEGIN}\n")
    _, end, after = rest.partition(f"{END}\n")
    if not begin or not end:
        raise MarkersMissing(f"{readme} lacks the lines {BEGIN} and {END} for its settings table.")
    return f"{before}{BEGIN}\n{settings_markdown(settings_class(folder.name))}{END}\n{after}"
