"""The routes of mail providers: they read requests and shape answers; what is refused is decided elsewhere."""

import json
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from .aws_signature import SignedRequest
from .mail_refusals import MailRefusal
from .mailgun import MailgunEndpoint
from .postmark import PostmarkEndpoint
from .sendgrid import SendGridEndpoint
from .ses import SesEndpoint

_LARGEST_BODY = 16 * 1024 * 1024  # as much in base64 as the SMTP server takes


def add_mail_endpoints(
    app: FastAPI,
    *,
    ses: SesEndpoint,
    sendgrid: SendGridEndpoint,
    mailgun: MailgunEndpoint,
    postmark: PostmarkEndpoint,
) -> None:
    """Adds the routes of SES, SendGrid, Mailgun and Postmark under the paths the real APIs have."""

    @app.post("/v2/email/outbound-emails")
    async def send_email(request: Request) -> Response:
        signed = SignedRequest("POST", request.url.path, request.headers, await _read(request))
        return _answer(ses.send_email(signed))

    @app.post("/v3/mail/send")
    async def mail_send(request: Request) -> Response:
        answer = sendgrid.send(message=_json(await _read(request)), headers=request.headers)
        if isinstance(answer, MailRefusal):
            return _answer(answer)
        return Response(status_code=202, headers={"X-Message-Id": answer})

    @app.post("/v3/{domain}/messages.mime")
    async def send_mime(domain: str, request: Request) -> Response:
        return _answer(mailgun.send_mime(domain=domain, headers=request.headers, body=await _read(request)))

    @app.post("/email")
    async def email(request: Request) -> Response:
        return _answer(postmark.email(message=_json(await _read(request)), headers=request.headers))


def _answer(answer: dict[str, Any] | MailRefusal) -> Response:
    if not isinstance(answer, MailRefusal):
        return JSONResponse(answer)
    if isinstance(answer.body, str):
        return PlainTextResponse(answer.body, answer.status, headers=answer.headers)
    return JSONResponse(answer.body, answer.status, headers=answer.headers)


def _json(body: bytes) -> Any:
    """The value; None when the body is not JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY:
            raise HTTPException(413, "The body is too large.")
    return bytes(body)
