"""`python -m tocsin.dev.kube check | build | kustomize | render OVERLAY`: what a real API server says of deploy/k8s; the objects of an overlay."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import typer
import yaml
from rich.console import Console

from tocsin.dev.errors import LocalStackError
from tocsin.dev.kube import go_programs
from tocsin.dev.kube.api_server import ApiServer
from tocsin.dev.kube.checking import Check
from tocsin.dev.kube.definitions import definitions
from tocsin.dev.kube.etcd import EtcdServer
from tocsin.dev.kube.rendering import OVERLAYS, UNLISTED, render
from tocsin.dev.paths import RUN
from tocsin.dev.progress import Steps

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


@app.command("render")
def show(overlay: str) -> None:
    """Print the objects of an overlay."""
    with _one_sentence():
        print(yaml.safe_dump_all(render(overlay)), end="")


@app.command()
def kustomize() -> None:
    """Make what `render` needs, so that it can be done beside something else."""
    _end_in_order()
    with _one_sentence():
        go_programs.kustomize()


@app.command()
def build() -> None:
    """Make what `check` needs, so that it can be done beside something else."""
    _end_in_order()
    with _one_sentence():
        _build(Steps(Console()))


@app.command()
def check() -> None:
    """Start an API server, give it every overlay, end it. The first time it is built, which takes minutes."""
    _end_in_order()
    steps = Steps(Console())
    folder = RUN / f"kube-{os.getpid()}"
    began = time.monotonic()
    with _one_sentence():
        files = _build(steps)
        folder.mkdir(parents=True)
        try:
            _check(folder, files, steps)
        except LocalStackError as error:
            raise LocalStackError(f"{error}\nThe servers' logs are in {folder}.") from error
        except BaseException:
            shutil.rmtree(folder)
            raise
        shutil.rmtree(folder)
    steps.say(f"All is as it should be; it took {time.monotonic() - began:.0f} s.")


def _end_in_order() -> None:
    """SIGTERM ends what was started, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def _build(steps: Steps) -> list[Path]:
    """The programs, and the files with the definitions of other projects."""
    with steps.step("Building kube-apiserver, kubectl and kustomize, unless they are"):
        go_programs.kustomize()
        go_programs.kubectl()
        go_programs.api_server()
    with steps.step("Fetching and writing the definitions of other projects"):
        return definitions()


def _check(folder: Path, files: list[Path], steps: Steps) -> None:
    with ExitStack() as running:
        with steps.step("Starting etcd and kube-apiserver"):
            etcd = running.enter_context(EtcdServer(folder))
            server = running.enter_context(ApiServer(folder, etcd_url=etcd.url))
        asked = Check(server, folder=folder, say=steps.say)
        with steps.step(f"Installing {len(files)} definitions"):
            asked.install(files)
        for overlay in OVERLAYS:
            with steps.step(f"Applying {overlay}"):
                asked.overlay(overlay)
        with steps.step("Adding components that none of them has"):
            asked.components("prod", *UNLISTED)
        with steps.step("Making mistakes"):
            asked.mistakes(render("prod"))


@contextmanager
def _one_sentence() -> Iterator[None]:
    """What goes wrong, without a stack trace, and exit code 1."""
    try:
        yield
    except LocalStackError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    app()
