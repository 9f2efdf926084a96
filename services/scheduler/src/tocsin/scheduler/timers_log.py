"""What records of `timers` say, by kind, and which of them say nothing that can be kept."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from tocsin.contracts.codec import UNREADABLE_ERRORS, decode_timer, describe_error
from tocsin.contracts.timers import EraseTimers, HurryTimer, SetTimer, TimerFired, TimerRecord
from tocsin.kafka import ConsumerRecord


@dataclass(slots=True)
class Said:
    """What the records of a batch say, each with its record, in the order of the log."""

    set: list[tuple[ConsumerRecord, SetTimer]] = field(default_factory=list)
    hurried: list[tuple[ConsumerRecord, HurryTimer]] = field(default_factory=list)
    erased: list[tuple[ConsumerRecord, EraseTimers]] = field(default_factory=list)
    fired: list[tuple[ConsumerRecord, TimerFired]] = field(default_factory=list)
    unreadable: list[tuple[ConsumerRecord, str]] = field(default_factory=list)
    """Those that are no timers, with the reason; it repeats no value."""

    def counts(self) -> dict[str, int]:
        """How many of each kind."""
        return {
            "set": len(self.set), "hurried": len(self.hurried), "erased": len(self.erased), "fired": len(self.fired),
            "unreadable": len(self.unreadable),
        }  # fmt: skip


def read(records: Iterable[ConsumerRecord], *, writable: Collection[str]) -> Said:
    """`writable` are the topics that a timer may name."""
    said = Said()
    for record in records:
        try:
            timer: TimerRecord = decode_timer(record.value or b"")
        except UNREADABLE_ERRORS as error:
            said.unreadable.append((record, describe_error(error)))
            continue
        match timer:
            case SetTimer():
                if (fault := _fault(timer, writable)) is None:
                    said.set.append((record, timer))
                else:
                    said.unreadable.append((record, fault))
            case HurryTimer() if _is_uuid(timer.notification_id):
                said.hurried.append((record, timer))
            case EraseTimers():
                said.erased.append((record, timer))
            case TimerFired() if _is_uuid(timer.id):
                said.fired.append((record, timer))
            case HurryTimer() | TimerFired():
                said.unreadable.append((record, "its id is no UUID"))
    return said


def stored_at(record: ConsumerRecord) -> datetime:
    """When the broker stored the record, UTC."""
    return datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)


def _fault(timer: SetTimer, writable: Collection[str]) -> str | None:
    """What of it could not be fired."""
    if not (_is_uuid(timer.id) and _is_uuid(timer.notification_id)):
        return "/id, /notification_id: must be UUIDs"
    if timer.topic not in writable:
        return "/topic: is none that the scheduler writes on this lane"
    return None if timer.due.tzinfo else "/due: must name its offset from UTC"


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
