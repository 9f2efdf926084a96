"""What Vonage tells: message status webhooks of its Messages API, signed.

https://developer.vonage.com/en/messages/concepts/messages-status-callbacks and
https://developer.vonage.com/en/messages/concepts/signed-webhooks: a JWT (HS256) under the account's signature secret, with the SHA-256 of
the body. It covers the body and not the address, in whose query the ref comes back; the ref proves itself. That page also says that a callback
may come unsigned after an error within Vonage, and comes again, signed, where the answer is 5xx.
"""

import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl

import jwt
import msgspec
from pydantic import AfterValidator, Field

from tocsin.channel.event_times import iso_time
from tocsin.channel.provider_config import SecretFile, one_word
from tocsin.channel.receipts import (
    Cause,
    ProviderEvent,
    RawRequest,
    ReceiptsConfig,
    ReceiptsKind,
    Refused,
    hashed,
    in_time,
)
from tocsin.contracts.codec import UNREADABLE_ERRORS
from tocsin.contracts.vocabulary import Reason, StatusName
from tocsin.dispatch_sms.vonage_errors import code_of, reason_of
from tocsin.runtime import Clock

_SCHEME: Final = "bearer "
_LONGEST_TOKEN: Final = 4096
_STATUSES: Final = {
    "delivered": StatusName.DELIVERED,
    "rejected": StatusName.UNDELIVERED,
    "undeliverable": StatusName.UNDELIVERED,
    "read": StatusName.READ,
}
"""Any other changes nothing: `submitted`, and what comes later."""

_SIGNATURE_ALONE: Final[Any] = {
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}
"""Of PyJWT's checks."""


class VonageReceiptsConfig(ReceiptsConfig):
    """`[providers.receipts]` of an instance of kind `vonage`."""

    signature_secret_files: tuple[Annotated[SecretFile, AfterValidator(one_word)], ...] = Field(
        min_length=1, max_length=2
    )
    """The account's signature secret, as the dashboard's settings show it."""


class _Error(msgspec.Struct):
    type: str = ""


class _Event(msgspec.Struct):
    """What is read of an event. Its numbers and its texts are not."""

    message_uuid: str
    status: str
    timestamp: str | None = None
    error: _Error | None = None


_event: Final = msgspec.json.Decoder(_Event).decode


class VonageReceipts:
    """Of one account's status webhooks."""

    def __init__(self, config: VonageReceiptsConfig, clock: Clock) -> None:
        self._secrets = [file.get_secret_value() for file in config.signature_secret_files]
        self._clock = clock

    async def verify(self, request: RawRequest) -> Sequence[ProviderEvent]:
        """The one event of a callback."""
        given = request.headers.get("authorization")
        if given is None:
            raise Refused(Cause.UNSIGNED)
        claims = self._claims(given)
        told_hash, told_at = claims.get("payload_hash"), claims.get("iat")
        if not (isinstance(told_hash, str) and isinstance(told_at, int | float)):
            raise Refused(Cause.SIGNATURE)
        known_hash = sha256(request.body).hexdigest()
        if not hmac.compare_digest(told_hash.encode("utf-8", "surrogatepass"), known_hash.encode()):
            raise Refused(Cause.SIGNATURE)
        in_time(told_at, self._clock)
        try:
            return [_read(_event(request.body), dict(parse_qsl(request.query)).get("ref"))]
        except UNREADABLE_ERRORS:
            raise Refused(Cause.UNREADABLE) from None

    def _claims(self, given: str) -> dict[str, Any]:
        """What the token says. Raises Refused unless one of the secrets has signed it."""
        token = given[len(_SCHEME) :].strip() if given.lower().startswith(_SCHEME) else ""
        if len(token) <= _LONGEST_TOKEN:
            for secret in self._secrets:
                try:
                    # Its times are judged by our clock, in `verify`.
                    return jwt.decode(token, secret, algorithms=["HS256"], options=_SIGNATURE_ALONE)
                except (jwt.InvalidTokenError, ValueError):
                    continue
        raise Refused(Cause.SIGNATURE)


def _read(event: _Event, ref: str | None) -> ProviderEvent:
    status = _STATUSES.get(event.status)
    failed = status is StatusName.UNDELIVERED
    code = code_of(event.error.type) if failed and event.error is not None else None
    return ProviderEvent(
        ref=ref,
        status=status,
        id=hashed(event.message_uuid, event.status, code or ""),
        at=iso_time(event.timestamp),
        code=code,
        reason=(reason_of(code) or Reason.PROVIDER_ERROR) if failed else None,
        detail="Vonage took the message and could not deliver it." if failed else None,
    )


VONAGE_RECEIPTS: Final = ReceiptsKind(
    config=VonageReceiptsConfig,
    create=VonageReceipts,
    tells=frozenset(_STATUSES.values()),
)
