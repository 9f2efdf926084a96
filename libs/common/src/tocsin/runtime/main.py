"""What every `__main__` does: `--help`, settings, logs, traces, then the service."""

import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tocsin.contracts.vocabulary import Lane
from tocsin.observability import configure_logging, configure_tracing, get_logger, metrics
from tocsin.runtime.bounds import CLOSING, SHUTDOWN, check_shutdown
from tocsin.runtime.certificates import show_certificates
from tocsin.runtime.component import Component
from tocsin.runtime.errors import ExitCode, OperatorError, one_line
from tocsin.runtime.exit_note import ExitNote
from tocsin.runtime.failpoints import ArmedPlaces
from tocsin.runtime.health import Health
from tocsin.runtime.http import HttpServer, HttpSettings, OperationsSettings
from tocsin.runtime.last_words import LastWords
from tocsin.runtime.observability_settings import ObservabilitySettings
from tocsin.runtime.service import run_service
from tocsin.runtime.setting_facts import About, Unwise
from tocsin.runtime.setting_names import groups_of
from tocsin.runtime.settings import Lanes, Settings
from tocsin.runtime.settings_advice import warn_of
from tocsin.runtime.settings_loading import load_settings
from tocsin.runtime.settings_table import settings_text

log = get_logger(__name__)


class ServiceSettings(Settings):
    """What every service has. Subclass it, and give the subclass an `env_prefix` for the fields of its own."""

    model_config = SettingsConfigDict(populate_by_name=True, frozen=True)

    operations: OperationsSettings = Field(
        default_factory=OperationsSettings, description="Where probes and metrics are answered"
    )
    observability: ObservabilitySettings = Field(
        default_factory=ObservabilitySettings, description="Logs and traces"
    )
    shutdown_timeout: Annotated[
        float,
        About(
            unit="seconds",
            under=Unwise(
                bound=10,
                harm="requests and calls under way are cut off whenever the process is told to stop",
                remedy="leave it at 45",
            ),
            danger=f"Kubernetes and Compose kill the process unless their grace period is longer than `preStop`, WAVE_SECONDS, this, and the {CLOSING:g} s for closing together",
        ),
    ] = Field(
        default=SHUTDOWN,
        gt=0,
        validation_alias="SHUTDOWN_TIMEOUT",
        description="Seconds to finish what is in flight after SIGTERM; keep it below Kubernetes' grace period",
    )
    wave: Annotated[
        float,
        About(
            unit="seconds",
            danger="Clocks that are not in step, or other values in some processes, stop each group more often",
        ),
    ] = Field(
        default=0,
        ge=0,
        le=10,
        validation_alias="WAVE_SECONDS",
        description="Begin to work, and stop after SIGTERM, only at whole multiples of so many seconds of the clock: Pods that are replaced "
        "together then stop each consumer group once, not once for each Pod; the same for all, 0: at once",
    )
    termination_log: Path = Field(
        default=Path("/dev/termination-log"),
        validation_alias="TERMINATION_LOG",
        description="File that gets a line saying why the process failed, if the file is there: Kubernetes' termination message",
    )
    exit_notes: Annotated[Path | None, BeforeValidator(lambda value: value or None)] = Field(
        default=Path("/tmp/tocsin"),  # noqa: S108 - a few bytes, which only say how this machine's services ended
        validation_alias="EXIT_NOTES",
        description="Folder in which a process notes how it ended, for `tocsin_last_exit_info` of the next; it must outlive the process. Empty: no note",
    )
    failpoints: Annotated[
        ArmedPlaces, About(danger="The process kills or freezes itself: never where messages matter")
    ] = Field(
        default=[],
        validation_alias="FAILPOINTS",
        description="Only for tests: places where the process kills, freezes or delays itself, as `after_claim=kill`",
    )


Shards = Annotated[
    int,
    About(
        unit="shards",
        change="stop the lane's processes first",  # members of unequal numbers refuse each other
        danger="Processes beyond it hold nothing; no more than the topics have partitions",
    ),
    Field(
        ge=1,
        le=1000,
        description="Shards of a lane: at most so many processes can share it. The same number in all of them; to change it, stop the lane",
    ),
]
"""How many each lane of a service has."""


