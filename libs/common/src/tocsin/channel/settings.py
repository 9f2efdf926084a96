"""What every dispatcher is set up with."""

from pathlib import Path

from pydantic import Field

from tocsin.kafka import KafkaSettings
from tocsin.runtime import LaneSettings


class DispatcherSettings(LaneSettings):
    """Subclass it in a dispatcher, with the dispatcher's `env_prefix` (`DISPATCH_EMAIL_`)."""

    kafka: KafkaSettings = Field(default_factory=KafkaSettings, description="Brokers and topics")
    providers_file: Path = Field(description="File that lists the provider instances, the default one first")
    slots: int = Field(
        default=4,
        ge=1,
        description="Units of ownership of a lane: the most instances that can share it; the same in all of them, for ever",
    )
    max_in_flight: int = Field(
        default=128,
        ge=1,
        description="Deliveries of a lane begun and not yet recorded",
    )
    window_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=4 * 1024 * 1024,
        description="Bytes of jobs held in memory by the process",
    )
