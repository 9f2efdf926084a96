"""SendEmail of SES v2: botocore judges signature and parameters, this file what the documentation says besides.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
"""

import json
import re
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.validate import ParamValidator
from tests.integration.dispatch_email.mail_api import NOW, AsksByRetryAfter
from tests.integration.dispatch_email.mail_forms import ADDRESS, mime_faults

from tocsin.channel import Throttled
from tocsin.dispatch_email.ses import SES
from tocsin.testing.http_world import Response
from tocsin.testing.provider_suite import Behaviour

KEY_ID, SECRET = "AKIDEXAMPLE12345", "marked-body/secret+key"
REGION = "eu-west-1"
_INPUT = botocore.session.get_session().get_service_model("sesv2").operation_model("SendEmail").input_shape
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(\w+)/\d{8}/([\w-]+)/ses/aws4_request, SignedHeaders=([\w;-]+), Signature=[0-9a-f]{64}"
)


def refusal(status: int, name: str, text: str) -> Response:
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": f"{name}:http://internal.example/"}
    return status, headers, json.dumps({"message": text}).encode()


UNSIGNED = refusal(
    403, "InvalidSignatureException", "The request signature we calculated does not match the one you provided."
)  # fmt: skip


def wrongly_signed(
    path: str, head: dict[str, str], body: bytes, *, secret: str = SECRET, now: datetime = NOW
) -> bool:
    """Whether botocore signs what came in another way, or the key, the region or the time is another."""
    given = _AUTHORIZATION.fullmatch(head.get("authorization", ""))
    if given is None or given[1] != KEY_ID or given[2] != REGION:
        return True
    moment = datetime.strptime(head["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs(moment - now) > timedelta(minutes=5):
        return True
    names = set(given[3].split(";")) - {"host", "x-amz-date", "x-amz-security-token"}
    if not names.issuperset(name for name in head if name.startswith("content-type")):
        return True
    request = AWSRequest(
        method="POST",
        url=f"http://{head['host']}{path}",
        headers={name: head[name] for name in names},
        data=body,
    )
    request.context["timestamp"] = head["x-amz-date"]
    signer = SigV4Auth(Credentials(KEY_ID, secret, head.get("x-amz-security-token")), "ses", REGION)
    signer._modify_request_before_signing(request)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    return str(request.headers["Authorization"]) != head["authorization"]


def fault(  # noqa: PLR0911 - one for each refusal
    message: dict[str, Any], source: bytes
) -> Response | None:
    """The first thing that the documentation says is refused."""
    message = message | {"Content": {"Raw": {"Data": source}}}
    report = ParamValidator().validate(message, _INPUT)
    if report.has_errors():
        return refusal(400, "BadRequestException", report.generate_report())
    recipients = message["Destination"].get("ToAddresses", [])
    if not 1 <= len(recipients) <= 50:
        return refusal(400, "BadRequestException", "Recipient count is not within 1 and 50")
    if not all(ADDRESS.fullmatch(address) for address in [*recipients, message["FromEmailAddress"]]):
        return refusal(400, "BadRequestException", "Missing final '@domain'")
    if not message["FromEmailAddress"].endswith("@example.com"):
        return refusal(
            400, "MessageRejected", "Email address is not verified. The following identities failed …"
        )
    if message.get("ConfigurationSetName", "tocsin") != "tocsin":
        return refusal(404, "NotFoundException", "Configuration set does not exist.")
    if faults := list(mime_faults(source)):
        return refusal(400, "MessageRejected", f"Invalid content: {faults[0]}")
    return None


class SesServer(AsksByRetryAfter):
    """`POST /v2/email/outbound-emails`, for one access key."""

    kind = SES
    entry: ClassVar = {
        "kind": "ses",
        "region": REGION,
        "access_key_id": KEY_ID,
        "secret_access_key_file": "key",
        "configuration_set": "tocsin",
    }
    secrets: ClassVar = {"key": SECRET}
    asks_for_patience = Throttled(
        code="TooManyRequestsException", detail="SES asks for patience.", retry_after=7.0
    )
    too_large = 30_000_000
    server_loggers = ("botocore",)
    scripts: ClassVar = {
        Behaviour.REFUSES_RECIPIENT: refusal(
            400, "BadRequestException", "Illegal address: marked-address@example.org"
        ),
        Behaviour.THROTTLES: refusal(429, "TooManyRequestsException", "Maximum sending rate exceeded."),
        Behaviour.REFUSES_CREDENTIALS: UNSIGNED,
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.messages: list[tuple[dict[str, Any], bytes]] = []
        """What was asked for, and the mail."""

    def respond(self, first: str, head: dict[str, str], body: bytes) -> Response:
        path = "/v2/email/outbound-emails"
        if first != f"POST {path} HTTP/1.1" or head.get("content-type") != "application/json":
            return refusal(404, "UnknownOperationException", "")
        if wrongly_signed(path, head, body):
            return UNSIGNED
        message = json.loads(body)
        source = b64decode(message["Content"]["Raw"]["Data"], validate=True)
        if (refused := fault(message, source)) is not None:
            return refused
        del message["Content"]
        self.messages.append((message, source))
        self.taken += 1
        answer = json.dumps({"MessageId": f"0102018f-{self.taken}-000000"}).encode()
        return 200, {"Content-Type": "application/json"}, answer
