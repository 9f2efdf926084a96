"""The migrations of schema `ledger`; applied by `python -m tocsin.ledger migrate`, never by the service."""

from typing import Final

from tocsin.database import Migrations

SCHEMA: Final = "ledger"
MIGRATIONS: Final = Migrations(
    package="tocsin.ledger", schema=SCHEMA, command="python -m tocsin.ledger migrate"
)
