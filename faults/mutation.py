"""What a mutation is: a promise broken on purpose, and the tests that must notice."""

from dataclasses import dataclass
from typing import Final

COMMON: Final = "libs/common/src"
ROUTER: Final = "services/router/src"


@dataclass(frozen=True)
class Edit:
    """In this file, this text becomes that one. It must stand there exactly once."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutation:
    """A promise broken, and the tests that must notice."""

    name: str
    source: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]
