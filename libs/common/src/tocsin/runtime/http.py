"""The HTTP server of a service: uvicorn on our loop, under our signals, on a socket we bound."""

import asyncio
import contextlib
import socket
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Annotated, Any

import uvicorn
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tocsin.observability import get_logger
from tocsin.runtime.bounded_http import BoundedHttp, Waiting
from tocsin.runtime.errors import OperatorError
from tocsin.runtime.http_limits import BODIES_BYTES, IDLE_SECONDS, HttpLimits
from tocsin.runtime.setting_facts import About, Unwise
from tocsin.runtime.settings import Advice, Networks, Settings

log = get_logger(__name__)

LARGEST_MESSAGE = 1024
"""Bytes of what a caller may send over a WebSocket; what is longer is not even read."""


class HttpSettings(Settings):
    """Where a service that has an API listens for its callers."""

    model_config = SettingsConfigDict(env_prefix="HTTP_", frozen=True)

    host: str = Field(default="0.0.0.0", description="Address to listen on for the API")  # noqa: S104 - a container listens to its network
    port: Annotated[int, About(unit="port")] = Field(
        default=8000, ge=0, le=65535, description="Port of the API; 0 takes a free one and logs it"
    )
    head_bytes: Annotated[int, About(unit="bytes")] = Field(
        default=32 * 1024,
        ge=1024,
        le=256 * 1024,
        description="Largest head of a request: its first line and its fields",
    )
    head_fields: Annotated[int, About(unit="fields")] = Field(
        default=100, ge=10, le=1000, description="Most header fields of a request"
    )
    head_timeout: Annotated[
        float,
        About(
            unit="seconds",
            under=Unwise(
                bound=1,
                harm="callers far away or on a mobile network are answered 408",
                remedy="give them 10",
            ),
        ),
    ] = Field(
        default=10.0,
        gt=0,
        le=600,
        description="Seconds for the head of a request to arrive; a later one is answered 408",
    )
    body_timeout: Annotated[
        float,
        About(
            unit="seconds",
            under=Unwise(
                bound=2, harm="large bodies over slow lines are answered 408", remedy="give them 30"
            ),
        ),
    ] = Field(
        default=30.0,
        gt=0,
        le=600,
        description="Seconds for the body of a request to arrive; a later one is answered 408",
    )
    connections: Annotated[
        int,
        About(
            unit="connections",
            under=Unwise(
                bound=50,
                harm="a gateway's kept connections alone fill it, and callers are closed while they wait",
                remedy="give it 500",
            ),
            danger="With about a hundred more it must stay under the process's limit of open files (`ulimit -n`)",
        ),
    ] = Field(
        default=500,
        ge=10,
        le=100_000,
        description="Most connections; one more closes that which has waited longest for its caller. Each needs a file descriptor",
    )
    bodies_bytes: Annotated[
        int, About(unit="bytes", danger="It is memory: keep it well below the container's limit")
    ] = Field(
        default=BODIES_BYTES,
        ge=8 * 1024 * 1024,
        description="Bytes of request bodies held at once, above which requests are refused with 503; a tenant may hold a quarter",
    )
    trusted_proxies: Annotated[
        Networks,
        About(danger="Whoever is trusted says where its requests come from: name your gateway alone"),
    ] = Field(
        default=[],
        description="Addresses or networks of the proxies in front, with commas between: their `X-Forwarded-For` says where a request comes from",
    )

    def advice(self) -> Iterable[Advice]:
        """Whoever is trusted."""
        if any(network.prefixlen == 0 for network in self.trusted_proxies):
            yield Advice(
                variable="HTTP_TRUSTED_PROXIES",
                harm="trusts every address: any caller can choose where its requests seem to come from",
                remedy="name the addresses or networks of your gateway",
            )

    @property
    def limits(self) -> HttpLimits:
        """The limits of the server."""
        return HttpLimits(
            head_bytes=self.head_bytes,
            head_fields=self.head_fields,
            head_timeout=self.head_timeout,
            body_timeout=self.body_timeout,
            connections=self.connections,
        )


class OperationsSettings(Settings):
    """Where every service answers `/livez`, `/readyz` and `/metrics`, for those who operate it and for nobody else."""

    model_config = SettingsConfigDict(env_prefix="OPERATIONS_", frozen=True)

    host: str = Field(default="0.0.0.0", description="Address to listen on for probes and metrics")  # noqa: S104 - a container listens to its network
    port: Annotated[int, About(unit="port")] = Field(
        default=9000,
        ge=0,
        le=65535,
        description="Port of `/livez`, `/readyz` and `/metrics`; 0 takes a free one and logs it",
    )

    @property
    def limits(self) -> HttpLimits:
        """As those of the API by default, for the few who ask here."""
        return HttpLimits(connections=100)


class CannotListen(OperatorError):
    """The address is taken or not ours. Choose another port, or end what holds it; the sentence names the variable."""


class HttpServer:
    """Serves one ASGI app from `start` to `finish`; `name` is how logs call it."""

    def __init__(
        self,
        *,
        name: str,
        app: Any,
        settings: HttpSettings | OperationsSettings,
        sockets: Mapping[str, Any] | None = None,
    ) -> None:
        """`sockets`: see `BoundedHttp`; everywhere else a caller that asks for another protocol is answered in HTTP."""
        self.name = name
        self._settings = settings
        self._server = _Server(
            uvicorn.Config(
                app,
                # A class, or whatever makes one of its objects; uvicorn's types know the class alone.
                http=partial(BoundedHttp, limits=settings.limits, waiting=Waiting(), sockets=sockets),  # type: ignore[arg-type]
                ws=_one_way_socket() if sockets else "none",
                ws_max_size=LARGEST_MESSAGE,
                ws_per_message_deflate=False,
                lifespan="off",
                loop="none",
                log_config=None,
                access_log=False,  # counted in metrics; a path may hold a recipient or a token
                server_header=False,
                timeout_keep_alive=int(IDLE_SECONDS),
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

    @property
    def port(self) -> int:
        """The port it listens on, once it was started."""
        assert self._socket is not None, "start it first"  # noqa: S101 - a mistake of ours
        return int(self._socket.getsockname()[1])

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._server.server_state.connections)

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


def _one_way_socket() -> Any:
    """Loaded where there are sockets: most services do without the library."""
    from tocsin.runtime.one_way_socket import OneWaySocket  # noqa: PLC0415

    return OneWaySocket


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the service decides when it ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
