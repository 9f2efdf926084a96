"""Puts the command together from its parts and those of the installed services."""

from importlib.metadata import entry_points

import typer

from tocsin.cli import acls, send, timeline, topics

COMMANDS = "tocsin.commands"


def build() -> typer.Typer:
    """The whole command, with what the installed services add."""
    app = typer.Typer(
        name="tocsin",
        help="Operate Tocsin: topics, access rules, keys, messages.",
        no_args_is_help=True,
        pretty_exceptions_show_locals=False,  # a local may hold a key
    )
    app.add_typer(topics.app, name="topics")
    app.command("acls")(acls.print_matrix)
    app.command("send")(send.send)
    app.command("timeline")(timeline.show)
    for point in sorted(entry_points(group=COMMANDS), key=lambda point: point.name):
        app.add_typer(point.load(), name=point.name)
    return app


def main() -> None:
    """Run the command; ends the process with its exit code."""
    build()()
