"""Where PostgreSQL is and how it may be used."""

import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from tocsin.runtime.setting_facts import About, Unwise
from tocsin.runtime.settings import Advice, Settings

Tls = Literal["disable", "prefer", "require", "verify-ca", "verify-full"]

FEWEST: Final = 4
"""Connections below which a process waits for itself: a batch, a request, the readiness probe."""
_DRIVERS = {"postgres", "postgresql", "postgresql+asyncpg"}


class DatabaseSettings(Settings):
    """PostgreSQL; the same names in every service that has a schema."""

    model_config = SettingsConfigDict(env_prefix="DATABASE_", frozen=True)

    url: Annotated[SecretStr, About(example="postgresql://router:its-password@postgres:5432/tocsin")] = Field(
        description="postgresql://user:password@host:port/database"
    )
    password: SecretStr | None = Field(
        default=None, description="The password, where DATABASE_URL holds none"
    )
    tls: Annotated[
        Tls | None,
        About(danger="Only `verify-full` proves that it is your server; `prefer` goes on without encryption"),
    ] = Field(
        default=None,
        description="disable, prefer, require, verify-ca or verify-full, as libpq knows them; without it the URL's `sslmode`, else prefer",
    )
    tls_ca: Path | None = Field(
        default=None,
        description="File with the authorities to trust for verify-ca and verify-full; without it the system's",
    )
    pool_size: Annotated[
        int,
        About(
            unit="connections",
            under=Unwise(
                bound=FEWEST,
                harm="batches, requests and the readiness probe wait for each other's connection, and fail after DATABASE_POOL_TIMEOUT",
                remedy="give it 10, or one more than the shards",
            ),
            danger="Times all Pods it must stay under PostgreSQL's `max_connections` (100 by default)",
        ),
    ] = Field(default=10, ge=1, le=200, description="Connections this process opens at most")
    pool_timeout: Annotated[
        float,
        About(
            unit="seconds",
            under=Unwise(bound=1, harm="a short peak is answered 503", remedy="give it 10"),
        ),
    ] = Field(default=10.0, gt=0, description="Seconds to wait for a free connection")
    connect_timeout: Annotated[
        float,
        About(
            unit="seconds",
            under=Unwise(
                bound=1, harm="a server that is busy or far away is never reached", remedy="give it 5"
            ),
        ),
    ] = Field(default=5.0, gt=0, description="Seconds for one attempt to connect")
    statement_timeout: Annotated[
        float,
        About(
            unit="seconds",
            danger="Under 5 the copying of a large batch may be ended and tried again for ever; with 0 a statement that hangs keeps its connection",
        ),
    ] = Field(
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
        if url.password is not None and self.password is not None:
            raise ValueError("DATABASE_URL holds a password, and DATABASE_PASSWORD is set; give one of them")
        if self.tls_ca is not None and not self.tls_ca.is_file():
            raise ValueError("DATABASE_TLS_CA is not a file; name the PEM file of the authorities to trust")
        return self

    def advice(self) -> Iterable[Advice]:
        """Statements that are ended too soon or never, and an authority that nobody looks at."""
        if self.statement_timeout == 0:
            yield Advice(
                variable="DATABASE_STATEMENT_TIMEOUT",
                harm="is 0: a statement that hangs keeps its connection until the process ends",
                remedy="give it 30 seconds; migrations have no limit in any case",
            )
        elif self.statement_timeout < 5:
            yield Advice(
                variable="DATABASE_STATEMENT_TIMEOUT",
                harm=f"is {self.statement_timeout:g}: the copying of a large batch may be ended and tried again for ever",
                remedy="give it 30",
            )
        if self.tls_ca is not None and not self._tls_mode.startswith("verify"):
            yield Advice(
                variable="DATABASE_TLS_CA",
                harm=f"is not looked at with {self._tls_mode}: any server is believed",
                remedy="set DATABASE_TLS=verify-full",
            )

    @property
    def _tls_mode(self) -> str:
        sslmode = make_url(self.url.get_secret_value()).query.get("sslmode")
        return str(self.tls or sslmode or "prefer")

    @property
    def sqlalchemy_url(self) -> URL:
        """The URL for SQLAlchemy's asyncpg driver, without libpq's `sslmode`, which asyncpg does not know."""
        url = make_url(self.url.get_secret_value()).set(drivername="postgresql+asyncpg")
        if self.password is not None:
            url = url.set(password=self.password.get_secret_value())
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
        return {"ssl": self._context(self._tls_mode), "timeout": self.connect_timeout}

    def _context(self, mode: str) -> str | ssl.SSLContext:
        if not mode.startswith("verify"):
            return mode
        context = ssl.create_default_context(cafile=self.tls_ca)
        context.check_hostname = mode == "verify-full"
        return context


def pool_for_shards(settings: DatabaseSettings, *, shards: int) -> Iterable[Advice]:
    """For a service whose shards of a lane each have a statement under way: a process may come to hold all of them."""
    if FEWEST <= settings.pool_size < shards:
        yield Advice(
            variable="DATABASE_POOL_SIZE",
            harm=f"is {settings.pool_size}, and a process may hold {shards} shards of a lane: they wait for each other's connection",
            remedy=f"give it {shards + 1} or more",
        )
