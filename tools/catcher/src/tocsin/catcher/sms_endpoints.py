"""The routes of the providers of SMS beside Twilio: they read requests and shape answers; what is refused is decided elsewhere."""

import json
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from .aws_sms import AwsRefusal, AwsSmsEndpoint
from .endpoints import read_body
from .vonage import VonageEndpoint, VonageRefusal

_SEND_TEXT_MESSAGE = "PinpointSMSVoiceV2.SendTextMessage"


def sms_endpoints(*, vonage: VonageEndpoint, aws: AwsSmsEndpoint) -> APIRouter:
    """Vonage's and AWS's routes under the paths the real APIs have."""
    routes = APIRouter()

    @routes.post("/v1/messages")
    async def messages(request: Request) -> JSONResponse:
        answer = vonage.send(_value(await read_body(request)), headers=request.headers)
        if isinstance(answer, VonageRefusal):
            after = {"Retry-After": "1"} if answer.status == 429 else None
            return JSONResponse(answer.body(), answer.status, headers=after)
        return JSONResponse(answer, 202)

    @routes.post("/")
    async def aws_call(request: Request) -> Response:
        body = await read_body(request)
        if request.headers.get("x-amz-target") == _SEND_TEXT_MESSAGE:
            sent = aws.send_text_message(_value(body), headers=request.headers, body=body)
            if isinstance(sent, AwsRefusal):
                return JSONResponse(sent.as_json(), sent.status)
            return JSONResponse(sent)
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        published = aws.publish(form, headers=request.headers, body=body)
        if isinstance(published, AwsRefusal):
            return Response(published.as_xml(), published.status, media_type="text/xml")
        result = f"<PublishResult><MessageId>{published}</MessageId></PublishResult>"
        return Response(f"<PublishResponse>{result}</PublishResponse>", media_type="text/xml")

    return routes


def _value(body: bytes) -> Any:
    """The JSON value; None when the body is not JSON, which no endpoint accepts."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
