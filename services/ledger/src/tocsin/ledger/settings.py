"""What an operator says about the ledger."""

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from tocsin.contracts.vocabulary import Lane
from tocsin.database import DatabaseSettings
from tocsin.kafka import KafkaSettings
from tocsin.runtime import About, HttpSettings, Lanes, LaneSettings, Unwise
from tocsin.runtime.bounds import check_shutdown


class LedgerSettings(LaneSettings):
    """Kafka to read, PostgreSQL to keep, and for how long."""

    model_config = SettingsConfigDict(env_prefix="LEDGER_", populate_by_name=True, frozen=True)

    http: HttpSettings = Field(default_factory=HttpSettings, description="Where the API listens")
    kafka: KafkaSettings = Field(default_factory=KafkaSettings, description="The brokers")
    database: DatabaseSettings = Field(default_factory=DatabaseSettings, description="PostgreSQL")
    lanes: Lanes = Field(
        default=list(Lane), validation_alias="LANES", description="Lanes whose statuses this process keeps"
    )
    retention_days: Annotated[
        int,
        About(
            unit="days",
            under=Unwise(
                bound=7,
                harm="timelines and dead letters of last week are gone, and with them what could be sent again",
                remedy="keep 30 days, as the topics `status` do",
            ),
            danger="A lower value deletes what is older within ten minutes of the start, for ever",
        ),
    ] = Field(default=30, ge=1, le=3650, description="Days for which statuses and dead letters are kept")
    batch_records: Annotated[int, About(unit="records")] = Field(
        default=5_000, ge=100, le=50_000, description="Records written in one transaction at most, per lane"
    )
    gather: Annotated[float, About(unit="seconds")] = Field(
        default=0.2,
        ge=0,
        le=5,
        description="Seconds for which records may gather, to be written together; timelines lag behind as much",
    )

    @model_validator(mode="after")
    def _a_shutdown_outlasts_a_rebalance_of_any_group(self) -> Self:
        """Dead letters are read whatever the lanes, and all groups of the ledger have the patient bounds."""
        check_shutdown(self.shutdown_timeout, [Lane.BULK])
        return self
