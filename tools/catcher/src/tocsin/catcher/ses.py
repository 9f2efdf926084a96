"""The SES endpoint: `POST /v2/email/outbound-emails`, as AWS documents SendEmail with raw content.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
"""

import json
from base64 import b64decode
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

from .aws_signature import SignedRequest, refusal_of
from .mail_refusals import MailRefusal, has_one_from, is_address, keep
from .mailbox import Mailbox

_MOST_RECIPIENTS = 50


class SesEndpoint:
    """One access key; without one, everybody is refused."""

    def __init__(
        self, *, mailbox: Mailbox, access_key_id: str | None, secret: str | None, now: Callable[[], datetime]
    ) -> None:
        self._mailbox = mailbox
        self._access_key_id = access_key_id
        self._secret = secret
        self._now = now

    def send_email(self, request: SignedRequest) -> dict[str, Any] | MailRefusal:
        """The answer (status 200), or why not."""
        if self._access_key_id is None or self._secret is None:
            return _refusal(
                403, "UnrecognizedClientException", "The security token included in the request is invalid."
            )
        unsigned = refusal_of(
            request, key_id=self._access_key_id, secret=self._secret, service="ses", now=self._now()
        )
        if unsigned is not None:
            return _refusal(403, *unsigned)
        try:
            message = json.loads(request.body)
            recipients = message.get("Destination", {}).get("ToAddresses", [])
            source = b64decode(message["Content"]["Raw"]["Data"], validate=True)
            sender = message.get("FromEmailAddress", "")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            words = "The catcher takes SendEmail with Content.Raw.Data, Destination and FromEmailAddress."
            return _refusal(400, "BadRequestException", words)
        if (refused := _fault(recipients, sender, source)) is not None:
            return refused
        keep(
            self._mailbox,
            source,
            envelope_from=sender,
            recipients=recipients,
            now=self._now,
            provider="ses",
        )
        return {"MessageId": str(uuid4())}


def _fault(recipients: Any, sender: Any, source: bytes) -> MailRefusal | None:
    if not isinstance(recipients, list) or not 1 <= len(recipients) <= _MOST_RECIPIENTS:
        return _refusal(400, "BadRequestException", "Recipient count is not between 1 and 50.")
    if not all(isinstance(address, str) and is_address(address) for address in [*recipients, sender]):
        return _refusal(400, "BadRequestException", "Illegal address")
    if not has_one_from(source):
        return _refusal(400, "MessageRejected", "Expected exactly one 'From' header.")
    return None


def _refusal(status: int, name: str, words: str) -> MailRefusal:
    return MailRefusal(status, {"message": words}, {"x-amzn-ErrorType": name})
