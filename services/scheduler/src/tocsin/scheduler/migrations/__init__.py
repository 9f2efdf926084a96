"""The migrations of schema `scheduler`; applied by `python -m tocsin.scheduler migrate`, never by the service."""

from typing import Final

from tocsin.database import Migrations

SCHEMA: Final = "scheduler"
MIGRATIONS: Final = Migrations(
    package="tocsin.scheduler", schema=SCHEMA, command="python -m tocsin.scheduler migrate"
)
