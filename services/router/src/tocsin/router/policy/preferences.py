"""Whether a recipient wants a message: stored preferences against the category, the most specific first."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

from tocsin.contracts.directory import CategoryDefault
from tocsin.contracts.vocabulary import Reason, Rule

ANY: Final = "*"
"""A preference that names no channel, category or workflow holds for every one."""


class Preference(NamedTuple):
    """One stored switch. What is not stored says nothing: neither on nor off."""

    channel: str
    category: str
    workflow: str
    enabled: bool
    source: str
    """Who switched it last: `api`, `unsubscribe_page`, `one_click`, or what the caller named."""
    changed_at: datetime

    @property
    def scope(self) -> str:
        """How decisions name it: `channel/category/workflow`, such as `sms/marketing/*`."""
        return f"{self.channel}/{self.category}/{self.workflow}"


class PreferenceOutcome(NamedTuple):
    """What holds, and what decided it: `required`, a preference's scope, or `default` (the category's)."""

    enabled: bool
    decided_by: str
    rule: Rule
    reason: Reason | None
    """Why not; None when enabled."""
    preference: Preference | None = None
    """The stored preference that decided; None when none did."""

    @property
    def seen(self) -> dict[str, Any]:
        """What a decision tells of it: what decided, and of a stored preference who set it, and when."""
        if self.preference is None:
            return {"decided_by": self.decided_by}
        source, changed_at = self.preference.source, self.preference.changed_at
        return {"decided_by": self.decided_by, "source": source, "changed_at": changed_at}


_REQUIRED: Final = PreferenceOutcome(True, "required", Rule.CATEGORY, None)
_ON: Final = PreferenceOutcome(True, "default", Rule.CATEGORY, None)
_OFF: Final = PreferenceOutcome(False, "default", Rule.CATEGORY, Reason.CATEGORY_OFF)


def effective_preference(
    stored: Iterable[Preference],
    *,
    channel: str,
    category: str,
    category_default: CategoryDefault,
    workflow: str,
) -> PreferenceOutcome:
    """What holds for this workflow of this category on this channel.

    A `required` category cannot be switched off. Else the most specific stored preference decides: one for the workflow
    before one for the category before one for neither; among equals, one for the channel. Else the category's default.
    """
    if category_default == "required":
        return _REQUIRED
    best: Preference | None = None
    rank = -1
    for preference in stored:
        own = _rank(preference, channel, category, workflow)
        if own > rank:
            best, rank = preference, own
    if best is None:
        return _ON if category_default == "on" else _OFF
    return PreferenceOutcome(
        best.enabled, best.scope, Rule.PREFERENCE, None if best.enabled else Reason.PREFERENCE_OFF, best
    )


def _rank(preference: Preference, channel: str, category: str, workflow: str) -> int:
    """How specific the preference is for this message; -1 when it is about something else."""
    rank = 0
    for named, asked, weight in (
        (preference.workflow, workflow, 4),
        (preference.category, category, 2),
        (preference.channel, channel, 1),
    ):
        if named == asked:
            rank += weight
        elif named != ANY:
            return -1
    return rank
