"""The routes of chats: they read requests and shape answers; what is refused is decided elsewhere."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from .endpoints import read_json
from .slack import SlackEndpoint
from .teams import TeamsEndpoint

_PATIENCE = {"Retry-After": "1"}


def chat_endpoints(*, slack: SlackEndpoint, teams: TeamsEndpoint) -> APIRouter:
    """The routes of Slack and Teams under the paths that the real ones have."""
    routes = APIRouter()

    @routes.post("/api/chat.postMessage")
    async def post_message(request: Request) -> JSONResponse:
        answer = slack.post_message(await read_json(request), headers=request.headers)
        if answer.get("error") == "ratelimited":
            return JSONResponse(answer, 429, headers=_PATIENCE)
        return JSONResponse(answer)

    @routes.post("/services/{team}/{hook}/{secret}")
    async def incoming_webhook(team: str, hook: str, secret: str, request: Request) -> PlainTextResponse:
        answer = slack.post_to_hook(
            await read_json(request), secret=secret, place=f"{team}/{hook}", headers=request.headers
        )
        return PlainTextResponse(
            answer.word, answer.status, headers=_PATIENCE if answer.status == 429 else None
        )

    @routes.post("/workflows/{workflow}/triggers/manual/paths/invoke")
    async def teams_workflow(workflow: str, request: Request, sig: str = "") -> Response:
        answer = teams.invoke(
            await read_json(request), workflow=workflow, signature=sig, headers=request.headers
        )
        if answer.code is None:
            return Response(status_code=answer.status)
        error = {"error": {"code": answer.code, "message": "The catcher plays this refusal."}}
        return JSONResponse(error, answer.status, headers=_PATIENCE if answer.status == 429 else None)

    return routes
