"""What the router adds to the `tocsin` command: `keys` and `directory`. They talk to the database, not to the API."""

from tocsin.router.commands.directory import app as directory
from tocsin.router.commands.keys import app as keys

__all__ = ["directory", "keys"]
