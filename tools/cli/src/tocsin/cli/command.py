"""Puts the command together from its parts and those of the installed services."""

import logging
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import EntryPoint, entry_points

import typer

COMMANDS = "tocsin.commands"


def build(*, asked: str | None = None) -> typer.Typer:
    """The whole command, with what the installed services add.

    Where a part is called `asked`, only that part: parts bring whole services' libraries with them, and a person waits.
    """
    app = typer.Typer(
        name="tocsin",
        help="Operate Tocsin: topics, access rules, keys, messages, settings.",
        no_args_is_help=True,
        pretty_exceptions_show_locals=False,  # a local may hold a key
    )
    app.callback()(_keeps_parts_apart)
    added = {point.name: partial(_added, point=point) for point in entry_points(group=COMMANDS)}
    parts = _OWN | dict(sorted(added.items()))
    for name in [asked] if asked in parts else parts:
        parts[name](app)
    return app


def main() -> None:
    """Run the command; ends the process with its exit code."""
    # Faults are told in sentences of ours; without a handler Python would print the libraries' own lines among them.
    logging.getLogger().addHandler(logging.NullHandler())
    build(asked=sys.argv[1] if len(sys.argv) > 1 else None)()


def _keeps_parts_apart() -> None:
    """Keeps a part a command of its own even where it is the only one."""


def _acls(app: typer.Typer) -> None:
    from tocsin.cli import acls  # noqa: PLC0415 - only when asked for

    app.command("acls")(acls.print_matrix)


def _cancel(app: typer.Typer) -> None:
    from tocsin.cli import cancel  # noqa: PLC0415 - only when asked for

    app.command("cancel")(cancel.cancel)


def _config(app: typer.Typer) -> None:
    from tocsin.cli.config import command  # noqa: PLC0415 - only when asked for

    app.add_typer(command.app, name="config")


def _dead(app: typer.Typer) -> None:
    from tocsin.cli import dead  # noqa: PLC0415 - only when asked for

    app.add_typer(dead.app, name="dead")


def _doctor(app: typer.Typer) -> None:
    from tocsin.cli import doctor  # noqa: PLC0415 - only when asked for

    app.command("doctor")(doctor.doctor)


def _redrive(app: typer.Typer) -> None:
    from tocsin.cli import redrive  # noqa: PLC0415 - only when asked for

    app.add_typer(redrive.app, name="redrive")


def _refusals(app: typer.Typer) -> None:
    from tocsin.cli import refusals  # noqa: PLC0415 - only when asked for

    app.command("refusals")(refusals.refusals)


def _send(app: typer.Typer) -> None:
    from tocsin.cli import send  # noqa: PLC0415 - only when asked for

    app.command("send")(send.send)


def _suppressions(app: typer.Typer) -> None:
    from tocsin.cli import suppressions  # noqa: PLC0415 - only when asked for

    app.add_typer(suppressions.app, name="suppressions")


def _timeline(app: typer.Typer) -> None:
    from tocsin.cli import timeline  # noqa: PLC0415 - only when asked for

    app.command("timeline")(timeline.show)


def _topics(app: typer.Typer) -> None:
    from tocsin.cli import topics  # noqa: PLC0415 - only when asked for

    app.add_typer(topics.app, name="topics")


def _webhooks(app: typer.Typer) -> None:
    from tocsin.cli import webhooks  # noqa: PLC0415 - only when asked for

    app.add_typer(webhooks.app, name="webhooks")


def _added(app: typer.Typer, *, point: EntryPoint) -> None:
    app.add_typer(point.load(), name=point.name)


_OWN: dict[str, Callable[[typer.Typer], None]] = {
    "topics": _topics,
    "acls": _acls,
    "send": _send,
    "cancel": _cancel,
    "timeline": _timeline,
    "dead": _dead,
    "redrive": _redrive,
    "refusals": _refusals,
    "suppressions": _suppressions,
    "webhooks": _webhooks,
    "doctor": _doctor,
    "config": _config,
}
