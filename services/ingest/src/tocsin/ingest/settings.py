"""What an operator sets for ingest, and how much one request may bring."""

from dataclasses import dataclass
from typing import Any

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tocsin.contracts import limits
from tocsin.contracts.directory import TenantLimits
from tocsin.kafka import KafkaSettings
from tocsin.programs import ProgramSettings
from tocsin.runtime import HttpSettings, ServiceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """How much one request may bring: the contract's limits, unless settings lower them."""

    body_bytes: int = limits.HTTP_BODY_BYTES
    recipients: int = limits.RECIPIENTS_PER_REQUEST
    batch_events: int = limits.EVENTS_PER_BATCH
    data_bytes: int = limits.EVENT_DATA_BYTES
    json_depth: int = limits.JSON_DEPTH


def _per_second(what: str) -> Any:
    return Field(
        default=0,
        ge=0,
        le=1_000_000,
        description=f"{what}, all instances together, unless its tenant's settings say otherwise; 0: as many as come",
    )


class IngestSettings(ServiceSettings):
    """Limits may be lowered, never raised: the services behind promise no more."""

    model_config = SettingsConfigDict(env_prefix="INGEST_", populate_by_name=True, frozen=True)

    http: HttpSettings = Field(default_factory=HttpSettings, description="Where the API listens")
    kafka: KafkaSettings = Field(default_factory=KafkaSettings, description="The brokers")
    programs: ProgramSettings = Field(
        default_factory=ProgramSettings, description="What tenants write and ingest runs"
    )
    publish_timeout: float = Field(
        default=5.0,
        gt=0,
        le=60,
        description="Seconds Kafka has to acknowledge an event before the answer is 503",
    )
    retry_after: int = Field(
        default=2,
        ge=1,
        description="Seconds a caller is asked to wait when Kafka has not stored the event (503)",
    )
    buffer_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=2 * 1024 * 1024,
        description="Bytes waiting for Kafka above which requests are refused with 503",
    )
    max_body_bytes: int = Field(
        default=limits.HTTP_BODY_BYTES,
        ge=1024,
        le=limits.HTTP_BODY_BYTES,
        description="Largest body of a request",
    )
    max_recipients: int = Field(
        default=limits.RECIPIENTS_PER_REQUEST,
        ge=1,
        le=limits.RECIPIENTS_PER_REQUEST,
        description="Most recipients of one request",
    )
    max_batch_events: int = Field(
        default=limits.EVENTS_PER_BATCH,
        ge=1,
        le=limits.EVENTS_PER_BATCH,
        description="Most events of one batch",
    )
    max_data_bytes: int = Field(
        default=limits.EVENT_DATA_BYTES,
        ge=1024,
        le=limits.EVENT_DATA_BYTES,
        description="Largest data of one event",
    )

    instances: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="How many instances of ingest share the load: each gives its share of what tenants and keys may send in a second",
    )
    tenant_requests_per_second: int = _per_second("Requests a second of a tenant")
    tenant_recipients_per_second: int = _per_second("Recipients a second of a tenant")
    key_requests_per_second: int = _per_second("Requests a second of an API key")
    key_recipients_per_second: int = _per_second("Recipients a second of an API key")

    @property
    def default_limits(self) -> TenantLimits:
        """What a tenant may send of which the directory says nothing."""
        return TenantLimits(
            requests_per_second=self.tenant_requests_per_second or None,
            recipients_per_second=self.tenant_recipients_per_second or None,
            key_requests_per_second=self.key_requests_per_second or None,
            key_recipients_per_second=self.key_recipients_per_second or None,
        )

    @property
    def limits(self) -> RequestLimits:
        """The limits, as the code asks for them."""
        return RequestLimits(
            body_bytes=self.max_body_bytes,
            recipients=self.max_recipients,
            batch_events=self.max_batch_events,
            data_bytes=self.max_data_bytes,
        )
