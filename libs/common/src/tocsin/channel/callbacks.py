"""`POST /callbacks/<instance>/…`: what providers tell, onto `status`. The answer is 200 only once Kafka has it.

| what came | answer | written |
|---|---|---|
| signed, with refs of ours | 200 | a status for each event |
| an event without a ref, or with one of another instance, installation or key | 200: repeating it would not help | nothing; counted |
| an event that cannot be read, among others that can | 200: the others are taken | nothing; counted |
| not signed, not by the provider, too old | 403 | nothing; counted |
| for an instance that takes no receipts | 404 | nothing; counted |
| signed, and not what the provider documents | 400 | nothing; counted |
| not signed at all, by a provider that then repeats it with a signature | 503 | nothing; counted |
| anything that the provider's own server must be asked about, while that does not answer | 503: the provider repeats it | nothing; counted |
| anything, while Kafka does not take it | 503: the provider repeats it, and its statuses have the same ids | |
"""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from tocsin.channel.receipt_records import receipt_record
from tocsin.channel.receipts import NOTED, Cause, ProviderEvent, RawRequest, Refused
from tocsin.channel.receivers import Receiver, Receivers
from tocsin.channel.ref import Ref
from tocsin.contracts.limits import HTTP_BODY_BYTES
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, StatusName
from tocsin.kafka import NotStored, Overloaded, ProducerRecord, RecordMetadata
from tocsin.observability import get_logger, metrics
from tocsin.observability.tally import Tally
from tocsin.runtime import Clock, Health
from tocsin.web import codes
from tocsin.web.bodies_in_flight import BodiesInFlight
from tocsin.web.limits import read_body, refuse
from tocsin.web.operations import NamedRoute
from tocsin.web.problem import Problem, answer_with_problems
from tocsin.web.request_context import RequestContext

log = get_logger(__name__)

PUBLISH_TIMEOUT: Final = 5.0
"""Seconds. Providers wait for 10 and longer before they count a callback as failed."""
NOBODY: Final = "none"
"""The provider, in metrics, of callbacks for an instance that takes none: a stranger may call by any name."""
EVENTS_AT_ONCE: Final = 100
"""After so many events of a callback other callbacks have their turn: one of 1 MiB holds thousands."""
_LATER: Final = {"retry-after": "2"}
_ANSWERS: Final = {
    Cause.UNREADABLE: (
        codes.BAD_REQUEST,
        "The callback is signed, and it is not what its provider documents.",
    ),
    Cause.UNREACHABLE: (
        codes.NOT_KNOWN_TO_BE_STORED,
        "The provider's own server did not answer, so nothing was stored: repeat it.",
    ),
    Cause.UNSIGNED: (
        codes.NOT_KNOWN_TO_BE_STORED,
        "The callback bears no signature, so nothing was stored: repeat it with one.",
    ),
    Cause.INSTANCE: (codes.NOT_FOUND, "No provider instance of this name takes callbacks."),
}
_FORBIDDEN: Final = (codes.FORBIDDEN, "The callback is not the provider's, or it is too old.")


class StatusPublisher(Protocol):
    """What of `tocsin.kafka.Publisher` is used here."""

    async def publish(self, records: Sequence[ProducerRecord], *, timeout: float) -> list[RecordMetadata]:  # noqa: ASYNC109 - as Publisher has it
        """Return once all are acknowledged; raises NotStored or Overloaded."""
        ...


