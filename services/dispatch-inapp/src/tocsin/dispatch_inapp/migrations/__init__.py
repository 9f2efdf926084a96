"""The migrations of schema `inbox`; applied by `python -m tocsin.dispatch_inapp migrate`, never by the service."""

from typing import Final

from tocsin.database import Migrations

SCHEMA: Final = "inbox"
MIGRATIONS: Final = Migrations(
    package="tocsin.dispatch_inapp", schema=SCHEMA, command="python -m tocsin.dispatch_inapp migrate"
)