class LaneSettings(ServiceSettings):
    """What a service that consumes lanes has besides. Give `lanes` a description of its own in the subclass."""

    lanes: Annotated[
        Lanes,
        About(
            danger="A lane that no process of a service names is served by nobody: its messages wait until they expire"
        ),
    ] = Field(
        default=list(Lane),
        validation_alias="LANES",
        description="Lanes this process serves, with commas between",
    )

    @model_validator(mode="after")
    def _a_shutdown_outlasts_a_rebalance(self) -> Self:
        check_shutdown(self.shutdown_timeout, self.lanes)
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """What a service answers to its callers: an ASGI app, and where it listens; `sockets` are paths of WebSockets with an ASGI app each."""

    app: Any
    settings: HttpSettings
    sockets: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What `main` runs. `operations` is the ASGI app of probes and metrics, `api` what callers reach, where there is anything;
    `components` are opened in this order."""

    operations: Any
    health: Health
    api: Api | None = None
    components: Sequence[Component] = field(default_factory=tuple)


S = TypeVar("S", bound=ServiceSettings)


def main(
    *,
    name: str,
    settings: type[S],
    build: Callable[[S], Service],
    summary: str,
    started_by: str | None = None,
    arguments: Sequence[str] | None = None,
) -> int:
    """Run the service `name`; returns the exit code for `sys.exit`.

    `--help` prints `summary`, the settings table and what starts it: `python -m` with `started_by`, by default the service's package.
    `build` wires the service from its settings, before the loop runs; an OperatorError of its ends the process like one of a
    component. Garbage is collected from there on, also where the caller disabled that while it loaded its modules.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if given:
        module = started_by or f"tocsin.{name.replace('-', '_')}"
        return _answer(given, name=name, module=module, settings=settings, summary=summary)
    loaded = load_settings(settings)
    release = version("tocsin-common")
    configure_logging(
        name,
        loaded.observability.json_logs,
        level=loaded.observability.log_level,
        version=release,
        names=loaded.observability.log_fields,
    )
    configure_tracing(
        name,
        loaded.observability.otel_exporter_otlp_endpoint,
        loaded.observability.trace_sample_ratio,
        each_second=loaded.observability.traces_per_second,
        version=release,
    )
    commit = loaded.observability.build_commit
    metrics.build_info.labels(name, release, commit).set(1)
    show_certificates({group: getattr(loaded, group) for group in groups_of(settings)})
    warn_of(loaded, os.environ)
    note = ExitNote(loaded.exit_notes, component=name)
    note.show_former()
    last_words = LastWords(termination_log=loaded.termination_log, note=note)
    if loaded.failpoints:
        log.warning("failpoints are armed: this process may kill or freeze itself", failpoints=[str(place) for place in loaded.failpoints])  # fmt: skip
    try:
        service = build(loaded)
    except OperatorError as error:
        log.error("could not start", reason=str(error))  # noqa: TRY400 - the sentence is all there is to say
        last_words.leave(ExitCode.OPERATOR_MUST_ACT, f"{name} could not start: {error}")
        return ExitCode.OPERATOR_MUST_ACT
    except Exception as error:
        last_words.leave(ExitCode.FAILED, f"{name} could not start: {one_line(error)}")
        raise
    gc.freeze()  # what was loaded stays for ever; collections need not look at it
    gc.enable()
    servers = [HttpServer(name="operations", app=service.operations, settings=loaded.operations)]
    if service.api is not None:
        api = HttpServer(
            name="http", app=service.api.app, settings=service.api.settings, sockets=service.api.sockets
        )
        metrics.http_connections.labels(name).set_function(lambda: api.connections)
        metrics.http_connections_limit.labels(name).set(service.api.settings.connections)
        servers.append(api)
    return run_service(
        name=name,
        servers=servers,
        components=service.components,
        health=service.health,
        shutdown_timeout=loaded.shutdown_timeout,
        last_words=last_words,
        wave=loaded.wave,
    )


def _answer(
    given: Sequence[str], *, name: str, module: str, settings: type[BaseSettings], summary: str
) -> int:
    if list(given) not in (["--help"], ["-h"]):
        sys.stderr.write(
            f"tocsin {name} takes no arguments, only --help; it is configured by environment variables.\n"
        )
        return ExitCode.SETTINGS_INVALID
    sys.stdout.write(
        f"Usage: python -m {module}\n\n{summary}\n\nEnvironment variables:\n\n{settings_text(settings)}"
    )
    return 0
