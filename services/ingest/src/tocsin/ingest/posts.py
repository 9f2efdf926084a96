"""The two POSTs that carry the load. `PlainPosts` answers those that are plain; FastAPI describes them, and answers all others the same."""

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
            metrics.ingest_refused.labels(problem.code.name).inc()
            raise

    return counting


async def answer(request: Request, take: TakePost, service: IngestService) -> Response:
    """For a route of FastAPI."""
    status, body = await take(await service.posted(request))
    return Response(body, status_code=status, media_type="application/json")
