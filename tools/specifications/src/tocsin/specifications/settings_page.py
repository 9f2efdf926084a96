"""The tables of `docs/operations/settings.md`, from the classes that read the settings. All else there is its author's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic_settings import BaseSettings

from tocsin.channel import DispatcherSettings
from tocsin.channel.callbacks_role import CallbackSettings
from tocsin.channel.settings import ProviderSettings
from tocsin.cli.api import ApiSettings
from tocsin.cli.config.processes import CALLBACKS, PROCESSES, SERVICES, settings_of
from tocsin.cli.topics import TopicSizes
from tocsin.database import DatabaseSettings
from tocsin.dispatch_email.settings import EmailSettings
from tocsin.ingest.settings import IngestSettings
from tocsin.kafka import KafkaSettings
from tocsin.ledger.settings import LedgerSettings
from tocsin.programs import ProgramSettings
from tocsin.router.settings import RouterSettings
from tocsin.runtime import HttpSettings, LaneSettings, ServiceSettings, SettingRow
from tocsin.runtime.http import OperationsSettings
from tocsin.runtime.observability_settings import ObservabilitySettings
from tocsin.runtime.outgoing import OutgoingSettings
from tocsin.runtime.setting_names import groups_of, own_fields
from tocsin.runtime.settings_table import setting_row
from tocsin.scheduler.settings import SchedulerSettings
from tocsin.trust import SealSettings

BEGIN, END = "<!-- settings -->", "<!-- /settings -->"
COLUMNS: Final = ("variable", "type, unit", "default", "bounds", "what it does", "danger", "a change takes")
CALLERS: Final = "`tocsin send`, `cancel`, `timeline`, `dead`, `redrive`, `refusals`"

TITLES: Final[Mapping[type[BaseSettings], str]] = {
    ServiceSettings: "Every process",
    OperationsSettings: "Probes and metrics",
    ObservabilitySettings: "Logs and traces",
    LaneSettings: "Lanes",
    KafkaSettings: "Kafka",
    DatabaseSettings: "PostgreSQL",
    HttpSettings: "The HTTP API",
    ProgramSettings: "What tenants write",
    OutgoingSettings: "URLs of tenants",
    SealSettings: "Sealed secrets",
    IngestSettings: "Ingest",
    RouterSettings: "Router",
    SchedulerSettings: "Scheduler",
    ProviderSettings: "Dispatchers and their callbacks",
    DispatcherSettings: "Dispatchers",
    CallbackSettings: "Callbacks of providers",
    LedgerSettings: "Ledger",
    TopicSizes: "Topics",
    EmailSettings: "Mails",
    ApiSettings: "Commands that call the API",
}
"""A heading for each class that has fields of its own, in the order of the page."""

OF_A_CHANNEL: Final = (ProviderSettings, DispatcherSettings, CallbackSettings)
"""Their fields have a name for each channel, unless they have one of their own."""
RUNNING: Final = (*SERVICES, *CALLBACKS)

COMMANDS: Final[Mapping[type[BaseSettings], str]] = {
    KafkaSettings: "`tocsin topics apply`, `tocsin doctor`, `tocsin directory republish`",
    DatabaseSettings: "`python -m tocsin.<service> migrate`, `tocsin keys`, `tocsin directory republish`",
    TopicSizes: "`tocsin topics apply`",
    ApiSettings: CALLERS,
}
"""Commands that read a class besides the services."""


class SettingUnusable(Exception):
    """A setting has no description or no unit, or its class has no heading; the message names it."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """What one class defines, and the services that read it."""

    title: str
    rows: list[SettingRow]
    readers: list[str]
    commands: str


def settings_page(path: Path) -> str:
    """The page with today's tables between its markers. Raises SettingUnusable."""
    before, begin, rest = path.read_text().partition(f"{BEGIN}\n")
    _, end, after = rest.partition(f"{END}\n")
    if not begin or not end:
        raise SettingUnusable(f"{path} lacks the lines {BEGIN} and {END} for its tables.")
    try:
        tables = "".join(_table(section) for section in sections())
    except ValueError as unusable:
        raise SettingUnusable(f"{unusable}.") from unusable
    return f"{before}{BEGIN}\n{tables}{END}\n{after}"


def sections() -> list[Section]:
    """All of them. Each setting stands in one: that of the class that defines it first."""
    defined: dict[type[BaseSettings], dict[str, SettingRow]] = {}
    readers: dict[type[BaseSettings], list[str]] = {}
    classes: dict[str, type[BaseSettings]] = {name: settings_of(name) for name in PROCESSES}
    for name, cls in (classes | {"callers": ApiSettings}).items():
        for owner, field in _fields(cls):
            defined.setdefault(owner, {}).setdefault(field, _row(owner, field))
            known = readers.setdefault(owner, [])
            if name in RUNNING and name not in known:
                known.append(name)
    if strangers := defined.keys() - TITLES.keys():
        names = ", ".join(sorted(cls.__name__ for cls in strangers))
        raise SettingUnusable(f"Give {names} a heading in tocsin.specifications.settings_page.")
    return [
        Section(
            title=title,
            rows=list(defined[cls].values()),
            readers=readers[cls],
            commands=COMMANDS.get(cls, ""),
        )
        for cls, title in TITLES.items()
    ]


def _fields(cls: type[BaseSettings]) -> Iterator[tuple[type[BaseSettings], str]]:
    """Each field with the class that defined it first."""
    for name in own_fields(cls):
        definers = (base for base in cls.__mro__ if name in vars(base).get("__annotations__", {}))
        *_, first = (base for base in definers if issubclass(base, BaseSettings))
        yield first, name
    for group in groups_of(cls).values():
        yield from _fields(group)


def _row(owner: type[BaseSettings], field: str) -> SettingRow:
    """As its definer describes it; one name stands for those of all dispatchers."""
    row = setting_row(owner, field)
    if owner in OF_A_CHANNEL and owner.model_fields[field].validation_alias is None:
        return replace(row, name=f"DISPATCH_<CHANNEL>_{field.upper()}")
    return row


def _table(section: Section) -> str:
    every = len(section.readers) == len(RUNNING)
    who = "every service" if every else ", ".join(f"`{name}`" for name in section.readers)
    read_by = ", ".join(part for part in (who, section.commands) if part)
    head = (
        f"\n## {section.title}\n\nRead by {read_by}.\n\n| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|\n"
    )
    return head + "".join(_line(row) for row in section.rows)


def _line(row: SettingRow) -> str:
    kind = ", ".join(part for part in (row.type, row.unit) if part)
    default = row.default if row.default in {"", "required"} else f"`{row.default}`"
    name = f"`{row.name}`" + (f", `{row.name}_FILE`" if row.from_file else "")
    cells = (name, kind, default, row.bounds, row.meaning, row.danger, row.change)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"
