"""POSTs as almost every client sends them, answered by a function of their path, without FastAPI and the middlewares around it.

A request without query, chunking, content coding or `Expect`, whose key works and whose body there is room for, is answered here. Any other goes
through FastAPI and those middlewares, which by a profile take a third of ingest's time for a request.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from tocsin.web.auth import Caller, Gate
from tocsin.web.bodies_in_flight import BodiesInFlight
from tocsin.web.limits import deeper_than, read_body, refuse, too_deep
from tocsin.web.problem import Problem


class Posted(NamedTuple):
    """A request: who sends it, its header fields with names in lower case, and its body."""

    caller: Caller
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Answered(NamedTuple):
    """An answer: its status, and JSON."""

    status: int
    body: bytes


TakePost = Callable[[Posted], Awaitable[Answered]]
"""Answers a request whose key works; what the key may do is for it to ask. Raises the `Problem` to answer with."""

_NOT_PLAIN: Final = frozenset({b"transfer-encoding", b"content-encoding", b"expect"})
_JSON: Final = (b"content-type", b"application/json")


class _Post(NamedTuple):
    """Metrics and traces name a request by the path."""

    path: str
    take: TakePost


class PlainPosts:
    """Middleware. A POST is plain that has a path of `posts`, no parameters, a body of a length that is announced and taken, and a key that works."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        posts: Mapping[str, TakePost],
        gate: Gate,
        bodies: BodiesInFlight,
        max_bytes: int,
        max_depth: int,
    ) -> None:
        self._app = app
        self._posts = {path: _Post(path, take) for path, take in posts.items()}
        self._keys = gate.keys
        self._bodies = bodies
        self._max_bytes = max_bytes
        self._max_depth = max_depth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        post = self._posts.get(scope["path"]) if scope["type"] == "http" else None
        if post is None or scope["method"] != "POST" or scope["query_string"]:
            await self._app(scope, receive, send)
            return
        caller, size = self._sender(scope)
        if caller is None or not self._bodies.hold(caller.tenant, size):
            await self._app(scope, receive, send)
            return
        try:
            await self._answer(caller, post, scope, receive, send)
        finally:
            self._bodies.let_go(caller.tenant, size)

    def _sender(self, scope: Scope) -> tuple[Caller | None, int]:
        """Who sends it, and how many bytes; nobody where the request is not plain."""
        length, authorization = 0, None
        for name, value in scope["headers"]:
            if name == b"content-length":
                length = int(value)  # the server has refused what is no number
            elif name == b"authorization" and authorization is None:  # the first counts, also an empty one
                authorization = value.decode("latin-1")
            elif name in _NOT_PLAIN:
                return None, 0
        if not 0 < length <= self._max_bytes:
            return None, 0
        caller = self._keys.find(authorization)
        return (caller, length) if isinstance(caller, Caller) else (None, 0)

    async def _answer(self, caller: Caller, post: _Post, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(scope, receive, largest=self._max_bytes)
        except Problem as problem:
            await refuse(problem, scope, receive, send, largest=self._max_bytes)
            return
        if body is None:
            return
        try:
            if deeper_than(body, self._max_depth):
                raise too_deep(self._max_depth)
            scope["route"] = post
            status, content = await post.take(Posted(caller, scope["headers"], body))
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        headers = [(b"content-length", b"%d" % len(content)), _JSON]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})
