"""`python -m tocsin.dev.release check | put | notes VERSION`: the steps of `.ci/release` that read and write files of the tree in front of it."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import typer

from tocsin.dev.release import changelog, versions

CHANGELOG = Path("CHANGELOG.md")

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


@app.command()
def check(version: str) -> None:
    """Whether it can be released: it is greater than every release before it, and the changelog says what is new."""
    try:
        refused = _why_not(version)
    except ValueError as error:
        refused = str(error)
    if refused:
        print(refused, file=sys.stderr)
        sys.exit(1)


@app.command()
def put(version: str) -> None:
    """Write it into every place, and make the changelog's unreleased part the release's."""
    versions.put(Path(), version)
    CHANGELOG.write_text(changelog.released(CHANGELOG.read_text(), version, datetime.now(UTC).date()))


@app.command()
def notes(version: str) -> None:
    """Print what the changelog says of a version that was put there."""
    text = CHANGELOG.read_text()
    heading = next(line for line in text.splitlines() if line.startswith(f"## {version} ("))
    print(f"# Tocsin {version}\n\n{changelog.notes(text, heading)}")


def _why_not(version: str) -> str | None:
    wanted = versions.numbers(version)
    standing = versions.current(Path())
    released = [tag.removeprefix("v") for tag in _tags() if versions.VERSION.fullmatch(tag.removeprefix("v"))]
    latest = max(released, key=versions.numbers, default=None)
    if latest is not None and wanted <= versions.numbers(latest):
        return f"{version} is not greater than {latest}, which is released."
    if wanted < versions.numbers(standing):
        return f"{version} is less than {standing}, which stands in the tree."
    if not changelog.notes(CHANGELOG.read_text()):
        return f"{CHANGELOG} says nothing below `{changelog.UNRELEASED}`: what is new in {version}?"
    return None


def _tags() -> list[str]:
    command = ["git", "tag", "--list", "v*"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


if __name__ == "__main__":
    app()
