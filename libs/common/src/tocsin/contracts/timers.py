"""What is due later: the records of `timers.<lane>`. Whoever puts something off sets a timer; the scheduler fires it.

All of them are keyed as the person's other records are, `tenant/recipient`, so a timer lies in the partition of what it writes when
it is due. A timer's id is a field, made of what was put off (`ids.retry_timer_id`, `ids.run_timer_id`): setting it twice sets one.
"""

from datetime import datetime

import msgspec

from tocsin.contracts.vocabulary import TimerEndWord


class TimerPrivate(msgspec.Struct, kw_only=True):
    """What of a timer identifies a person. Nothing outside it does, so that it can be sealed as a whole."""

    record: msgspec.Raw
    """The value of the record that is written when the timer is due."""


class SetTimer(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="set"):
    """When `due`, the record goes to `topic`, under this record's key and in the partition of the same number."""

    version: int = 1
    id: str
    tenant: str
    recipient: str
    notification_id: str
    due: datetime
    """UTC. What is due already is fired at once."""
    topic: str
    private: TimerPrivate
    wakes_on: str | None = None
    """The step whose news may wake it before it is due: see `HurryTimer`."""
    cause: str
    """The record that this one follows from: `topic/partition/offset`."""
    traceparent: str | None = None


class HurryTimer(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="hurry"):
    """What the timer of this notification waits for at `step` has come: it is due now.

    It meets a timer that is set, else the first one that is set within ten minutes after it, and is used up by that.
    """

    version: int = 1
    tenant: str
    recipient: str
    notification_id: str
    step: str
    cause: str
    """The record that this one follows from: `topic/partition/offset`."""


class EraseTimers(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="erase"):
    """Whatever was set for this recipient until now is forgotten and never fires."""

    version: int = 1
    tenant: str
    recipient: str
    cause: str
    """The record that this one follows from: `topic/partition/offset`."""


class TimerFired(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="kind", tag="fired"):
    """The timer's record was written, in the same transaction as this one."""

    version: int = 1
    id: str
    how: TimerEndWord
    """`due` or `hurried`."""


TimerRecord = SetTimer | HurryTimer | EraseTimers | TimerFired
"""Every record of `timers.<lane>`."""
