"""What a message carries so that a receipt for it needs no look-up: the `ref`, sealed for one provider instance.

    base64url( length of the key's id, the key's id, nonce, AES-256-GCM( what the job says ) )

It is opaque, because some providers show or keep what they are given. It is authentic, so that a tenant with a provider account of
its own cannot forge receipts for another. It opens only under the name of the instance that it was sealed for (`aad`).

**An adapter** whose provider gives back what it is given declares one attribute. The pool sets it before `open`:

    self.seal_ref: SealRef = no_ref            # in __init__
    ref = self.seal_ref(job)                   # in send; None: refs are off, send without

`ref` has 110 to 560 characters of `A-Z a-z 0-9 - _` and is the same size for the same job, but never the same text. Where it travels:
SendGrid `custom_args`, Twilio `StatusCallback` and Vonage `webhook_url` as `?ref=` (`with_ref`), SMTP and SES the header `X-Tocsin-Ref`
(`mime.mail(ref=…)`), Mailgun `v:tocsin`, Postmark `Metadata` in pieces of 80 characters (`pieces`), AWS SMS `Context`.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol, runtime_checkable
from uuid import UUID

import msgspec

from tocsin.channel.sealing import RefKey, Sealing
from tocsin.contracts.jobs import Job
from tocsin.contracts.vocabulary import Channel, Lane

__all__ = [
    "MOST_CHARS",
    "CarriesRef",
    "Ref",
    "RefKey",
    "Refs",
    "SealRef",
    "SealedJob",
    "no_ref",
    "pieces",
    "read_sealed",
    "sealed_job",
    "with_ref",
]

MOST_CHARS: Final = 560
"""Seven values of Postmark's metadata, and far below what any URL or header may have."""
_MOST_BYTES: Final = MOST_CHARS // 4 * 3
_PURPOSE: Final = b"tocsin.ref.v1\x00"
"""Hashed with each secret, so that no key made for something else opens a ref."""
_LANES: Final = {lane: lane.value[0] for lane in Lane}
_OF_LETTER: Final = {letter: lane for lane, letter in _LANES.items()}

SealRef = Callable[[Job], str | None]
"""The ref of a job, None where none is to be sent."""


def no_ref(job: Job) -> None:
    """What `seal_ref` is until the pool sets it, and where DISPATCH_REF_KEYS has no key."""


@runtime_checkable
class CarriesRef(Protocol):
    """A provider whose messages carry refs."""

    seal_ref: SealRef


class Ref(msgspec.Struct, frozen=True, kw_only=True):
    """What an opened ref says of the delivery. Very long ids leave no room for the fields that may be None."""

    tenant: str
    recipient: str
    notification_id: str
    delivery_id: str
    lane: Lane
    test: bool
    address_hash: str | None
    address_key: str | None
    category: str | None
    step: str | None
    workflow: str | None
    origin: str | None


class SealedJob(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The same as it is sealed. What may be left out stands last, in the order in which it is missed: with `address_hash` an address
    is suppressed, with `category` a preference is switched off."""

    tenant: str
    recipient: str
    notification: bytes
    delivery: bytes
    lane: str
    test: bool
    address_hash: str | None = None
    address_key: str | None = None
    category: str | None = None
    step: str | None = None
    workflow: str | None = None
    origin: str | None = None


_OPTIONAL: Final = ("origin", "workflow", "step", "category", "address_key", "address_hash")
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(SealedJob).decode


class Refs:
    """Refs of one provider instance: sealed with the first key, opened with each. Put a new key in front, and take the old one out
    once receipts of messages sealed with it no longer come."""

    def __init__(self, keys: Sequence[RefKey], *, channel: Channel, instance: str) -> None:
        self._sealing = Sealing(keys, purpose=_PURPOSE, place=f"{channel}/{instance}".encode())
        self._room = _MOST_BYTES - self._sealing.added

    def seal(self, job: Job) -> str | None:
        """The ref of this job. None where its ids are none of ours, or so long that nothing else has room."""
        if (sealed := sealed_job(job)) is None:
            return None
        said = _encode(sealed)
        if len(said) > self._room:
            if (shorter := self._fitting(sealed)) is None:
                return None
            said = shorter
        return self._sealing.seal(said)

    def open(self, ref: str) -> Ref | None:
        """What the ref says; None where it is none, or was sealed for another instance or with another key."""
        if len(ref) > MOST_CHARS or (said := self._sealing.open(ref)) is None:
            return None
        try:
            return read_sealed(_decode(said))
        except (ValueError, LookupError, msgspec.DecodeError):
            return None

    def _fitting(self, sealed: SealedJob) -> bytes | None:
        for name in _OPTIONAL:
            sealed = msgspec.structs.replace(sealed, **{name: None})
            if len(said := _encode(sealed)) <= self._room:
                return said
        return None


def with_ref(url: str, ref: str | None) -> str:
    """A callback URL that brings the ref back in its query."""
    return url if ref is None else f"{url}{'&' if '?' in url else '?'}ref={ref}"


def pieces(ref: str, size: int) -> list[str]:
    """The ref in pieces of so many characters, for providers that keep only short values."""
    return [ref[begin : begin + size] for begin in range(0, len(ref), size)]


def sealed_job(job: Job) -> SealedJob | None:
    """What of a job is sealed. None where its ids are none of ours."""
    try:
        notification = bytes.fromhex(job.notification_id.replace("-", ""))
        delivery = bytes.fromhex(job.delivery_id.replace("-", ""))
    except ValueError:
        return None
    return SealedJob(
        job.tenant, job.recipient, notification, delivery, _LANES[job.lane], job.test,
        job.address_hash, job.address_key, job.category, job.step, job.workflow, job.origin,
    )  # fmt: skip


def read_sealed(sealed: SealedJob) -> Ref:
    """What it says of the delivery. Raises ValueError or LookupError where it is none of ours."""
    return Ref(
        tenant=sealed.tenant,
        recipient=sealed.recipient,
        notification_id=str(UUID(bytes=sealed.notification)),
        delivery_id=str(UUID(bytes=sealed.delivery)),
        lane=_OF_LETTER[sealed.lane],
        test=sealed.test,
        address_hash=sealed.address_hash,
        address_key=sealed.address_key,
        category=sealed.category,
        step=sealed.step,
        workflow=sealed.workflow,
        origin=sealed.origin,
    )
