"""CHANGELOG.md: what is not released yet, and what a release says of itself."""

import re
from datetime import date

UNRELEASED = "## Unreleased"


def notes(text: str, heading: str = UNRELEASED) -> str:
    """What stands below a heading, up to the next of its kind; nothing where there is no such heading."""
    _, found, rest = f"\n{text}".partition(f"\n{heading}\n")
    return re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0].strip() if found else ""


def heading_of(version: str, day: date) -> str:
    """Of a release's own section."""
    return f"## {version} ({day.isoformat()})"


def released(text: str, version: str, day: date) -> str:
    """The changelog in which all that was unreleased is the release's."""
    return text.replace(f"{UNRELEASED}\n", f"{UNRELEASED}\n\n{heading_of(version, day)}\n", 1)
