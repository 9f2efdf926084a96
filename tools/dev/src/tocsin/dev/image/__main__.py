"""`python -m tocsin.dev.image check [SERVICE …] | base`: builds the services' images without Docker, looks into them, and runs them.

Exit code 0: each image is as it should be. 1: one is not, or could not be built. 3: not as this user: nothing was tried, nothing is known.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tocsin.dev.errors import LocalStackError
from tocsin.dev.image import base as recipe
from tocsin.dev.image.buildah import Buildah, need_programs
from tocsin.dev.image.checking import Check
from tocsin.dev.image.errors import NotHere
from tocsin.dev.locks import locked
from tocsin.dev.paths import CACHE, RUN
from tocsin.dev.progress import Steps
from tocsin.dev.services import NAMES

NOT_KNOWN = 3
USUAL = ("ingest",)
"""Built and run beside the router, which is always there: it makes the topics and tables of all."""

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


@app.command()
def base() -> None:
    """Make what every image begins with, so that it can be done beside something else."""
    with _one_sentence(), _folder() as folder:
        _base(folder, Steps(Console()))


@app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="SERVICE", help="beside the router")] = None,
    everything: Annotated[bool, typer.Option("--all", help="every service")] = False,
    into: Annotated[Path | None, typer.Option(help="keep the images as archives in this folder")] = None,
) -> None:
    """Build images, look into each, and run each on a real Kafka and PostgreSQL. Nothing of them stays, unless you say where."""
    chosen = [name for name in (NAMES if everything else names or USUAL) if name != "router"]
    if unknown := sorted(set(chosen) - set(NAMES)):
        raise typer.BadParameter(f"{', '.join(unknown)}: services are {', '.join(NAMES)}")
    steps, began = Steps(Console()), time.monotonic()
    with _one_sentence(), _folder() as folder:
        buildah = _base(folder, steps)
        try:
            asked = Check(buildah, folder=folder, steps=steps)
            asked.build(["router", *chosen])
            asked.run()
            if into is not None:
                asked.save(into.resolve())
        finally:
            buildah.keep_only([recipe.NAME])
        steps.say(f"All is as it should be; it took {time.monotonic() - began:.0f} s.")


def _base(folder: Path, steps: Steps) -> Buildah:
    storage = recipe.storage_folder()
    buildah = Buildah(storage, log=folder / "buildah.log")
    if recipe.is_fresh(storage):
        buildah.keep_only([recipe.NAME])
        steps.say("The images' base is there, and young enough")
    else:
        with steps.step("Making the images' base of Debian's packages"):
            recipe.make(buildah)
    return buildah


@contextmanager
def _folder() -> Iterator[Path]:
    """Where logs and data lie; they stay when something goes wrong. Two runs take turns."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    need_programs()
    folder = RUN / f"image-{os.getpid()}"
    folder.mkdir(parents=True)
    try:
        with locked(CACHE / "image.lock"):
            yield folder
    except LocalStackError as error:
        raise LocalStackError(f"{error}\nLogs are in {folder}.") from error
    except (KeyboardInterrupt, SystemExit):
        shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)


@contextmanager
def _one_sentence() -> Iterator[None]:
    """What goes wrong, without a stack trace, as an exit code."""
    try:
        yield
    except NotHere as error:
        print(error, file=sys.stderr)
        sys.exit(NOT_KNOWN)
    except LocalStackError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    app()
