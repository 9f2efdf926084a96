"""`/v1/redrives`: send again what ended without being sent, and events that could not be handled."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response

from tocsin.kafka import KafkaFault, TopicPartition
from tocsin.ledger.redrive_requests import RedriveAsked
from tocsin.ledger.redrive_responses import CountBody, RedriveBody
from tocsin.ledger.redrives import Redrives, State, StoredRedrive
from tocsin.observability import get_logger
from tocsin.runtime import Clock, SystemClock
from tocsin.web import Access, Page, PagingQuery, Previewer, Problem, Reader, admit, codes

log = get_logger(__name__)

SAMPLES: Final = 10
_OPERATING: Final = Access(scope="operate", live_only=True)
_LIVE: Final = Access(scope="manage", live_only=True)
_STATES: Final[dict[str, State]] = {"pause": "paused", "resume": "running", "stop": "stopped"}

EventLogs = Callable[[], Awaitable[Mapping[TopicPartition, int]]]
"""The first offset that each log of events still keeps. Raises KafkaFault."""


async def no_event_logs() -> Mapping[TopicPartition, int]:
    """What is asked where there is no broker: nothing is known to be gone."""
    return {}


def redrive_routes(
    redrives: Redrives, *, event_logs: EventLogs = no_event_logs, clock: Clock | None = None
) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["Re-drives"])
    clock = clock or SystemClock()

    @router.post(
        "/v1/redrives",
        summary="Count what would be sent again, or begin to send it again",
        responses={201: {"model": RedriveBody, "description": "It has begun"}},
    )
    async def begin_redrive(
        body: RedriveAsked, *, caller: Previewer, request: Request, response: Response
    ) -> CountBody | RedriveBody:
        """A test key sends again what test keys sent, a live key what live keys sent. Nothing is sent again twice: what another re-drive
        has begun does not fit."""
        if body.dead_letters is not None:
            await admit(request, _OPERATING if body.dead_letters.without_tenant else _LIVE)
        now = clock.now()
        selection = body.selection(caller, now=now)
        selected = await redrives.find(selection, now=now, starts=await _starts(event_logs), samples=SAMPLES)
        if body.dry_run:
            return CountBody.of(selected)
        redrive = await redrives.begin(
            selection, rate=body.rate, matched=selected.matched, key_id=caller.key_id, now=now
        )
        log.info(
            "re-drive begun",
            tenant=caller.tenant,
            key=caller.key_id,
            redrive=redrive.id,
            matched=selected.matched,
        )
        response.status_code = 201
        response.headers["location"] = f"/v1/redrives/{redrive.id}"
        return RedriveBody.of(redrive)

    @router.get("/v1/redrives", summary="Re-drives, newest first")
    async def list_redrives(caller: Reader, paging: PagingQuery) -> Page[RedriveBody]:
        rows = await redrives.newest(caller.tenant, before=paging.number, limit=paging.fetch)
        shown, cursor = paging.page(rows, key=lambda redrive: [redrive.number])
        return Page(
            data=[RedriveBody.of(row) for row in shown], next_cursor=cursor, has_more=cursor is not None
        )

    @router.get("/v1/redrives/{redrive_id}", summary="How far a re-drive has come")
    async def read_redrive(redrive_id: str, caller: Reader) -> RedriveBody:
        return RedriveBody.of(_known(await redrives.one(caller.tenant, _uuid(redrive_id))))

    @router.post(
        "/v1/redrives/{redrive_id}/{action}", summary="Pause a re-drive, resume it, or stop it for good"
    )
    async def steer_redrive(
        redrive_id: str, action: Literal["pause", "resume", "stop"], caller: Previewer
    ) -> RedriveBody:
        """What was begun within the last second may still follow. Asked twice, it changes nothing more."""
        redrive = _known(await redrives.one(caller.tenant, _uuid(redrive_id)))
        if caller.test and not getattr(redrive.selection, "test", False):
            raise Problem(codes.TEST_KEY, "A test key steers only re-drives of what test keys sent.")
        steered = await redrives.steer(caller.tenant, redrive.id, _STATES[action], now=clock.now())
        if steered is None:
            raise Problem(codes.CONFLICT, "The re-drive has ended. Begin another one for what still fits.")
        log.info(
            "re-drive steered",
            tenant=caller.tenant,
            key=caller.key_id,
            redrive=redrive.id,
            state=steered.state,
        )
        return RedriveBody.of(steered)

    return router


async def _starts(event_logs: EventLogs) -> Mapping[TopicPartition, int]:
    try:
        return await event_logs()
    except KafkaFault as error:
        detail = "Kafka does not answer, so nobody knows what is still kept. Ask again in a while."
        raise Problem(codes.NOT_READY, detail, headers={"retry-after": "5"}) from error


def _known(redrive: StoredRedrive | None) -> StoredRedrive:
    if redrive is None:
        raise Problem(codes.NOT_FOUND, "No re-drive of yours has this id.")
    return redrive


def _uuid(redrive_id: str) -> str:
    try:
        return str(UUID(redrive_id))
    except ValueError as error:
        raise Problem(codes.NOT_FOUND, "No re-drive can have this id: ids are UUIDs.") from error
