"""The HTTP server of a service: uvicorn on our loop, under our signals, on a socket we bound."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from tocsin.observability import get_logger
from tocsin.runtime.errors import OperatorError
from tocsin.runtime.settings import Networks

log = get_logger(__name__)


class HttpSettings(BaseSettings):
    """Where a service that has an API listens for its callers."""

    model_config = SettingsConfigDict(env_prefix="HTTP_", frozen=True)

    host: str = Field(default="0.0.0.0", description="Address to listen on for the API")  # noqa: S104 - a container listens to its network
    port: int = Field(
        default=8000, ge=0, le=65535, description="Port of the API; 0 takes a free one and logs it"
    )
    trusted_proxies: Networks = Field(
        default=[],
        description="Addresses or networks of the proxies in front, with commas between: their `X-Forwarded-For` says where a request comes from",
    )


class OperationsSettings(BaseSettings):
    """Where every service answers `/livez`, `/readyz` and `/metrics`, for those who operate it and for nobody else."""

    model_config = SettingsConfigDict(env_prefix="OPERATIONS_", frozen=True)

    host: str = Field(default="0.0.0.0", description="Address to listen on for probes and metrics")  # noqa: S104 - a container listens to its network
    port: int = Field(
        default=9000,
        ge=0,
        le=65535,
        description="Port of `/livez`, `/readyz` and `/metrics`; 0 takes a free one and logs it",
    )


class CannotListen(OperatorError):
    """The address is taken or not ours. Choose another port, or end what holds it; the sentence names the variable."""


class HttpServer:
    """Serves one ASGI app from `start` to `finish`; `name` is how logs call it."""

    def __init__(self, *, name: str, app: Any, settings: HttpSettings | OperationsSettings) -> None:
        self.name = name
        self._settings = settings
        self._server = _Server(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                loop="none",
                log_config=None,
                access_log=False,  # counted in metrics; a path may hold a recipient or a token
                server_header=False,
                timeout_keep_alive=30,
                proxy_headers=False,
            )
        )
        self._socket: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> asyncio.Task[None]:
        """Listen. Returns the serving task, which ends only after `finish`; raises `CannotListen`."""
        self._socket = self._bind()
        host, port = self._socket.getsockname()[:2]
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name=self.name)
        log.info("listening", component=self.name, host=host, port=port)
        return self._task

    async def finish(self) -> None:
        """Take no new connection and wait until every request being answered has its answer."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.wait([self._task])
        if self._socket is not None:
            self._socket.close()

    def _bind(self) -> socket.socket:
        host, port = self._settings.host, self._settings.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OSError as error:
            listening.close()
            prefix = self._settings.model_config["env_prefix"]
            raise CannotListen(
                f"cannot listen on {prefix}HOST {host}, {prefix}PORT {port}: {error.strerror}."
            ) from error
        listening.listen(2048)  # from here on nobody is refused, even before the loop first turns
        listening.setblocking(False)
        return listening


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the service decides when it ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
