"""How far a re-drive is: a bar on a terminal, a line for each change in a pipe."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tocsin.cli.api import ask
from tocsin.cli.output import print_json

EVERY: Final = 1.0
INTERRUPTED: Final = 130
"""What shells expect of a command that Ctrl-C has ended."""
_ENDED: Final = ("stopped", "finished")

Show = Callable[[dict[str, Any]], None]


def watch(redrive: dict[str, Any], *, url: str | None, key: str | None, as_json: bool) -> None:
    """Show how far it is until it has ended. Ctrl-C ends the watching, not the re-drive."""
    path = f"/v1/redrives/{redrive['id']}"
    try:
        with _shown(as_json=as_json) as show:
            show(redrive)
            while redrive["state"] not in _ENDED:
                time.sleep(EVERY)
                redrive = ask("GET", path, url=url, key=key)
                show(redrive)
    except KeyboardInterrupt:
        typer.echo(
            f"\nThe re-drive goes on. To end it: tocsin redrive stop {redrive['id']}; to watch it: tocsin redrive watch {redrive['id']}",
            err=True,
        )
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json(redrive)
    else:
        typer.echo(
            f"{redrive['state']}: {redrive['written']} given on to be decided again, {redrive['not_possible']} not possible. "
            f"The timeline of each shows what became of it; count again, without --go, what has failed again."
        )


@contextmanager
def _shown(*, as_json: bool) -> Iterator[Show]:
    if as_json:
        yield lambda _: None
    elif sys.stdout.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns) as progress:
            task = progress.add_task("re-drive", total=None)
            yield lambda redrive: progress.update(
                task,
                description=redrive["state"],
                total=max(redrive["matched"], _done(redrive)),
                completed=_done(redrive),
            )
    else:
        yield _Lines()


class _Lines:
    """A line whenever something has changed."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, redrive: dict[str, Any]) -> None:
        line = f"{redrive['id']}\t{redrive['state']}\t{_done(redrive)}/{redrive['matched']}"
        if line != self._last:
            typer.echo(line)
        self._last = line


def _done(redrive: dict[str, Any]) -> int:
    return int(redrive["written"]) + int(redrive["not_possible"])
