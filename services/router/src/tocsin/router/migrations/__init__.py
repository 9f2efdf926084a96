"""The migrations of schema `directory`; applied by `python -m tocsin.router migrate`, never by a worker."""

from tocsin.database import Migrations
from tocsin.router.tables import SCHEMA

MIGRATIONS = Migrations(package="tocsin.router", schema=SCHEMA, command="python -m tocsin.router migrate")
