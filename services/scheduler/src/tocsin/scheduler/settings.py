"""What an operator says about the scheduler."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tocsin.contracts.vocabulary import Lane
from tocsin.database import DatabaseSettings, pool_for_shards
from tocsin.kafka import KafkaSettings
from tocsin.runtime import About, Advice, Lanes, LaneSettings, Shards


class SchedulerSettings(LaneSettings):
    """Kafka to read and write, PostgreSQL to keep what is not due yet."""

    model_config = SettingsConfigDict(env_prefix="SCHEDULER_", populate_by_name=True, frozen=True)

    kafka: KafkaSettings = Field(default_factory=KafkaSettings, description="The brokers")
    database: DatabaseSettings = Field(default_factory=DatabaseSettings, description="PostgreSQL")
    lanes: Lanes = Field(
        default=list(Lane), validation_alias="LANES", description="Lanes whose timers this process keeps"
    )
    shards: Shards = 4
    batch_records: Annotated[int, About(unit="timers")] = Field(
        default=5_000, ge=100, le=50_000, description="Timers written in one transaction at most"
    )

    def advice(self) -> Iterable[Advice]:
        """The pool against the shards."""
        yield from super().advice()
        yield from pool_for_shards(self.database, shards=self.shards)
