"""`/v1/timelines`: the history of one notification, and lists of notifications."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from tocsin.contracts.vocabulary import Channel, StatusName
from tocsin.ledger.history import StatusRow
from tocsin.ledger.reading import Filters, TimelineReader
from tocsin.ledger.responses import SummaryBody, TimelineBody, event_summary_of, summary_of, timeline_of
from tocsin.web import Page, PagingQuery, Problem, Reader, codes

_SOON: Final = {"retry-after": "1"}


def timeline_routes(reader: TimelineReader) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["Timelines"])

    @router.get("/v1/timelines/{notification_id}", summary="What happened to one notification, and why")
    async def read_timeline(notification_id: str, caller: Reader) -> TimelineBody:
        history = await reader.history(caller.tenant, _uuid(notification_id))
        if history is None:
            detail = "Nothing is known of this id: it is too new, too old, or not yours."
            raise Problem(codes.NOT_YET_KNOWN, detail, headers=_SOON)
        return timeline_of(history)

    @router.get("/v1/timelines", summary="Find notifications, newest first")
    async def list_timelines(
        *,
        caller: Reader,
        paging: PagingQuery,
        recipient: Annotated[str | None, Query(max_length=256, description="The recipient's id")] = None,
        workflow: Annotated[str | None, Query(max_length=256, description="The workflow's key")] = None,
        channel: Annotated[Channel | None, Query(description="With something on this channel")] = None,
        status: Annotated[
            StatusName | None,
            Query(description="To which this has happened; `scheduled`: those that wait now"),
        ] = None,
        event: Annotated[
            str | None,
            Query(max_length=1024, description="The event's id; finds records about the event itself too"),
        ] = None,
        since: Annotated[AwareDatetime | None, Query(description="Stored at this time or later")] = None,
        overdue: Annotated[
            bool,
            Query(
                description="Whose time has passed a minute ago or longer, and of which a delivery has no end"
            ),
        ] = False,
    ) -> Page[SummaryBody]:
        filters = Filters(
            recipient=recipient,
            workflow=workflow,
            channel=channel,
            status=status,
            event=event,
            since=since,
            overdue=overdue,
        )
        rows = await reader.newest(
            caller.tenant, filters, after=time_and_id(paging.after), limit=paging.fetch
        )
        shown, cursor = paging.page(rows, key=lambda row: (row.stored_at.isoformat(), row.status_id))
        summaries = await _summaries(reader, caller.tenant, shown)
        return Page(data=summaries, next_cursor=cursor, has_more=cursor is not None)

    return router


async def _summaries(reader: TimelineReader, tenant: str, rows: Sequence[StatusRow]) -> list[SummaryBody]:
    ids = [UUID(row.notification_id) for row in rows if row.notification_id is not None]
    histories = await reader.histories(tenant, ids)
    return [
        event_summary_of(row) if row.notification_id is None else summary_of(histories[row.notification_id])
        for row in rows
    ]


def _uuid(notification_id: str) -> UUID:
    try:
        return UUID(notification_id)
    except ValueError as error:
        raise Problem(codes.NOT_FOUND, "No notification can have this id: ids are UUIDs.") from error


def time_and_id(after: list[Any] | None) -> tuple[datetime, UUID] | None:
    """The time and status id that a cursor holds. A caller may have changed it, so it is checked."""
    if after is None:
        return None
    try:
        at, status_id = after
        return datetime.fromisoformat(at).astimezone(UTC), UUID(status_id)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise Problem(codes.INVALID_CURSOR, "Use `next_cursor` of the page before, as it is.") from error
