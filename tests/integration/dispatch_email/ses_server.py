"""SendEmail of SES v2: botocore judges signature and parameters, this file what the documentation says besides.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
"""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any, ClassVar

from tests.aws_judge import is_signed, operation, parameter_faults
from tests.integration.dispatch_email.mail_api import AsksByRetryAfter
from tests.integration.dispatch_email.mail_forms import ADDRESS, mime_faults
from tests.provider_account import NOW

from tocsin.channel import Throttled
from tocsin.dispatch_email.ses import SES
from tocsin.testing.http_world import Response
from tocsin.testing.provider_suite import Behaviour

KEY_ID, SECRET = "AKIDEXAMPLE12345", "marked-body/secret+key"
REGION = "eu-west-1"
_SEND = operation("sesv2", "SendEmail")


def refusal(status: int, name: str, text: str) -> Response:
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": f"{name}:http://internal.example/"}
    return status, headers, json.dumps({"message": text}).encode()


UNSIGNED = refusal(
    403, "InvalidSignatureException", "The request signature we calculated does not match the one you provided."
)  # fmt: skip


def fault(  # noqa: PLR0911 - one for each refusal
    message: dict[str, Any], source: bytes
) -> Response | None:
    """The first thing that the documentation says is refused."""
    message = message | {"Content": {"Raw": {"Data": source}}}
    if wrong := parameter_faults(_SEND, message):
        return refusal(400, "BadRequestException", wrong[0])
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
        url = f"{self.url}{path}"
        if not is_signed(
            url, head, body, service="ses", region=REGION, now=NOW, key_id=KEY_ID, secret=SECRET
        ):
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
