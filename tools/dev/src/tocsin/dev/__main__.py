"""`python -m tocsin.dev run | up | down`: the local stack in the foreground, or in the background."""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tocsin.dev.detached import running_entry, start_detached, stop_detached
from tocsin.dev.errors import LocalStackError
from tocsin.dev.foreground import run_until_cancelled
from tocsin.dev.paths import RUN
from tocsin.dev.progress import Steps
from tocsin.dev.report import report_addresses
from tocsin.dev.run_folder import RunFolder

Folder = Annotated[Path, typer.Option(help="Where data, logs and addresses are kept.")]

app = typer.Typer(
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # a local may hold a key
)


@app.command()
def run(folder: Folder = RUN) -> None:
    """Start everything, send two events, show what arrived; Ctrl-C ends it."""
    _one_sentence(lambda: asyncio.run(_until_signalled(RunFolder(folder.resolve()), Console())))


@app.command()
def up(folder: Folder = RUN) -> None:
    """The same in the background. Does nothing when it runs already."""
    place, console = RunFolder(folder.resolve()), Console()
    steps = Steps(console)
    if entry := running_entry(place):
        steps.say(f"The local stack already runs: {entry}")
        return
    _one_sentence(lambda: start_detached(place, say=steps.say))
    report_addresses(console, json.loads(place.endpoints.read_text()), folder=place.path)


@app.command()
def down(folder: Folder = RUN) -> None:
    """End what `up` or `run` started in this clone."""
    steps = Steps(Console())
    steps.say(
        "The local stack has ended."
        if stop_detached(RunFolder(folder.resolve()))
        else "No local stack runs here."
    )


async def _until_signalled(folder: RunFolder, console: Console) -> None:
    task = asyncio.create_task(run_until_cancelled(folder=folder, console=console))
    signalled = False

    def on_signal() -> None:
        nonlocal signalled
        if signalled:
            os._exit(130)  # the kernel ends our children with us
        signalled = True
        Steps(console).say("Stopping; once more to stop at once.")
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


def _one_sentence(work: Callable[[], None]) -> None:
    """A fault a person can do something about ends with its sentence and exit code 1, not with a traceback."""
    try:
        work()
    except LocalStackError as fault:
        print(fault, file=sys.stderr)
        raise typer.Exit(1) from fault


if __name__ == "__main__":
    # Faults are told in sentences; without a handler Python would print the libraries' own lines among them.
    logging.getLogger().addHandler(logging.NullHandler())
    app()
