"""The `tocsin` command: topics, access rules, keys, and a look at what happened.

Commands that belong to a service come from it: any installed distribution may offer a Typer application under the entry
point group `tocsin.commands`, and it appears here under the entry point's name.
"""

from tocsin.cli.command import main

__all__ = ["main"]
