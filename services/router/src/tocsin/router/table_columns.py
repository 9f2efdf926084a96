"""What the router's tables share: their schema, their names, and the columns that many of them have."""

from sqlalchemy import Column, DateTime, ForeignKey, Integer, MetaData, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA = "directory"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    },
)


def tenant_column() -> Column[str]:
    """Part of every key."""
    return Column("tenant", Text, ForeignKey("tenants.id"), primary_key=True)


def revision_column() -> Column[int]:
    """Raised by every change; the ETag."""
    return Column("revision", Integer, nullable=False, server_default=text("1"))


def created_at_column() -> Column[object]:
    """When the row was made."""
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())


def updated_at_column() -> Column[object]:
    """When it was changed last."""
    return Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now())


def json_column(name: str) -> Column[object]:
    """A JSON object, never null."""
    return Column(name, JSONB, nullable=False, server_default=text("'{}'::jsonb"))
