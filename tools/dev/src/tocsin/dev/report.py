"""What the stack shows when it is ready: what was caught, one timeline, where everything is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tocsin.dev.first_events import ArrivedMessage


def report_caught(console: Console, arrivals: Sequence[ArrivedMessage]) -> None:
    """One row a caught message, by the way its event came in."""
    rows = [
        (f"event over {arrived.event.way}", message["channel"], message["to"], _words(message))
        for arrived in arrivals
        for message in sorted(arrived.messages, key=lambda message: str(message["channel"]))
    ]
    _print(console, "What was caught", ("from", "channel", "to", "says"), rows)


def report_timeline(console: Console, arrived: ArrivedMessage) -> None:
    """The timeline of one notification, oldest first."""
    rows = [
        (
            str(entry["at"])[11:23],
            entry.get("channel") or "",
            entry["status"],
            entry.get("rule") or entry.get("reason") or "",
            entry.get("provider") or "",
        )
        for entry in arrived.timeline["timeline"]
    ]
    title = f"Timeline of {arrived.event.notification} (event over {arrived.event.way})"
    _print(console, title, ("when (UTC)", "channel", "status", "why", "provider"), rows)


def report_addresses(console: Console, endpoints: Mapping[str, Any], *, folder: Path) -> None:
    """Where everything listens, and the keys."""
    names = {
        "catcher": "the page with everything caught",
        "shop": "a page with an inbox, signed in as anna",
        "entry": "HTTP API, one port for all services",
        "kafka": "bootstrap servers",
        "database": "PostgreSQL",
        "catcher_smtp": "SMTP in",
        "api_key": "may send and read",
        "admin_key": "may do everything",
    }
    rows = [(name, str(endpoints[name]), what) for name, what in names.items()]
    _print(
        console,
        f"Addresses, also in {folder / 'endpoints.json'}; logs in {folder / 'logs'}",
        ("name", "value", "what it is"),
        rows,
    )


def _words(message: Mapping[str, Any]) -> str:
    """What a person would read first."""
    parts = (message.get(name) for name in ("subject", "title", "body"))
    return next((str(part) for part in parts if part), "")


def _print(console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not console.is_terminal:
        console.print(f"\n{title}", highlight=False, soft_wrap=True, markup=False)
        for row in rows:
            console.print("  " + "  ".join(row), highlight=False, soft_wrap=True, markup=False)
        return
    table = Table(
        title=Text(title),
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=None,
        pad_edge=False,
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: what came from outside is no markup
    console.print()
    console.print(table)
