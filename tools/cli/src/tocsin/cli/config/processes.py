"""Which settings each process reads. Classes are looked up by name, for an image holds its own service alone."""

from collections.abc import Sequence
from importlib import import_module
from typing import Final

from tocsin.contracts.vocabulary import Channel
from tocsin.runtime import Settings

MIGRATE, TOPICS, WITNESS = "migrate", "topics", "ledger-witness"

PROCESSES: Final = {
    "ingest": "tocsin.ingest.settings:IngestSettings",
    "router": "tocsin.router.settings:RouterSettings",
    "scheduler": "tocsin.scheduler.settings:SchedulerSettings",
    **{
        channel.dispatcher: f"tocsin.{channel.dispatcher.replace('-', '_')}.settings:{channel.capitalize()}Settings"
        for channel in Channel
    },
    "ledger": "tocsin.ledger.settings:LedgerSettings",
    WITNESS: "tocsin.ledger.witness:WitnessSettings",
    "dispatch-email-callbacks": "tocsin.dispatch_email.callbacks:EmailCallbackSettings",
    "dispatch-sms-callbacks": "tocsin.dispatch_sms.callbacks:SmsCallbackSettings",
    MIGRATE: "tocsin.database:DatabaseSettings",
    TOPICS: "tocsin.cli.topics:TopicsSettings",
}
CALLBACKS: Final = tuple(name for name in PROCESSES if name.endswith("-callbacks"))
"""A role that an installation may do without."""
SERVICES: Final = tuple(name for name in PROCESSES if name not in (*CALLBACKS, MIGRATE, TOPICS))


class NotInstalled(Exception):
    """The service's package is not in this environment. A checkout has all; an image only its own."""


def settings_of(name: str) -> type[Settings]:
    """The class of one process. Raises NotInstalled, and KeyError for a name that is none."""
    module, _, cls = PROCESSES[name].partition(":")
    try:
        settings: type[Settings] = getattr(import_module(module), cls)
    except ModuleNotFoundError as missing:
        if not (missing.name or "").startswith("tocsin."):
            raise
        raise NotInstalled(name) from missing
    return settings


def process_of(image: str, command: Sequence[str]) -> str | None:
    """The process that a container runs, by its image's name and its words; None for one that is not ours."""
    name = image.rpartition("/")[2].partition("@")[0].partition(":")[0]
    words = list(command)
    if MIGRATE in words:
        return MIGRATE
    if words[:2] == ["tocsin", TOPICS]:
        return TOPICS
    if name == "ledger" and words[:1] == ["witness"]:
        return WITNESS
    if words[:1] == ["callbacks"] and f"{name}-callbacks" in CALLBACKS:
        return f"{name}-callbacks"
    return name if name in SERVICES else None
