"""PostgreSQL: settings, engine, and the migrations of each service's schema."""

from tocsin.database.engine import Database, create_engine
from tocsin.database.migrations import Migrations, MigrationsMissing, migrate
from tocsin.database.settings import DatabaseSettings, pool_for_shards

__all__ = [
    "Database",
    "DatabaseSettings",
    "Migrations",
    "MigrationsMissing",
    "create_engine",
    "migrate",
    "pool_for_shards",
]