class Callbacks:
    """The ASGI app of the route. `public_url` is what providers call, up to `/callbacks`."""

    def __init__(
        self,
        *,
        service: str,
        channel: Channel,
        receivers: Receivers,
        publisher: StatusPublisher,
        topics: Topics,
        public_url: str,
        max_bodies_bytes: int,
        clock: Clock,
    ) -> None:
        self._channel = channel
        self._receivers = receivers
        self._publisher = publisher
        self._topics = topics
        self._public_url = public_url
        self._clock = clock
        self._bodies = BodiesInFlight(most=max_bodies_bytes)
        metrics.http_bodies_bytes.labels(service).set_function(lambda: self._bodies.total)
        metrics.http_bodies_bytes_limit.labels(service).set(max_bodies_bytes)
        self._lines: Tally[tuple[str, Cause]] = Tally(_say_refused)
        metrics.begin_at_zero(metrics.receipts_refused, [channel], [NOBODY], [Cause.INSTANCE])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path_params"]["instance"]
        headers = Headers(scope=scope)
        size = max(1, int(headers.get("content-length") or HTTP_BODY_BYTES))
        try:
            receiver = self._admitted(name, size)
        except Problem as problem:
            await refuse(problem, scope, receive, send, largest=HTTP_BODY_BYTES)
            return
        try:
            await self._take(receiver, headers, scope, receive, send)
        finally:
            self._bodies.let_go(name, size)

    def close(self) -> None:
        """Tell what was not told yet."""
        self._lines.close()

    async def _take(
        self, receiver: Receiver, headers: Headers, scope: Scope, receive: Receive, send: Send
    ) -> None:
        try:
            body = await read_body(scope, receive, largest=HTTP_BODY_BYTES)
        except Problem as problem:
            await refuse(problem, scope, receive, send, largest=HTTP_BODY_BYTES)
            return
        if body is None:  # the caller has left
            return
        try:
            await self._write(receiver, await self._verified(receiver, self._raw(scope, headers, body)))
        except Problem as problem:
            await problem.response()(scope, receive, send)
        else:
            await Response(b"", media_type="text/plain")(scope, receive, send)

    def _raw(self, scope: Scope, headers: Headers, body: bytes) -> RawRequest:
        query = scope["query_string"].decode("latin-1")
        raw_path = scope.get("raw_path") or quote(scope["path"]).encode()
        url = self._public_url + raw_path.decode("latin-1") + (f"?{query}" if query else "")
        fields = {field: headers[field] for field in headers}
        return RawRequest(url, scope["path_params"].get("what", ""), query, fields, body)

    def _admitted(self, name: str, size: int) -> Receiver:
        """The instance, and the body of so many bytes counts as held. Raises the problem of one that is not to be read."""
        try:
            receiver = self._receivers[name]
        except KeyError:
            raise self._refusal(NOBODY, Cause.INSTANCE) from None
        if size > HTTP_BODY_BYTES:
            raise Problem(codes.BODY_TOO_LARGE, f"At most {HTTP_BODY_BYTES} bytes are taken.")
        if not self._bodies.hold(name, size):
            raise Problem(codes.OVERLOADED, "Too many callbacks are being worked on.", headers=_LATER)
        return receiver

    async def _verified(self, receiver: Receiver, request: RawRequest) -> Sequence[ProviderEvent | Cause]:
        try:
            return await receiver.receipts.verify(request)
        except Refused as refused:
            raise self._refusal(receiver.name, refused.cause) from None

    async def _write(self, receiver: Receiver, events: Sequence[ProviderEvent | Cause]) -> None:
        """Store what the events say. Raises the 503: then nothing is counted, for all of them come again."""
        records: list[ProducerRecord] = []
        counts: list[StatusName | str] = []
        refused: list[Cause] = []
        for number, event in enumerate(events, 1):
            if number % EVENTS_AT_ONCE == 0:
                await asyncio.sleep(0)
            if isinstance(event, Cause):
                refused.append(event)
            elif event.status is None:
                counts.append(NOTED)
            elif event.ref is None or (ref := receiver.refs.open(event.ref)) is None:
                refused.append(Cause.REF)
            else:
                counts.append(event.status)
                records.append(self._record(event.status, event, ref, receiver.name))
        await self._store(records)
        for status in counts:
            metrics.receipts.labels(self._channel, receiver.name, status).inc()
        for cause in refused:
            self._count_refused(receiver.name, cause)

    def _record(self, status: StatusName, event: ProviderEvent, ref: Ref, provider: str) -> ProducerRecord:
        return receipt_record(
            status,
            event,
            ref,
            channel=self._channel,
            provider=provider,
            topics=self._topics,
            now=self._clock.now(),
        )

    async def _store(self, records: Sequence[ProducerRecord]) -> None:
        try:
            await self._publisher.publish(records, timeout=PUBLISH_TIMEOUT)
        except Overloaded as error:
            detail = "Nothing was stored, as too much waits for Kafka: repeat it."
            raise Problem(codes.OVERLOADED, detail, headers=_LATER) from error
        except NotStored as error:
            detail = "The callback is not known to be stored: repeat it."
            raise Problem(codes.NOT_KNOWN_TO_BE_STORED, detail, headers=_LATER) from error

    def _refusal(self, provider: str, cause: Cause) -> Problem:
        self._count_refused(provider, cause)
        code, detail = _ANSWERS.get(cause, _FORBIDDEN)
        return Problem(code, detail)

    def _count_refused(self, provider: str, cause: Cause) -> None:
        metrics.receipts_refused.labels(self._channel, provider, cause).inc()
        self._lines.note((provider, cause))


def callbacks_app(
    callbacks: Callbacks, *, service: str, health: Health, more: Sequence[BaseRoute] = ()
) -> Starlette:
    """The application around it, with `more` routes. Its metrics and spans name the route, never the path or the query: a query may hold a ref."""
    routes = [
        NamedRoute("/callbacks/{instance}", callbacks, methods=["POST"]),
        NamedRoute("/callbacks/{instance}/{what:path}", callbacks, methods=["POST"]),
        *more,
    ]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    app.add_middleware(RequestContext, service=service, health=health)
    answer_with_problems(app)
    return app


def _say_refused(kind: tuple[str, Cause] | None, _sample: object, times: int, seconds: float) -> None:
    provider, cause = kind or ("others", None)
    log.warning(
        "callbacks came to nothing",
        provider=provider,
        cause=cause.value if cause else None,
        times=times,
        seconds=seconds,
    )
