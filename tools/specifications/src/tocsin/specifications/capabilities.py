"""What each provider can do: a table for README.md and docs/providers.md, from the adapters of every dispatcher.

It stands between `<!-- capabilities -->` and `<!-- /capabilities -->`; everything else on a page is its author's.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from tocsin.channel import Idempotency, ProviderKind
from tocsin.channel.receipts import ReceiptsKind
from tocsin.contracts.vocabulary import StatusName
from tocsin.specifications.settings_tables import MarkersMissing

BEGIN, END = "<!-- capabilities -->", "<!-- /capabilities -->"
_HEAD: Final = (
    "| channel | provider | `kind` | one message has at most | actions | attachments | a second send of it | what comes back |\n"
    "|---|---|---|---|---|---|---|---|\n"
)
_SECOND_SEND: Final[Mapping[str, str]] = {
    Idempotency.COLLAPSE: "replaces the first",
    Idempotency.NONE: "arrives, too",
}
"""Another word of an adapter's stands as it is."""
_ORDER: Final = {name: place for place, name in enumerate(StatusName)}


def with_capabilities(page: Path, services: Path) -> str:
    """The page's text with today's table of the dispatchers in the folder `services`. Raises MarkersMissing."""
    before, begin, rest = page.read_text().partition(f"{BEGIN}\n")
    _, end, after = rest.partition(f"{END}\n")
    if not begin or not end:
        raise MarkersMissing(
            f"{page} lacks the lines {BEGIN} and {END} for the table of what providers can do."
        )
    rows = "".join(row for channel in _channels(services) for row in _rows(channel))
    return f"{before}{BEGIN}\n{_HEAD}{rows}{END}\n{after}"


def _channels(services: Path) -> list[str]:
    """Those that a dispatcher with adapters serves."""
    folders = sorted(path.parent.name for path in services.glob("dispatch-*/pyproject.toml"))
    return [folder.removeprefix("dispatch-") for folder in folders]


def _rows(channel: str) -> Iterator[str]:
    package = f"tocsin.dispatch_{channel}"
    kinds: Mapping[str, ProviderKind[Any]] = getattr(import_module(f"{package}.settings"), "KINDS", {})
    told: Mapping[str, ReceiptsKind[Any]] = {}
    if find_spec(f"{package}.callbacks") is not None:
        told = getattr(import_module(f"{package}.callbacks"), "RECEIPTS", {})
    for name, kind in kinds.items():
        second = _SECOND_SEND.get(kind.idempotency, kind.idempotency)
        cells = (
            channel,
            kind.title or name,
            f"`{name}`",
            kind.limit or "not said",
            kind.actions,
            kind.attachments,
            second,
            _told(told.get(name)),
        )
        yield f"| {' | '.join(cells)} |\n"


def _told(receipts: ReceiptsKind[Any] | None) -> str:
    if receipts is None:
        return "nothing"
    names = sorted(receipts.tells, key=_ORDER.__getitem__)
    return ", ".join(names)
