"""`/api/stream`: what happens in the mailbox, as server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from .mailbox import Arrived, Cleared, Ended, Mailbox

_KEEP_ALIVE_SECONDS = 15.0


def stream_api(mailbox: Mailbox) -> APIRouter:
    """`hello` once following (read the list then), `caught` with the message in brief, `cleared`."""
    routes = APIRouter()

    @routes.get("/api/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(_events(mailbox), media_type="text/event-stream")

    return routes


async def _events(mailbox: Mailbox) -> AsyncIterator[str]:
    following = mailbox.follow()
    try:
        yield "retry: 1000\nevent: hello\ndata: {}\n\n"
        while True:
            try:
                event = await asyncio.wait_for(following.get(), _KEEP_ALIVE_SECONDS)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            match event:
                case Arrived(message):
                    yield f"event: caught\nid: {message.id}\ndata: {json.dumps(message.brief())}\n\n"
                case Cleared():
                    yield "event: cleared\ndata: {}\n\n"
                case Ended():
                    return
    finally:
        mailbox.unfollow(following)
