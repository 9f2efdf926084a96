"""`/v1/test-webhooks`: what endpoints would have got for messages of test keys."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from msgspec.structs import replace
from pydantic import AwareDatetime, BaseModel, Field

from tocsin.kafka import KafkaFault
from tocsin.ledger.responses import OpenReason, OpenStatus
from tocsin.ledger.sandboxed_webhooks import FIRST_ID, SandboxedWebhookReader
from tocsin.ledger.timelines_api import time_and_id
from tocsin.web import Page, PagingQuery, Problem, Reader, codes

MOST: Final = 20
"""Of one page: a body may have a mebibyte."""


class SandboxedWebhookBody(BaseModel):
    """One webhook that would have been sent."""

    webhook_id: str = Field(description="Its `webhook-id`")
    endpoint: str
    status: OpenStatus
    reason: OpenReason | None
    stored_at: datetime
    body: str | None = Field(
        description="The request's body. Null: it is no longer kept, which it is for seven days"
    )


def sandboxed_webhook_routes(reader: SandboxedWebhookReader) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["Webhooks"])

    @router.get(
        "/v1/test-webhooks", summary="What endpoints would have got for messages of test keys, oldest first"
    )
    async def list_test_webhooks(
        *,
        caller: Reader,
        paging: PagingQuery,
        since: Annotated[
            AwareDatetime, Query(description="Those whose end was stored at this time or later")
        ],
    ) -> Page[SandboxedWebhookBody]:
        """For test keys: nothing of live messages is shown. A page has at most 20. `tocsin webhooks listen` asks for this each second and sends it to a port of your machine."""
        if not caller.test:
            raise Problem(
                codes.FORBIDDEN, "Ask with a test key: what endpoints get for live messages is not shown."
            )
        paging = replace(paging, limit=min(paging.limit, MOST))
        at, after = _place(paging.after, since)
        try:
            rows = await reader.since(caller.tenant, at, after=after, limit=paging.fetch)
        except KafkaFault as error:
            detail = "Kafka does not answer, and the bodies stand there. Ask again in a while."
            raise Problem(codes.NOT_READY, detail, headers={"retry-after": "5"}) from error
        shown, cursor = paging.page(rows, key=lambda row: (row.stored_at.isoformat(), row.status_id))
        data = [
            SandboxedWebhookBody(**{name: getattr(row, name) for name in SandboxedWebhookBody.model_fields})
            for row in shown
        ]
        return Page(data=data, next_cursor=cursor, has_more=cursor is not None)

    return router


def _place(after: list[Any] | None, since: datetime) -> tuple[datetime, str]:
    place = time_and_id(after)
    return (since.astimezone(UTC), FIRST_ID) if place is None else (place[0], str(place[1]))
