"""The provider-shaped routes: they read requests and shape answers; what is refused is decided elsewhere."""

import json
from typing import Any
from urllib.parse import parse_qsl

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse

from .fcm import FcmEndpoint, FcmRefusal
from .google_oauth import OAuthRefusal, TokenEndpoint
from .twilio import TwilioEndpoint
from .twilio_refusals import Refusal
from .webhook import WebhookEndpoint
from .webpush import Subscribing, WebPushEndpoint

_LARGEST_BODY = 30 * 1024 * 1024  # as much as APIs for mail take, with attachments


def add_provider_endpoints(
    app: FastAPI,
    *,
    twilio: TwilioEndpoint,
    tokens: TokenEndpoint,
    fcm: FcmEndpoint,
    webpush: WebPushEndpoint,
    webhook: WebhookEndpoint,
) -> None:
    """Adds Twilio's, Google's and FCM's routes under the paths the real APIs have, a push service of browsers, and endpoints of tenants."""

    @app.post("/2010-04-01/Accounts/{account_sid}/Messages.json")
    async def create_message(account_sid: str, request: Request) -> JSONResponse:
        answer = twilio.create_message(
            account_sid=account_sid, form=await _form(request), headers=request.headers
        )
        if isinstance(answer, Refusal):
            challenge = {"WWW-Authenticate": 'Basic realm="Twilio API"'} if answer.status == 401 else None
            return JSONResponse(answer.body(), answer.status, headers=challenge)
        return JSONResponse(answer, 201)

    @app.post("/token")
    async def token(request: Request) -> JSONResponse:
        answer = tokens.exchange(await _form(request))
        if isinstance(answer, OAuthRefusal):
            return JSONResponse(answer.body(), answer.status)
        return JSONResponse(answer)

    @app.post("/v1/projects/{project}/messages:send")
    async def send(project: str, request: Request) -> JSONResponse:
        answer = fcm.send(project=project, payload=await read_json(request), headers=request.headers)
        if isinstance(answer, FcmRefusal):
            after = {"Retry-After": str(answer.retry_after)} if answer.retry_after else None
            return JSONResponse(answer.body(), answer.http_status, headers=after)
        return JSONResponse(answer)

    @app.post("/push")
    async def subscribe(asked: Subscribing, request: Request) -> JSONResponse:
        return JSONResponse(webpush.subscribe(asked, base=_origin(request)), 201)

    @app.post("/push/{name}")
    async def push(name: str, request: Request) -> PlainTextResponse:
        body, origin = await read_body(request), _origin(request)
        answer = webpush.take(name, origin=origin, headers=request.headers, body=body)
        return PlainTextResponse(answer.words, answer.status)

    @app.post("/webhooks/{name}")
    async def take_webhook(name: str, request: Request) -> PlainTextResponse:
        answer = webhook.take(name, headers=request.headers, body=await read_body(request))
        return PlainTextResponse(answer.words, answer.status)


def _origin(request: Request) -> str:
    return str(request.base_url).rstrip("/")


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form-encoded body; of a field given twice, the last. Any other content type has none."""
    body = await read_body(request)
    if (
        request.headers.get("content-type", "").partition(";")[0].strip().lower()
        != "application/x-www-form-urlencoded"
    ):
        return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


async def read_json(request: Request) -> Any:
    """The value; None when the body is not JSON, which no endpoint accepts."""
    try:
        return json.loads(await read_body(request))
    except (ValueError, RecursionError):
        return None


async def read_body(request: Request) -> bytes:
    """The body, unless it is larger than any real API takes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY:
            raise HTTPException(413, "The body is too large.")
    return bytes(body)
