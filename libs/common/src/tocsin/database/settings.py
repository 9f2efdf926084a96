"""Where PostgreSQL is and how it may be used."""

import ssl
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

Tls = Literal["disable", "prefer", "require", "verify-ca", "verify-full"]

_DRIVERS = {"postgres", "postgresql", "postgresql+asyncpg"}


class DatabaseSettings(BaseSettings):
    """PostgreSQL; the same names in every service that has a schema."""

    model_config = SettingsConfigDict(env_prefix="DATABASE_", frozen=True)

    url: SecretStr = Field(description="postgresql://user:password@host:port/database")
    tls: Tls | None = Field(
        default=None,
        description="disable, prefer, require, verify-ca or verify-full, as libpq knows them; without it the URL's `sslmode`, else prefer",
    )
    tls_ca: Path | None = Field(
        default=None,
        description="File with the authorities to trust for verify-ca and verify-full; without it the system's",
    )
    pool_size: int = Field(default=10, ge=1, le=200, description="Connections this process opens at most")
    pool_timeout: float = Field(default=10.0, gt=0, description="Seconds to wait for a free connection")
    connect_timeout: float = Field(default=5.0, gt=0, description="Seconds for one attempt to connect")
    statement_timeout: float = Field(
        default=30.0,
        ge=0,
        description="Seconds after which PostgreSQL ends a statement; 0 never does. Migrations have none",
    )

    @model_validator(mode="after")
    def _url_is_usable(self) -> Self:
        try:
            url = make_url(self.url.get_secret_value())
        except ArgumentError:
            raise ValueError(
                "DATABASE_URL is not a URL; write postgresql://user:password@host:port/database"
            ) from None
        if url.drivername not in _DRIVERS:
            raise ValueError(f"DATABASE_URL begins with {url.drivername}://; only postgresql:// is supported")
        if not url.database:
            raise ValueError("DATABASE_URL names no database; end it with /name")
        if self.tls_ca is not None and not self.tls_ca.is_file():
            raise ValueError("DATABASE_TLS_CA is not a file; name the PEM file of the authorities to trust")
        return self

    @property
    def sqlalchemy_url(self) -> URL:
        """The URL for SQLAlchemy's asyncpg driver, without libpq's `sslmode`, which asyncpg does not know."""
        url = make_url(self.url.get_secret_value()).set(drivername="postgresql+asyncpg")
        return url.difference_update_query(["sslmode"])

    @property
    def place(self) -> str:
        """Host, port and database, for logs: no user, no password."""
        url = self.sqlalchemy_url
        host = url.host or url.query.get("host") or "the default host"
        return f"PostgreSQL at {host}:{url.port or 5432}, database {url.database}"

    @property
    def certificates(self) -> dict[str, Path]:
        """The files whose end /metrics shows, by what they are for."""
        return {} if self.tls_ca is None else {"database_authorities": self.tls_ca}

    @property
    def connect_arguments(self) -> dict[str, Any]:
        """What asyncpg is told beyond the URL."""
        sslmode = make_url(self.url.get_secret_value()).query.get("sslmode")
        mode = self.tls or sslmode or "prefer"
        return {"ssl": self._context(str(mode)), "timeout": self.connect_timeout}

    def _context(self, mode: str) -> str | ssl.SSLContext:
        if not mode.startswith("verify"):
            return mode
        context = ssl.create_default_context(cafile=self.tls_ca)
        context.check_hostname = mode == "verify-full"
        return context
