"""`/api`: what was caught, as JSON."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Path, Query
from fastapi.responses import JSONResponse, Response

from .attachments import download_headers
from .browser_policy import MAIL_POLICY, mail_document
from .mail import attached_file
from .mailbox import Mailbox
from .messages import AnyMessage, Channel, Email, as_json
from .receipts import NotPlayed, Played, Receipts
from .timelines import EntryFinder, NoTimeline, NotYet, Timeline, Timelines


def messages_api(mailbox: Mailbox, *, receipts: Receipts) -> APIRouter:
    """The list, one message, a mail's HTML, what its provider would tell of it, and clearing all."""
    routes = APIRouter(prefix="/api/messages")

    @routes.get("")
    async def messages(
        *,
        channel: Channel | None = None,
        to: str | None = None,
        since: str | None = None,
        limit: Annotated[int | None, Query(ge=1)] = None,
        brief: bool = False,
    ) -> JSONResponse:
        """Newest first; `since` is RFC 3339; `brief` leaves out bodies of mails, headers and sources."""
        messages = mailbox.find(channel=channel, to=to, since=_instant(since), limit=limit)
        return JSONResponse([message.brief() if brief else as_json(message) for message in messages])

    @routes.delete("")
    async def clear() -> Response:
        mailbox.clear()
        return Response(status_code=204)

    @routes.get("/{identity}")
    async def message(identity: UUID) -> JSONResponse:
        """With `plays`: what can be told of it as its provider would."""
        kept = _kept(mailbox, identity)
        return JSONResponse({**as_json(kept), "plays": receipts.names(kept)})

    @routes.put("/{identity}/receipts/{name}")
    async def play(identity: UUID, name: str) -> Response:
        """204 once it is taken, 404 where that cannot be told of this message, 502 with a reason where nobody took it."""
        kept = _kept(mailbox, identity)
        if name not in receipts.names(kept):
            raise HTTPException(404, "This cannot be told of this message.")
        match await receipts.play(kept, name):
            case NotPlayed(reason):
                return JSONResponse({"detail": reason}, 502)
            case Played():
                return Response(status_code=204)

    _add_parts(routes, mailbox)
    return routes


def _add_parts(routes: APIRouter, mailbox: Mailbox) -> None:
    """What of a mail is no JSON."""

    @routes.get("/{identity}/html")
    async def html(identity: UUID) -> Response:
        """The mail's HTML for the sandboxed frame; its policy holds wherever it is opened."""
        mail = _kept(mailbox, identity)
        if not isinstance(mail, Email) or mail.html is None:
            raise HTTPException(404, "This message has no HTML.")
        policy = {"Content-Security-Policy": MAIL_POLICY}
        return Response(mail_document(mail.html), media_type="text/html", headers=policy)

    @routes.get("/{identity}/attachments/{place}")
    async def attachment(identity: UUID, place: Annotated[int, Path(ge=0)]) -> Response:
        """The file at this place of the mail's `attachments`, to be saved."""
        mail = _kept(mailbox, identity)
        content = attached_file(mail.raw, place) if isinstance(mail, Email) else None
        if content is None or not isinstance(mail, Email):
            raise HTTPException(404, "This message has no such attachment.")
        headers = download_headers(mail.attachments[place].name)
        return Response(content, media_type="application/octet-stream", headers=headers)


def timelines_api(mailbox: Mailbox, *, timelines: Timelines, entries: EntryFinder) -> APIRouter:
    """What the stack tells of a message, and how to send it a first event."""
    routes = APIRouter(prefix="/api")

    @routes.get("/messages/{identity}/timeline")
    async def timeline(identity: UUID) -> JSONResponse:
        """200 with the timeline as the stack tells it, 404 while it is not known, 503 with a reason."""
        match await timelines.of(_kept(mailbox, identity).notification_id):
            case Timeline(body):
                return JSONResponse(body)
            case NotYet(after):
                words = {"detail": "Nothing is known of it yet."}
                return JSONResponse(words, 404, headers={"Retry-After": str(after)})
            case NoTimeline(reason):
                return JSONResponse({"detail": reason}, 503)

    @routes.get("/setup")
    async def setup() -> dict[str, Any]:
        """What the empty page says about sending a first event. No key."""
        entry = entries.find()
        return {"entry": entry.url if entry else None, "sample": entry.sample if entry else {}}

    return routes


def _kept(mailbox: Mailbox, identity: UUID) -> AnyMessage:
    message = mailbox.get(identity)
    if message is None:
        raise HTTPException(404, "No such message: it was cleared, or is older than what is kept.")
    return message


def _instant(text: str | None) -> datetime | None:
    """An RFC 3339 time; a `+` that came unescaped in the query is taken for one; without a zone it is UTC."""
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except ValueError as error:
        raise HTTPException(422, "`since` must be an RFC 3339 time.") from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
