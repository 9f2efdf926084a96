"""What an operator sets for ingest, and how much one request may bring."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tocsin.contracts import limits
from tocsin.contracts.directory import TenantLimits
from tocsin.kafka import KafkaSettings
from tocsin.programs import ProgramSettings
from tocsin.runtime import About, Advice, HttpSettings, ServiceSettings, Unwise
from tocsin.runtime.setting_names import variable_of

_REQUESTS: Final = About(unit="requests a second")
_RECIPIENTS: Final = About(unit="recipients a second")


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
    publish_timeout: Annotated[
        float,
        About(
            unit="seconds",
            under=Unwise(
                bound=1,
                harm="whenever a broker hands its partitions over, requests are answered 503",
                remedy="give it 5",
            ),
        ),
    ] = Field(
        default=5.0,
        gt=0,
        le=60,
        description="Seconds Kafka has to acknowledge an event before the answer is 503",
    )
    retry_after: Annotated[int, About(unit="seconds")] = Field(
        default=2,
        ge=1,
        description="Seconds a caller is asked to wait when Kafka has not stored the event (503)",
    )
    buffer_bytes: Annotated[
        int, About(unit="bytes", danger="It is memory: keep it well below the container's limit")
    ] = Field(
        default=64 * 1024 * 1024,
        ge=2 * 1024 * 1024,
        description="Bytes waiting for Kafka above which requests are refused with 503",
    )
    max_body_bytes: Annotated[int, About(unit="bytes")] = Field(
        default=limits.HTTP_BODY_BYTES,
        ge=1024,
        le=limits.HTTP_BODY_BYTES,
        description="Largest body of a request",
    )
    max_recipients: Annotated[int, About(unit="recipients")] = Field(
        default=limits.RECIPIENTS_PER_REQUEST,
        ge=1,
        le=limits.RECIPIENTS_PER_REQUEST,
        description="Most recipients of one request",
    )
    max_batch_events: Annotated[int, About(unit="events")] = Field(
        default=limits.EVENTS_PER_BATCH,
        ge=1,
        le=limits.EVENTS_PER_BATCH,
        description="Most events of one batch",
    )
    max_data_bytes: Annotated[int, About(unit="bytes")] = Field(
        default=limits.EVENT_DATA_BYTES,
        ge=1024,
        le=limits.EVENT_DATA_BYTES,
        description="Largest data of one event",
    )

    instances: Annotated[
        int,
        About(
            unit="instances",
            danger="With fewer than run, tenants may send more than their limit; with more, less",
        ),
    ] = Field(
        default=1,
        ge=1,
        le=1000,
        description="How many instances of ingest share the load: each gives its share of what tenants and keys may send in a second",
    )
    tenant_requests_per_second: Annotated[int, _REQUESTS] = _per_second("Requests a second of a tenant")
    tenant_recipients_per_second: Annotated[int, _RECIPIENTS] = _per_second("Recipients a second of a tenant")
    key_requests_per_second: Annotated[int, _REQUESTS] = _per_second("Requests a second of an API key")
    key_recipients_per_second: Annotated[int, _RECIPIENTS] = _per_second("Recipients a second of an API key")

    def advice(self) -> Iterable[Advice]:
        """Requests that outlive the process, and limits that are less than one for each instance."""
        yield from super().advice()
        if self.shutdown_timeout <= self.publish_timeout:
            yield Advice(
                variable="SHUTDOWN_TIMEOUT",
                harm="is no longer than INGEST_PUBLISH_TIMEOUT: a request that waits for Kafka is cut off, and its caller does not know whether it counts",
                remedy="leave it at 45",
            )
        for name in (
            "tenant_requests_per_second",
            "tenant_recipients_per_second",
            "key_requests_per_second",
            "key_recipients_per_second",
        ):
            if 0 < getattr(self, name) < self.instances:
                yield Advice(
                    variable=variable_of(type(self), name),
                    harm=f"is less than one for each of {self.instances} instances: callers are refused below their limit",
                    remedy="raise it, or let fewer instances share the load",
                )

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
