"""This process's copy of the tenants' endpoints, fed by the topic `directory`."""

import asyncio
from typing import Final, NamedTuple

import msgspec

from tocsin.contracts.codec import decode_directory
from tocsin.contracts.directory import WebhookEndpointRecord
from tocsin.contracts.jobs import Job
from tocsin.kafka import ConsumerRecord
from tocsin.observability import get_logger
from tocsin.trust import Seal

log = get_logger(__name__)

_KIND: Final = b"webhook_endpoint/"
LATE: Final = 2.0
"""Seconds: a job may come before the record of its endpoint, which is another topic's, and is waited for so long."""


class OpenedEndpoint(NamedTuple):
    """An endpoint with its secrets, for one call."""

    record: WebhookEndpointRecord
    secrets: tuple[str, ...]
    headers: dict[str, str]


class Endpoints:
    """Answers from memory; secrets are opened for a call and kept nowhere."""

    def __init__(self, *, seal: Seal) -> None:
        self._seal = seal
        self._records: dict[bytes, WebhookEndpointRecord] = {}
        self._changed = asyncio.Event()

    def apply(self, record: ConsumerRecord) -> None:
        """Take one record of `directory`; other kinds are passed over. Raises what the codec raises (`UNREADABLE_ERRORS`)."""
        key = record.key or b""
        if not key.startswith(_KIND):
            return
        if record.value is None:
            self._records.pop(key, None)
        else:
            entity = decode_directory(record.value)
            if isinstance(entity, WebhookEndpointRecord):
                self._records[key] = entity
        self._changed.set()
        self._changed = asyncio.Event()

    def get(self, job: Job) -> WebhookEndpointRecord | None:
        """The endpoint that a job goes to; None: there is none."""
        return self._records.get(_KIND + f"{job.tenant}/{job.address_key}".encode())

    async def wait_for(self, job: Job) -> WebhookEndpointRecord | None:
        """The same, once its record is here, or `LATE` seconds are over: then it was deleted."""
        try:
            async with asyncio.timeout(LATE):
                while (endpoint := self.get(job)) is None:
                    await self._changed.wait()
                return endpoint
        except TimeoutError:
            return None

    def opened(self, record: WebhookEndpointRecord) -> OpenedEndpoint:
        """The endpoint with its secrets. Raises SealKeyMissing and SealBroken."""
        secrets = tuple(
            self._seal.open(secret, tenant=record.tenant, entity=record.sealed_for)
            for secret in record.secrets
        )
        headers: dict[str, str] = {}
        if record.headers is not None:
            text = self._seal.open(record.headers, tenant=record.tenant, entity=record.sealed_for)
            headers = msgspec.json.decode(text, type=dict[str, str])
        return OpenedEndpoint(record, secrets, headers)

    def turn_of(self, job: Job, recipient: bytes) -> bytes | None:
        """Messages for an endpoint that asks for it come in their recipient's order; all others wait for none."""
        endpoint = self.get(job)
        if endpoint is None or not endpoint.ordered:
            return None
        return recipient + b"\x00" + job.address_key.encode()
