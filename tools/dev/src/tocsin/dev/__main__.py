"""`python -m tocsin.dev run | up | observe | down`: the local stack in the foreground, or in the background; dashboards beside it."""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

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
    place, console = RunFolder(folder.resolve()), Console()
    _one_sentence(lambda: asyncio.run(_until_signalled(run_until_cancelled(folder=place, console=console))))


@app.command()
def up(folder: Folder = RUN) -> None:
    """The same in the background. Does nothing when it runs already."""
    place, console = RunFolder(folder.resolve()), Console()
    steps = Steps(console)
    if entry := running_entry(place):
        steps.say(f"The local stack already runs: {entry}")
        return
    _one_sentence(lambda: _start(place, steps))
    report_addresses(console, json.loads(place.endpoints.read_text()), folder=place.path)


@app.command()
def observe(
    folder: Folder = RUN, here: Annotated[bool, typer.Option(help="In the foreground, until Ctrl-C.")] = False
) -> None:
    """Prometheus, Alertmanager and a page with the dashboards beside the stack, which is started where it does not run."""
    stack, steps = RunFolder(folder.resolve()), Steps(Console())
    own = stack.observation
    if here:
        from tocsin.dev.observe.observation import observe_until_cancelled  # noqa: PLC0415 -- `up` need not load it

        _one_sentence(
            lambda: asyncio.run(_until_signalled(observe_until_cancelled(stack=stack, steps=steps)))
        )
        return
    if own.supervisor() is not None and own.endpoints.exists():
        steps.say(f"The dashboards are already there: {json.loads(own.endpoints.read_text())['page']}")
        return
    if running_entry(stack) is None:
        _one_sentence(lambda: _start(stack, steps))
    words = ["observe", "--here", "--folder", str(stack.path)]
    _one_sentence(lambda: start_detached(own, words, say=steps.say))


@app.command()
def down(folder: Folder = RUN) -> None:
    """End what `up`, `run` or `observe` started in this clone."""
    steps = Steps(Console())
    stack = RunFolder(folder.resolve())
    if stop_detached(stack.observation):
        steps.say("The dashboards have ended.")
    steps.say("The local stack has ended." if stop_detached(stack) else "No local stack runs here.")


def _start(stack: RunFolder, steps: Steps) -> None:
    start_detached(stack, ["run", "--folder", str(stack.path)], say=steps.say)


async def _until_signalled(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)
    signalled = False

    def on_signal() -> None:
        nonlocal signalled
        if signalled:
            os._exit(130)  # the kernel ends our children with us
        signalled = True
        Steps(Console()).say("Stopping; once more to stop at once.")
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
