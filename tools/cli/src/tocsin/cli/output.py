"""A terminal gets colour and tables, a pipe gets plain lines, `--json` gets JSON."""

import json
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WHOLE = ("id", "notification")
"""Columns whose cells are copied: they are broken last. So are times."""


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere a line per row, fields separated by tabs."""
    if not sys.stdout.isatty():
        for row in rows:
            typer.echo("\t".join(row))
        return
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        whole = column in _WHOLE or column.endswith("(UTC)")
        table.add_column(column, overflow="fold", no_wrap=whole)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: what came from outside is no markup
    Console().print(table)


def print_json(value: Any) -> None:
    """Indented JSON, as is."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def refuse(sentence: str, *, code: int = 1) -> NoReturn:
    """End with one sentence on stderr."""
    typer.echo(sentence, err=True)
    raise typer.Exit(code)
