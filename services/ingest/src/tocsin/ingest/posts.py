"""The two POSTs that carry the load. `PlainPosts` answers usual requests; FastAPI documents both, and answers all other requests the same."""

from fastapi import Request, Response

from tocsin.ingest.service import IngestService
from tocsin.observability import metrics
from tocsin.web import Answered, Posted, Problem, TakePost


def counted(take: TakePost) -> TakePost:
    """The same, and what is refused is counted by its code."""

    async def counting(posted: Posted) -> Answered:
        try:
            return await take(posted)
        except Problem as problem:
            _count(problem)
            raise

    return counting


async def answer(request: Request, take: TakePost, service: IngestService) -> Response:
    """For a route of FastAPI; `take` is `counted`."""
    try:
        posted = await service.posted(request)
    except Problem as problem:
        _count(problem)
        raise
    status, body = await take(posted)
    return Response(body, status_code=status, media_type="application/json")


def _count(refusal: Problem) -> None:
    metrics.ingest_refused.labels(refusal.code.name).inc()
