"""What an operator says about logs and traces."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tocsin.observability.log_fields import FieldNames
from tocsin.runtime.setting_facts import About, Unwise
from tocsin.runtime.settings import Settings


class ObservabilitySettings(Settings):
    """Logs and traces; the same names in every service."""

    model_config = SettingsConfigDict(populate_by_name=True, frozen=True)

    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="`json`, `text`, or `auto`: text on a terminal, else JSON"
    )
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        About(danger="`ERROR` hides the warnings of providers that fail and of settings that do harm"),
    ] = Field(default="INFO", description="Lines below this level are dropped")
    log_fields: FieldNames = Field(
        default="plain",
        description="Names of the fields in JSON, and how levels are written: `plain` (`level`: `warning`), `gcp` (`severity`: `WARNING`, `message`, `time`) or `ecs` (`log.level`, `message`, `@timestamp`)",
    )
    build_commit: str = Field(
        default="unknown",
        max_length=64,
        description="The commit that this release was built from, shown in `tocsin_build_info`; images set it",
    )
    otel_exporter_otlp_endpoint: str | None = Field(
        default=None,
        description="Base URL of an OpenTelemetry collector (OTLP over HTTP); without it no span is recorded",
    )
    trace_sample_ratio: Annotated[
        float,
        About(
            unit="share",
            over=Unwise(
                bound=0.2,
                harm="a notification is some 30 spans, so that much of the processors' time goes into traces",
                remedy="record a few in a hundred; the caller's `traceparent` records the one you look for",
            ),
        ),
    ] = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of traces that begin here and are recorded; a parent's decision wins",
    )
    traces_per_second: Annotated[
        int,
        About(
            unit="messages a second",
            over=Unwise(
                bound=1000,
                harm="a caller who samples every request has a large part of the processors' time go into traces",
                remedy="leave it at 50, and raise it with TRACE_SAMPLE_RATIO alone",
            ),
        ),
    ] = Field(
        default=50,
        ge=1,
        description="Requests and records with a sampled `traceparent` that this process records in a second at most; what is more goes on "
        "unsampled, and `tocsin_traces_not_recorded_total` counts it",
    )

    @property
    def json_logs(self) -> bool | None:
        """The `json` argument of `configure_logging`."""
        return {"json": True, "text": False}.get(self.log_format)
