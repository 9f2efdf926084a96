"""What a recipient does with an item, and what follows from it. Pure: no clock, no database."""

from dataclasses import dataclass, replace
from datetime import datetime

from tocsin.contracts.vocabulary import StatusName


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemState:
    """When the recipient has seen, read and archived an item, and clicked an action of it; None: not, or no longer."""

    seen_at: datetime | None = None
    read_at: datetime | None = None
    archived_at: datetime | None = None
    clicked_at: datetime | None = None
    clicked_action: str | None = None

    @property
    def counts_as_unseen(self) -> bool:
        """Whether its box counts it among those not seen: what is archived counts nowhere."""
        return self.seen_at is None and self.archived_at is None

    @property
    def counts_as_unread(self) -> bool:
        """The same of those not read."""
        return self.read_at is None and self.archived_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemChange:
    """What is asked for; None leaves it as it is. Nothing makes an item unseen again."""

    seen: bool = False
    read: bool | None = None
    archived: bool | None = None
    action: str | None = None


@dataclass(frozen=True, slots=True)
class ChangedItem:
    """The new state, and the statuses that tell of it. Taking something back is told by none."""

    state: ItemState
    statuses: tuple[StatusName, ...]


def changed(state: ItemState, change: ItemChange, *, at: datetime) -> ChangedItem:
    """The state after the change. Who clicks an action has read the item, and who reads it has seen it. A time stays the first one."""
    new, statuses = state, list[StatusName]()
    reads = change.read or change.action is not None
    if (change.seen or reads) and new.seen_at is None:
        new = replace(new, seen_at=at)
        statuses.append(StatusName.SEEN)
    if reads and new.read_at is None:
        new = replace(new, read_at=at)
        statuses.append(StatusName.READ)
    if change.read is False and change.action is None:
        new = replace(new, read_at=None)
    if change.archived and new.archived_at is None:
        new = replace(new, archived_at=at)
        statuses.append(StatusName.ARCHIVED)
    if change.archived is False:
        new = replace(new, archived_at=None)
    if change.action is not None:
        new = replace(new, clicked_at=at, clicked_action=change.action)
        statuses.append(StatusName.CLICKED)
    return ChangedItem(new, tuple(statuses))
