"""What Twilio tells: status callbacks of messages, signed.

https://www.twilio.com/docs/messaging/guides/track-outbound-message-status and https://www.twilio.com/docs/usage/security: HMAC-SHA1,
under the account's auth token, over the address as it was called and the form's fields, sorted. The signature has no time. The ref comes
back in the query of the address, so it is signed, too.
"""

import hmac
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field

from tocsin.channel.provider_config import SecretFile
from tocsin.channel.receipts import (
    Cause,
    ProviderEvent,
    RawRequest,
    ReceiptsConfig,
    ReceiptsKind,
    Refused,
    hashed,
)
from tocsin.channel.shown_secrets import is_one_of
from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.runtime import Clock

_SIGNATURE: Final = "x-twilio-signature"
_MOST_FIELDS: Final = 200
_MOST_BYTES: Final = 64 * 1024
"""Of a form. A callback has 1 KiB; it is read before its signature is known to be right, so a stranger must not make that cost much."""
_PORTS: Final = {"http": 80, "https": 443}
_STATUSES: Final = {
    "delivered": StatusName.DELIVERED,
    "undelivered": StatusName.UNDELIVERED,
    "failed": StatusName.UNDELIVERED,
    "read": StatusName.READ,
}
"""Any other changes nothing: accepted, scheduled, queued, sending, sent, canceled. `failed` came after Twilio had taken the message."""
_REASONS: Final = {
    "21610": Reason.RECIPIENT_STOPPED,  # Attempt to send to unsubscribed recipient: they have answered STOP
    "30001": Reason.THROTTLED,  # Queue overflow
    "30002": Reason.CREDENTIALS_REFUSED,  # Account suspended
    "30003": Reason.RECIPIENT_REFUSED,  # Unreachable destination handset: off, or out of reach
    "30004": Reason.RECIPIENT_REFUSED,  # Message blocked
    "30005": Reason.ADDRESS_GONE,  # Unknown destination handset
    "30006": Reason.ADDRESS_INVALID,  # Landline or unreachable carrier
    "30007": Reason.CONTENT_REFUSED,  # Message filtered
    "30008": Reason.PROVIDER_ERROR,  # Unknown error
}
"""By Twilio's `ErrorCode`: https://www.twilio.com/docs/api/errors/<code>."""


class TwilioReceiptsConfig(ReceiptsConfig):
    """`[providers.receipts]` of an instance of kind `twilio`."""

    auth_token_files: tuple[SecretFile, ...] = Field(min_length=1, max_length=2)
    """The account's auth token; also where an API key sends: Twilio signs with the token alone."""


class TwilioReceipts:
    """Of one account's status callbacks."""

    def __init__(self, config: TwilioReceiptsConfig, clock: Clock) -> None:  # noqa: ARG002 - Twilio's signature has no time
        self._tokens = [file.get_secret_value().encode() for file in config.auth_token_files]

    async def verify(self, request: RawRequest) -> Sequence[ProviderEvent]:
        """The one event of a callback."""
        given = request.headers.get(_SIGNATURE, "").encode("latin-1", "replace")
        form = _form(request.body)
        if form is None or not self._is_signed(given, request.url, form):
            raise Refused(Cause.SIGNATURE)
        fields = dict(form)
        if "MessageSid" not in fields or "MessageStatus" not in fields:
            raise Refused(Cause.UNREADABLE)
        return [_event(fields, dict(parse_qsl(request.query)).get("ref"))]

    def _is_signed(self, given: bytes, url: str, form: Sequence[tuple[str, str]]) -> bool:
        fields = "".join(f"{name}{value}" for name, value in sorted(set(form)))
        spellings = [f"{address}{fields}" for address in _spellings(url)]
        return is_one_of(given, (_signature(token, signed) for token in self._tokens for signed in spellings))


def _form(body: bytes) -> list[tuple[str, str]] | None:
    if len(body) > _MOST_BYTES:
        return None
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return None


def _signature(token: bytes, signed: str) -> bytes:
    return b64encode(hmac.digest(token, signed.encode("utf-8", "surrogatepass"), "sha1"))


def _spellings(url: str) -> Iterator[str]:
    """The address with its port and without: Twilio signs the one or the other, as its own libraries know."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition(":")[0] if parts.port is not None else parts.netloc
    port = parts.port or _PORTS.get(parts.scheme, 0)
    for netloc in (host, f"{host}:{port}"):
        yield parts._replace(netloc=netloc).geturl()


def _event(fields: Mapping[str, str], ref: str | None) -> ProviderEvent:
    name, code = fields["MessageStatus"], fields.get("ErrorCode", "")
    status = _STATUSES.get(name)
    failed = status is StatusName.UNDELIVERED
    known = code if failed and code.isascii() and code.isdecimal() and len(code) <= 6 else None
    return ProviderEvent(
        ref=ref,
        status=status,
        id=hashed(fields["MessageSid"], name, code),
        code=known,
        reason=_REASONS.get(code, Reason.PROVIDER_ERROR) if failed else None,
        detail="Twilio took the message and could not deliver it." if failed else None,
    )


TWILIO_RECEIPTS: Final = ReceiptsKind(
    config=TwilioReceiptsConfig,
    create=TwilioReceipts,
    tells=frozenset(_STATUSES.values()),
)
