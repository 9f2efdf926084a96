"""What every dispatcher is set up with."""

from pathlib import Path

from pydantic import Field

from tocsin.channel.deferral import DeferralPolicy
from tocsin.contracts.limits import MESSAGE_LIFE_SECONDS
from tocsin.kafka import KafkaSettings
from tocsin.runtime import LaneSettings


class DispatcherSettings(LaneSettings):
    """Subclass it in a dispatcher, with the dispatcher's `env_prefix` (`DISPATCH_EMAIL_`)."""

    kafka: KafkaSettings = Field(default_factory=KafkaSettings, description="Brokers and topics")
    providers_file: Path = Field(description="File that lists the provider instances, the default one first")
    shards: int = Field(
        default=4,
        ge=1,
        description="Shards of a lane: at most so many processes can share it. The same number in all of them; to change it, stop the lane",
    )
    instances: int = Field(
        default=1,
        ge=1,
        description="Processes of this dispatcher. A provider's `rate` and `rate_per_sender` are shared: each process sends at the rate divided by this",
    )
    max_unrecorded: int = Field(
        default=128,
        ge=1,
        description="Deliveries of each lane that have ended and are not recorded yet; at so many no call begins. A provider's `max_in_flight` bounds its calls",
    )
    window_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=4 * 1024 * 1024,
        description="Bytes of jobs held in memory by the process",
    )
    retry_first: float = Field(
        default=4.0,
        ge=1,
        le=3600,
        description="Seconds: after its n-th attempt a message that no provider took waits for a random part of this * factor^(n-1)",
    )
    retry_factor: float = Field(default=2.0, ge=1, le=10, description="The factor of that")
    retry_cap: float = Field(default=900.0, ge=1, le=86_400, description="Seconds it waits at most")
    retry_attempts: int = Field(
        default=100, ge=1, le=1000, description="Attempts after which such a message ends as `failed`"
    )
    retry_age: float = Field(
        default=float(MESSAGE_LIFE_SECONDS),
        ge=0,
        le=MESSAGE_LIFE_SECONDS,
        description="Seconds after the first attempt after which it ends; it ends no later than it expires",
    )

    def deferral(self) -> DeferralPolicy:
        """How long what no provider takes is tried."""
        return DeferralPolicy(
            first=self.retry_first,
            factor=self.retry_factor,
            cap=self.retry_cap,
            attempts=self.retry_attempts,
            age=self.retry_age,
        )
